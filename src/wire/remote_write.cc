#include "wire/remote_write.h"

#include <algorithm>

#include "base/text.h"
#include "wire/native_histogram_proto.h"

namespace gatehouse::wire {

namespace {

using model::LabelView;
using model::SeriesAppend;

// What is asked of the charge at least.
constexpr size_t kRoomStep = 64 << 10;

constexpr std::string_view kMalformed = "the request is not the protobuf message it should be";

// A label as every sender writes it: name, then value, both shorter than 128
// bytes, and nothing else. False: it may still be a label, written otherwise.
inline bool quick_label(std::string_view message, LabelView& label) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(message[i]); };
  const size_t size = message.size();
  if (size < 4 || byte(0) != 0x0a) return false;
  const size_t name = byte(1);
  if (name >= 0x80 || name + 4 > size || byte(name + 2) != 0x12) return false;
  const size_t value = byte(name + 3);
  if (value >= 0x80 || name + 4 + value != size) return false;
  label = {message.substr(2, name), message.substr(name + 4, value)};
  return true;
}

bool slow_label(std::string_view message, LabelView& label) {
  label = {};
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.is(1, ProtoType::kBytes)) {
      label.name = reader.bytes();
    } else if (reader.is(2, ProtoType::kBytes)) {
      label.value = reader.bytes();
    } else {
      reader.skip();
    }
  }
  return reader.ok();
}

model::SampleType sample_type(uint64_t number) {
  // The enumerations of both versions and of the model count alike.
  return number <= static_cast<uint64_t>(model::SampleType::kStateset)
             ? static_cast<model::SampleType>(number)
             : model::SampleType::kUnknown;
}

}  // namespace

std::optional<RemoteWriteVersion> remote_write_version(std::string_view content_type) {
  const std::vector<std::string_view> parts = split(content_type, ';');
  if (!equal_ignoring_case(trim(parts[0]), "application/x-protobuf")) return std::nullopt;
  for (size_t i = 1; i < parts.size(); ++i) {
    const std::string_view parameter = trim(parts[i]);
    if (!equal_ignoring_case(parameter.substr(0, 6), "proto=")) continue;
    if (parameter.substr(6) == "prometheus.WriteRequest") return RemoteWriteVersion::kV1;
    if (parameter.substr(6) == "io.prometheus.write.v2.Request") return RemoteWriteVersion::kV2;
    return std::nullopt;
  }
  return RemoteWriteVersion::kV1;
}

std::string_view content_type(RemoteWriteVersion version) {
  return version == RemoteWriteVersion::kV1
             ? "application/x-protobuf"
             : "application/x-protobuf;proto=io.prometheus.write.v2.Request";
}

Result<DecodedWrite> RemoteWriteDecoder::decode(RemoteWriteVersion version,
                                                std::string_view request, MemoryCharge* charge) {
  // Offsets into arenas are 32 bits; no body that is let in comes near.
  if (request.size() > UINT32_MAX) return resource_exhausted("the request is too large");
  reset(request);
  charge_ = charge;
  room_ = 0;
  full_ = Full::kNo;
  const bool good = version == RemoteWriteVersion::kV1 ? decode_v1(request) : decode_v2(request);
  if (!good) {
    reset({});
    if (full_ == Full::kRefused) return unavailable("there is no memory to read the request with");
    if (full_ == Full::kTooLarge) {
      return resource_exhausted("the request needs more memory than the " +
                                std::to_string(limits_.memory_bytes) + " bytes one may");
    }
    return invalid_argument(std::string(kMalformed));
  }
  link();
  return decoded_;
}

void RemoteWriteDecoder::reset(std::string_view request) {
  series_.clear();
  ends_.clear();
  labels_.clear();
  samples_.clear();
  families_.clear();
  metadata_.clear();
  metadata_index_.clear();
  symbols_.clear();
  histograms_used_ = exemplars_used_ = 0;
  decoded_ = {};
  begin_ = {0, 0, 0, 0, -1};
  series_metadata_ = -1;
  wrong_ = name_before_ = {};
  order_before_ = 0;
  named_ = long_ = false;
  request_end_ = request.data() + request.size();
  if (!request.empty()) extra_bytes_ = 0;
}

size_t RemoteWriteDecoder::held_bytes() const {
  return series_.capacity() * sizeof(SeriesAppend) + ends_.capacity() * sizeof(Ends) +
         labels_.capacity() * sizeof(LabelView) + samples_.capacity() * sizeof(model::Sample) +
         histograms_.capacity() * sizeof(model::HistogramSample) +
         exemplars_.capacity() * sizeof(model::Exemplar) + symbols_.capacity() * sizeof(Symbol) +
         extra_bytes_;
}

void RemoteWriteDecoder::shrink() { *this = RemoteWriteDecoder(limits_); }

bool RemoteWriteDecoder::decode_v1(std::string_view request) {
  ProtoReader reader(request);
  while (reader.next()) {
    if (reader.is(1, ProtoType::kBytes)) {
      if (!series_v1(reader.bytes())) return false;
    } else if (reader.is(3, ProtoType::kBytes)) {
      if (!metadata_v1(reader.bytes())) return false;
    } else {
      reader.skip();
    }
  }
  return reader.ok();
}

inline void RemoteWriteDecoder::add_label(LabelView label, uint64_t order) {
  if (order <= order_before_ && !name_before_.empty()) {
    const auto compared = label.name <=> name_before_;
    if (compared == 0) wrong_ = "a label's name is there twice";
    if (compared < 0) wrong_ = "labels are not sorted by name";
  }
  if (label.name.empty()) wrong_ = "a label's name is empty";
  order_before_ = order;
  name_before_ = label.name;
  if (label.value.empty()) return;  // the same as no label
  labels_.push_back(label);
  if (!named_) named_ = label.name == model::kMetricName;
}

inline bool RemoteWriteDecoder::label_v1(std::string_view message) {
  LabelView label;
  if (!quick_label(message, label)) {
    if (!slow_label(message, label)) return false;
    long_ = true;
  }
  add_label(label, order_key(label.name, request_end_));
  return true;
}

bool RemoteWriteDecoder::series_v1(std::string_view message) {
  // No label that is kept is shorter than 7 bytes.
  if (!fits(extra_bytes_ + message.size() / 7 * sizeof(LabelView))) return false;
  // Labels come first, and nearly all are of the common shape: a loop for those.
  const char* at = message.data();
  const char* const end = at + message.size();
  LabelView label;
  while (end - at >= 2 && at[0] == 0x0a && at[1] >= 0 && at[1] <= end - at - 2 &&
         quick_label({at + 2, static_cast<size_t>(at[1])}, label)) {
    add_label(label, order_key(label.name, request_end_));
    at += 2 + at[1];
  }
  const char* labels_end = at;
  ProtoReader reader({at, static_cast<size_t>(end - at)});
  while (reader.next()) {
    if (reader.type() != ProtoType::kBytes) {
      reader.skip();
      continue;
    }
    const std::string_view field = reader.bytes();
    bool good = true;
    switch (reader.field()) {
      case 1:
        good = label_v1(field);
        labels_end = reader.position();
        break;
      case 2: good = sample(field, false); break;
      case 3: good = exemplar(field, RemoteWriteVersion::kV1); break;
      case 4: good = histogram(field); break;
      default: break;
    }
    if (!good) return false;
  }
  if (!reader.ok()) return false;
  // One look at all labels, with the tags and lengths between them.
  ascii_ = is_ascii({message.data(), static_cast<size_t>(labels_end - message.data())});
  finish_series();
  return fits(extra_bytes_);
}

bool RemoteWriteDecoder::sample(std::string_view message, bool with_start) {
  model::Sample sample;
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.is(1, ProtoType::kFixed64)) {
      sample.value = reader.float64();
    } else if (reader.is(2, ProtoType::kVarint)) {
      sample.time_ms = reader.int64();
    } else if (with_start && reader.is(3, ProtoType::kVarint)) {
      sample.start_ms = reader.int64();
    } else {
      reader.skip();
    }
  }
  samples_.push_back(sample);
  return reader.ok() && fits(samples_.size() * sizeof sample);
}

// Within a series, arenas are watched one by one; between them, all together.
bool RemoteWriteDecoder::make_room(size_t bytes) {
  if (bytes > limits_.memory_bytes) {
    full_ = Full::kTooLarge;
    return false;
  }
  if (charge_ == nullptr) {
    room_ = limits_.memory_bytes;
    return true;
  }
  // Twice what is held: an arena that grows is there twice for a moment, and then half empty.
  const size_t room = std::max(bytes + kRoomStep, bytes + bytes / 4);
  if (!charge_->grow(static_cast<int64_t>(2 * (room - room_))).ok()) {
    full_ = Full::kRefused;
    return false;
  }
  room_ = room;
  return true;
}

bool RemoteWriteDecoder::histogram(std::string_view message) {
  if (histograms_used_ == histograms_.size()) histograms_.emplace_back();
  model::HistogramSample& sample = histograms_[histograms_used_];
  std::string_view why;
  const HistogramRead read = read_histogram(message, sample, why);
  if (read == HistogramRead::kInvalid) {
    refuse(why);
    ++decoded_.invalid;
    return true;
  }
  ++histograms_used_;
  const model::NativeHistogram& held = sample.histogram;
  extra_bytes_ += sizeof sample + 8 * (held.positive_spans.size() + held.negative_spans.size() +
                                       held.positive_buckets.size() + held.negative_buckets.size() +
                                       held.bounds.size());
  return read == HistogramRead::kGood && fits(extra_bytes_);
}

bool RemoteWriteDecoder::exemplar(std::string_view message, RemoteWriteVersion version) {
  if (exemplars_used_ == exemplars_.size()) exemplars_.emplace_back();
  model::Exemplar& exemplar = exemplars_[exemplars_used_];
  exemplar = {};
  const auto add = [&](std::string_view name, std::string_view value) {
    exemplar.labels.emplace_back(name, value);
    extra_bytes_ += sizeof exemplar.labels[0] + name.size() + value.size();
  };
  bool good = true;
  ProtoReader reader(message);
  while (reader.next() && fits(extra_bytes_)) {
    if (version == RemoteWriteVersion::kV1 && reader.is(1, ProtoType::kBytes)) {
      LabelView label;
      if (!slow_label(reader.bytes(), label)) return false;
      good &= is_utf8(label.name) && is_utf8(label.value);
      add(label.name, label.value);
    } else if (version == RemoteWriteVersion::kV2 && reader.field() == 1) {
      uint32_t name = UINT32_MAX;
      reader.repeated([&](ProtoReader& element) {
        const uint32_t symbol = element.uint32();
        if (symbol >= symbols_.size() || !symbols_[symbol].valid) good = false;
        if (name == UINT32_MAX) {
          name = symbol;
        } else {
          if (good) add(symbols_[name].text, symbols_[symbol].text);
          name = UINT32_MAX;
        }
      });
      good &= name == UINT32_MAX;
    } else if (reader.is(2, ProtoType::kFixed64)) {
      exemplar.value = reader.float64();
    } else if (reader.is(3, ProtoType::kVarint)) {
      exemplar.time_ms = reader.int64();
    } else {
      reader.skip();
    }
  }
  // What an exemplar's labels may not be is its own loss: samples are not.
  if (good) {
    std::sort(exemplar.labels.begin(), exemplar.labels.end());
    extra_bytes_ += sizeof exemplar;
    ++exemplars_used_;
  }
  return reader.ok() && fits(extra_bytes_);
}

bool RemoteWriteDecoder::metadata_v1(std::string_view message) {
  FamilyMetadata family;
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.is(1, ProtoType::kVarint)) {
      family.metadata.type = sample_type(reader.varint());
    } else if (reader.is(2, ProtoType::kBytes)) {
      family.family = reader.bytes();
    } else if (reader.is(4, ProtoType::kBytes)) {
      family.metadata.help = reader.bytes();
    } else if (reader.is(5, ProtoType::kBytes)) {
      family.metadata.unit = reader.bytes();
    } else {
      reader.skip();
    }
  }
  if (!reader.ok()) return false;
  extra_bytes_ += sizeof family + family.metadata.help.size() + family.metadata.unit.size();
  if (!family.family.empty() && is_utf8(family.family) && is_utf8(family.metadata.help) &&
      is_utf8(family.metadata.unit)) {
    families_.push_back(std::move(family));
  }
  return fits(extra_bytes_);
}

void RemoteWriteDecoder::symbol(std::string_view text) {
  symbols_.push_back({text, order_key(text, request_end_), is_utf8(text)});
  extra_bytes_ += sizeof(Symbol);
}

bool RemoteWriteDecoder::decode_v2(std::string_view request) {
  // Symbols may follow the series that use them, so they are gathered first.
  ProtoReader symbols(request);
  while (symbols.next()) {
    if (symbols.is(4, ProtoType::kBytes)) {
      symbol(symbols.bytes());
      if (!fits(extra_bytes_)) return false;
    } else {
      symbols.skip();
    }
  }
  if (!symbols.ok()) return false;
  if (!symbols_.empty() && !symbols_[0].text.empty()) return false;  // the first stands for none
  ProtoReader reader(request);
  while (reader.next()) {
    if (reader.is(5, ProtoType::kBytes)) {
      if (!series_v2(reader.bytes())) return false;
    } else {
      reader.skip();
    }
  }
  return reader.ok();
}

bool RemoteWriteDecoder::labels_v2(ProtoReader& reader) {
  uint32_t name = UINT32_MAX;
  reader.repeated([&](ProtoReader& element) {
    const uint32_t symbol = element.uint32();
    if (!fits(labels_.size() * sizeof(LabelView))) return;
    if (symbol >= symbols_.size()) {
      wrong_ = "a label's symbol is not in the table";
      return;
    }
    if (!symbols_[symbol].valid) wrong_ = "a label is not valid UTF-8";
    if (name == UINT32_MAX) {
      name = symbol;
      return;
    }
    add_label({symbols_[name].text, symbols_[symbol].text}, symbols_[name].order);
    // One symbol can be named by any number of labels, each of which is stored.
    extra_bytes_ += symbols_[symbol].text.size();
    name = UINT32_MAX;
  });
  if (name != UINT32_MAX) wrong_ = "a label has no value";
  return fits(extra_bytes_);
}

bool RemoteWriteDecoder::series_v2(std::string_view message) {
  ProtoReader reader(message);
  int64_t created_ms = 0;
  while (reader.next()) {
    bool good = true;
    if (reader.field() == 1) {
      good = labels_v2(reader);
    } else if (reader.is(6, ProtoType::kVarint)) {
      created_ms = reader.int64();  // of all samples, in the first drafts of 2.0
    } else if (reader.type() != ProtoType::kBytes || reader.field() > 5) {
      reader.skip();
    } else {
      const std::string_view field = reader.bytes();
      switch (reader.field()) {
        case 2: good = sample(field, true); break;
        case 3: good = histogram(field); break;
        case 4: good = exemplar(field, RemoteWriteVersion::kV2); break;
        case 5: good = metadata_v2(field); break;
        default: break;
      }
    }
    if (!good) return false;
  }
  if (!reader.ok()) return false;
  if (created_ms != 0) {
    for (size_t i = begin_.samples; i < samples_.size(); ++i) {
      if (samples_[i].start_ms == 0) samples_[i].start_ms = created_ms;
    }
    for (size_t i = begin_.histograms; i < histograms_used_; ++i) {
      if (histograms_[i].start_ms == 0) histograms_[i].start_ms = created_ms;
    }
  }
  ascii_ = true;  // symbols were looked at, one by one
  long_ = true;
  finish_series();
  return fits(extra_bytes_);
}

bool RemoteWriteDecoder::metadata_v2(std::string_view message) {
  uint64_t type = 0;
  uint32_t help = 0;
  uint32_t unit = 0;
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.is(1, ProtoType::kVarint)) {
      type = reader.varint();
    } else if (reader.is(3, ProtoType::kVarint)) {
      help = reader.uint32();
    } else if (reader.is(4, ProtoType::kVarint)) {
      unit = reader.uint32();
    } else {
      reader.skip();
    }
  }
  if (!reader.ok()) return false;
  if (type == 0 && help == 0 && unit == 0) return true;
  if (help >= symbols_.size() || unit >= symbols_.size() || !symbols_[help].valid ||
      !symbols_[unit].valid) {
    wrong_ = "the metadata's symbol is not in the table";
    return true;
  }
  std::string key;
  put_varint(key, type);
  put_varint(key, help);
  put_varint(key, unit);
  const auto [at, added] =
      metadata_index_.try_emplace(std::move(key), static_cast<int32_t>(metadata_.size()));
  series_metadata_ = at->second;
  if (!added) return true;
  extra_bytes_ += 128 + symbols_[help].text.size() + symbols_[unit].text.size();
  if (!fits(extra_bytes_)) return false;
  metadata_.push_back(
      {sample_type(type), std::string(symbols_[help].text), std::string(symbols_[unit].text)});
  return true;
}

void RemoteWriteDecoder::refuse(std::string_view why) {
  if (!decoded_.first_invalid.empty()) return;
  decoded_.first_invalid = why;
  if (labels_.size() == begin_.labels) return;
  decoded_.first_invalid += ", in the series ";
  // Enough to know the series by, and no more: labels may be what is wrong.
  const size_t shown = std::min<size_t>(labels_.size(), begin_.labels + size_t{8});
  for (size_t i = begin_.labels; i < shown; ++i) {
    decoded_.first_invalid += i == begin_.labels ? "{" : ",";
    const auto show = [&](std::string_view text) {
      const std::string_view part = text.substr(0, 64);
      decoded_.first_invalid += is_ascii(part) ? part : "?";
    };
    show(labels_[i].name);
    decoded_.first_invalid += "=\"";
    show(labels_[i].value);
    decoded_.first_invalid += '"';
  }
  decoded_.first_invalid += shown < labels_.size() ? ",...}" : "}";
}

// Takes the series in, or takes it back out of the arenas.
void RemoteWriteDecoder::finish_series() {
  const size_t labels = labels_.size() - begin_.labels;
  const size_t samples = samples_.size() - begin_.samples;
  const size_t histograms = histograms_used_ - begin_.histograms;
  const size_t exemplars = exemplars_used_ - begin_.exemplars;
  if (wrong_.empty() && !named_) wrong_ = "the label __name__ is missing";
  if (wrong_.empty() && (!ascii_ || labels > limits_.labels.labels)) {
    wrong_ = check_labels({labels_.data() + begin_.labels, labels}, limits_.labels);
  }
  if (long_ && wrong_.empty()) {
    for (size_t i = begin_.labels; i < labels_.size(); ++i) {
      if (labels_[i].name.size() > limits_.labels.name_bytes) {
        wrong_ = "a label's name is too long";
      } else if (labels_[i].value.size() > limits_.labels.value_bytes) {
        wrong_ = "a label's value is too long";
      }
    }
  }
  if (wrong_.empty()) {
    series_.emplace_back();
    extra_bytes_ += sizeof(SeriesAppend) + sizeof(Ends) + labels * sizeof(LabelView) +
                    samples * sizeof(model::Sample);
    ends_.push_back({static_cast<uint32_t>(labels_.size()), static_cast<uint32_t>(samples_.size()),
                     static_cast<uint32_t>(histograms_used_),
                     static_cast<uint32_t>(exemplars_used_), series_metadata_});
    decoded_.samples += samples;
    decoded_.histograms += histograms;
    decoded_.exemplars += exemplars;
  } else {
    refuse(wrong_);
    decoded_.invalid += std::max<size_t>(samples + histograms, 1);
    labels_.resize(begin_.labels);
    samples_.resize(begin_.samples);
    histograms_used_ = begin_.histograms;
    exemplars_used_ = begin_.exemplars;
  }
  begin_ = {static_cast<uint32_t>(labels_.size()), static_cast<uint32_t>(samples_.size()),
            static_cast<uint32_t>(histograms_used_), static_cast<uint32_t>(exemplars_used_), -1};
  series_metadata_ = -1;
  wrong_ = name_before_ = {};
  order_before_ = 0;
  named_ = long_ = false;
}

// Arenas move while they grow; where everything lies is known at the end.
void RemoteWriteDecoder::link() {
  Ends begin{0, 0, 0, 0, -1};
  for (size_t i = 0; i < series_.size(); ++i) {
    const Ends& end = ends_[i];
    SeriesAppend& series = series_[i];
    series.labels = {labels_.data() + begin.labels, labels_.data() + end.labels};
    series.samples = {samples_.data() + begin.samples, samples_.data() + end.samples};
    series.histograms = {histograms_.data() + begin.histograms,
                         histograms_.data() + end.histograms};
    series.exemplars = {exemplars_.data() + begin.exemplars, exemplars_.data() + end.exemplars};
    if (end.metadata >= 0) series.metadata = &metadata_[static_cast<size_t>(end.metadata)];
    begin = end;
  }
  decoded_.series = series_;
  decoded_.metadata = families_;
}

}  // namespace gatehouse::wire
