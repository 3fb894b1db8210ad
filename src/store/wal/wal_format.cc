#include "store/wal/wal_format.h"

#include <algorithm>
#include <cstring>

namespace gatehouse::store {
namespace {

constexpr std::string_view kSegmentMagic = "GHWALSEG";
constexpr std::string_view kSnapshotMagic = "GHHEADSN";
constexpr uint32_t kVersion = 1;

// Bits of a sample's control byte.
constexpr uint8_t kNextSlot = 0x80;
constexpr uint8_t kHasTime = 0x40;
constexpr uint8_t kHasStart = 0x20;
constexpr uint8_t kRawValue = 9;
// Control, slot, time, start, value.
constexpr size_t kSampleBytesMax = 1 + 10 + 10 + 10 + 8;
// So that the parts of one frame stay below its size.
constexpr size_t kSamplesOfPartMax = kFrameBytesTarget / kSampleBytesMax;

char* write_varint(char* out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) *out++ = static_cast<char>(value | 0x80);
  *out++ = static_cast<char>(value);
  return out;
}

// The value's kind for the control byte; its bytes behind `out`.
char* write_value(char* out, uint64_t bits, uint8_t& kind) {
  const double value = std::bit_cast<double>(bits);
  // Whole numbers of up to six bytes are shorter than most doubles.
  if (value > -1e14 && value < 1e14) {
    const auto whole = static_cast<int64_t>(value);
    if (std::bit_cast<uint64_t>(static_cast<double>(whole)) == bits) {
      const uint64_t folded = zigzag(whole);
      const auto size = static_cast<size_t>((64 - std::countl_zero(folded) + 7) / 8);
      std::memcpy(out, &folded, 8);
      kind = static_cast<uint8_t>(size);
      return out + size;
    }
  }
  const auto zeros = std::min(static_cast<size_t>(std::countr_zero(bits)) / 8, size_t{7});
  if (zeros == 0) {
    kind = kRawValue;
    std::memcpy(out, &bits, 8);
    return out + 8;
  }
  const size_t size = 8 - zeros;
  kind = static_cast<uint8_t>(kRawValue + size);
  const uint64_t upper = bits >> (8 * zeros);
  std::memcpy(out, &upper, 8);
  return out + size;
}

void put_samples(std::string& out, std::span<const WalSample> samples) {
  put_varint(out, samples.size());
  if (samples.empty()) return;
  put_zigzag(out, samples.front().time_ms);
  const size_t at = out.size();
  out.resize(at + samples.size() * kSampleBytesMax + 8);
  char* to = out.data() + at;
  uint32_t next_slot = 0;
  int64_t time_ms = samples.front().time_ms;
  int64_t start_ms = 0;
  for (const WalSample& sample : samples) {
    char* control = to++;
    uint8_t bits = 0;
    if (sample.slot == next_slot) {
      bits |= kNextSlot;
    } else {
      to = write_varint(to, zigzag(int64_t{sample.slot} - int64_t{next_slot}));
    }
    next_slot = sample.slot + 1;
    if (sample.time_ms != time_ms) {
      bits |= kHasTime;
      to = write_varint(to, zigzag(sample.time_ms - time_ms));
      time_ms = sample.time_ms;
    }
    if (sample.start_ms != start_ms) {
      bits |= kHasStart;
      to =
          write_varint(to, sample.start_ms == 0 ? 0 : zigzag(sample.start_ms - sample.time_ms) + 1);
      start_ms = sample.start_ms;
    }
    uint8_t kind = 0;
    to = write_value(to, sample.bits, kind);
    *control = static_cast<char>(bits | kind);
  }
  out.resize(static_cast<size_t>(to - out.data()));
}

void put_double(std::string& out, double value) {
  put_le<uint64_t>(out, std::bit_cast<uint64_t>(value));
}
bool take_double(std::string_view& in, double& value) {
  if (in.size() < 8) return false;
  value = std::bit_cast<double>(get_le<uint64_t>(in.data()));
  in.remove_prefix(8);
  return true;
}

bool take_doubles(std::string_view& in, std::vector<double>& values) {
  uint64_t count = 0;
  if (!get_varint(in, count) || count > in.size() / 8) return false;
  values.resize(count);
  for (double& value : values) take_double(in, value);
  return true;
}
void put_doubles(std::string& out, const std::vector<double>& values) {
  put_varint(out, values.size());
  for (const double value : values) put_double(out, value);
}

void put_spans(std::string& out, const std::vector<model::BucketSpan>& spans) {
  put_varint(out, spans.size());
  for (const model::BucketSpan& span : spans) {
    put_zigzag(out, span.offset);
    put_varint(out, span.length);
  }
}
bool take_spans(std::string_view& in, std::vector<model::BucketSpan>& spans) {
  uint64_t count = 0;
  if (!get_varint(in, count) || count > in.size() / 2) return false;
  spans.resize(count);
  for (model::BucketSpan& span : spans) {
    int64_t offset = 0;
    uint64_t length = 0;
    if (!take_zigzag(in, offset) || !get_varint(in, length)) return false;
    if (offset != static_cast<int32_t>(offset) || length > UINT32_MAX) return false;
    span = {static_cast<int32_t>(offset), static_cast<uint32_t>(length)};
  }
  return true;
}

}  // namespace

std::string encode(const WalHeader& header) {
  std::string out(header.snapshot ? kSnapshotMagic : kSegmentMagic);
  put_le<uint32_t>(out, kVersion);
  put_le<uint32_t>(out, header.hash_seed);
  put_le<uint64_t>(out, header.first_position);
  put_le<int64_t>(out, header.created_ns);
  put_le<uint64_t>(out, header.salt);
  put_le<uint32_t>(out, header.number);
  put_le<uint32_t>(out, crc32c(out));
  return out;
}

Result<WalHeader> parse_wal_header(std::string_view bytes) {
  if (bytes.size() < kFileHeaderBytes) return data_loss("the file header is cut short");
  const std::string_view magic = bytes.substr(0, 8);
  if (magic != kSegmentMagic && magic != kSnapshotMagic) {
    return data_loss("this is neither a segment nor a snapshot");
  }
  if (get_le<uint32_t>(bytes.data() + 44) != crc32c(bytes.substr(0, 44))) {
    return data_loss("the file header's checksum does not match");
  }
  const auto version = get_le<uint32_t>(bytes.data() + 8);
  if (version != kVersion) {
    return Status(Code::kUnimplemented, "version " + std::to_string(version) +
                                            " was written by a newer gatehouse; start that one, "
                                            "or give this one another directory");
  }
  WalHeader header;
  header.snapshot = magic == kSnapshotMagic;
  header.hash_seed = get_le<uint32_t>(bytes.data() + 12);
  header.first_position = get_le<uint64_t>(bytes.data() + 16);
  header.created_ns = get_le<int64_t>(bytes.data() + 24);
  header.salt = get_le<uint64_t>(bytes.data() + 32);
  header.number = get_le<uint32_t>(bytes.data() + 40);
  return header;
}

void FrameBatch::begin(FrameType type) {
  frames_.push_back({bytes_.size(), 0, 0, type});
  bytes_.append(kFrameHeaderBytes, '\0');
}

void FrameBatch::end() {
  Frame& frame = frames_.back();
  frame.size = bytes_.size() - frame.offset;
  frame.payload_crc = crc32c(std::string_view(bytes_).substr(frame.offset + kFrameHeaderBytes));
}

std::string_view FrameBatch::finish(Position first, uint64_t salt) {
  for (const Frame& frame : frames_) {
    finish_frame(bytes_.data() + frame.offset, frame.size, frame.payload_crc, first++, frame.type,
                 salt);
  }
  return bytes_;
}

void put_text(std::string& out, std::string_view text) {
  put_varint(out, text.size());
  out.append(text);
}

bool take_text(std::string_view& in, std::string_view& text) {
  uint64_t size = 0;
  if (!get_varint(in, size) || size > in.size()) return false;
  text = in.substr(0, size);
  in.remove_prefix(size);
  return true;
}

bool take_slot(std::string_view& in, uint32_t& slot) {
  uint64_t value = 0;
  if (!get_varint(in, value) || value >= kSlotsMax) return false;
  slot = static_cast<uint32_t>(value);
  return true;
}

bool take_pairs(std::string_view& in, std::vector<uint32_t>& pairs) {
  uint64_t count = 0;
  if (!get_varint(in, count) || count > kLabelsOfSeriesMax) return false;
  pairs.resize(count);
  for (uint32_t& pair : pairs) {
    uint64_t value = 0;
    if (!get_varint(in, value) || value > UINT32_MAX) return false;
    pair = static_cast<uint32_t>(value);
  }
  return true;
}

namespace {

// A frame of type kSamples into which one part is being written. The part's length
// stands before it, so it is put together apart.
void put_whole_part(FrameBatch& out, const WalPart& part) {
  thread_local std::string bytes;
  bytes.clear();
  bytes.push_back(static_cast<char>(part.shard));
  put_varint(bytes, part.series.size());
  for (const WalSeries& series : part.series) {
    put_varint(bytes, series.slot);
    put_varint(bytes, series.pairs.size());
    for (const uint32_t pair : series.pairs) put_varint(bytes, pair);
  }
  put_samples(bytes, part.samples);
  put_varint(bytes, part.histograms.size());
  for (const WalHistogram& sample : part.histograms) {
    put_varint(bytes, sample.slot);
    put_zigzag(bytes, sample.time_ms);
    put_zigzag(bytes, sample.start_ms);
    put_histogram(bytes, *sample.histogram);
  }
  put_varint(bytes, part.exemplars.size());
  for (const WalExemplar& sample : part.exemplars) {
    put_varint(bytes, sample.slot);
    put_exemplar(bytes, *sample.exemplar);
  }
  put_varint(out.bytes(), bytes.size());
  out.bytes().append(bytes);
  if (out.payload_bytes() >= kFrameBytesTarget) {
    out.end();
    out.begin(FrameType::kSamples);
  }
}

// As many of `rest` as stay below the target, one at least.
template <typename T, typename BytesOf>
std::span<const T> take_some(std::span<const T>& rest, BytesOf bytes_of) {
  size_t count = 0;
  for (size_t bytes = 0; count < rest.size(); ++count) {
    bytes += bytes_of(rest[count]);
    if (bytes > kFrameBytesTarget && count > 0) break;
  }
  const std::span<const T> some = rest.first(count);
  rest = rest.subspan(count);
  return some;
}

size_t bytes_of(const model::NativeHistogram& h) {
  return 80 + 8 * (h.positive_buckets.size() + h.negative_buckets.size() + h.bounds.size()) +
         15 * (h.positive_spans.size() + h.negative_spans.size());
}

}  // namespace

void put_part(FrameBatch& out, const WalPart& part) {
  WalPart rest = part;
  while (!rest.empty()) {
    WalPart some;
    some.shard = part.shard;
    some.series = take_some(rest.series, [](const WalSeries& s) { return 6 + 5 * s.pairs.size(); });
    // What refers to a series comes after it.
    if (rest.series.empty()) {
      const size_t samples = std::min(rest.samples.size(), kSamplesOfPartMax);
      some.samples = rest.samples.first(samples);
      rest.samples = rest.samples.subspan(samples);
      if (rest.samples.empty()) {
        some.histograms = take_some(
            rest.histograms, [](const WalHistogram& h) { return 25 + bytes_of(*h.histogram); });
      }
      if (rest.samples.empty() && rest.histograms.empty()) {
        some.exemplars = take_some(rest.exemplars, [](const WalExemplar&) { return size_t{1024}; });
      }
    }
    put_whole_part(out, some);
  }
}

void put_histogram(std::string& out, const model::NativeHistogram& histogram) {
  out.push_back(static_cast<char>(static_cast<int>(histogram.reset) | (histogram.whole ? 4 : 0)));
  put_zigzag(out, histogram.schema);
  put_double(out, histogram.zero_threshold);
  put_double(out, histogram.zero_count);
  put_double(out, histogram.count);
  put_double(out, histogram.sum);
  put_spans(out, histogram.positive_spans);
  put_doubles(out, histogram.positive_buckets);
  put_spans(out, histogram.negative_spans);
  put_doubles(out, histogram.negative_buckets);
  put_doubles(out, histogram.bounds);
}

bool take_histogram(std::string_view& in, model::NativeHistogram& histogram) {
  if (in.empty()) return false;
  const auto flags = static_cast<uint8_t>(in[0]);
  if (flags > 7) return false;
  in.remove_prefix(1);
  histogram.reset = static_cast<model::CounterReset>(flags & 3);
  histogram.whole = (flags & 4) != 0;
  int64_t schema = 0;
  if (!take_zigzag(in, schema) || schema < -100 || schema > 100) return false;
  histogram.schema = static_cast<int32_t>(schema);
  return take_double(in, histogram.zero_threshold) && take_double(in, histogram.zero_count) &&
         take_double(in, histogram.count) && take_double(in, histogram.sum) &&
         take_spans(in, histogram.positive_spans) && take_doubles(in, histogram.positive_buckets) &&
         take_spans(in, histogram.negative_spans) && take_doubles(in, histogram.negative_buckets) &&
         take_doubles(in, histogram.bounds);
}

void put_exemplar(std::string& out, const model::Exemplar& exemplar) {
  put_zigzag(out, exemplar.time_ms);
  put_double(out, exemplar.value);
  put_varint(out, exemplar.labels.size());
  for (const auto& [name, value] : exemplar.labels) {
    put_text(out, name);
    put_text(out, value);
  }
}

bool take_exemplar(std::string_view& in, model::Exemplar& exemplar) {
  uint64_t count = 0;
  if (!take_zigzag(in, exemplar.time_ms) || !take_double(in, exemplar.value) ||
      !get_varint(in, count) || count > in.size() / 2) {
    return false;
  }
  exemplar.labels.clear();
  for (; count > 0; --count) {
    std::string_view name, value;
    if (!take_text(in, name) || !take_text(in, value)) return false;
    exemplar.labels.emplace_back(name, value);
  }
  return true;
}

bool WalSampleReader::open() {
  if (!get_varint(in_, left_)) return false;
  return left_ == 0 || (left_ <= in_.size() && take_zigzag(in_, time_ms_));
}

bool WalSampleReader::next(WalSample& sample) {
  if (in_.empty()) return false;
  const auto control = static_cast<uint8_t>(in_[0]);
  in_.remove_prefix(1);
  uint32_t slot = next_slot_;
  if ((control & kNextSlot) == 0) {
    int64_t off = 0;
    if (!take_zigzag(in_, off)) return false;
    if (off < -int64_t{slot} || off >= int64_t{kSlotsMax} - slot) return false;
    slot = static_cast<uint32_t>(slot + off);
  } else if (slot >= kSlotsMax) {
    return false;
  }
  next_slot_ = slot + 1;
  int64_t off = 0;
  if ((control & kHasTime) != 0) {
    if (!take_zigzag(in_, off)) return false;
    time_ms_ = static_cast<int64_t>(static_cast<uint64_t>(time_ms_) + static_cast<uint64_t>(off));
  }
  if ((control & kHasStart) != 0) {
    uint64_t raw = 0;
    if (!get_varint(in_, raw)) return false;
    start_ms_ = raw == 0 ? 0
                         : static_cast<int64_t>(static_cast<uint64_t>(time_ms_) +
                                                static_cast<uint64_t>(unzigzag(raw - 1)));
  }
  const size_t kind = control & 0x1f;
  size_t size = kind;
  if (kind > 16) return false;
  if (kind == kRawValue) size = 8;
  if (kind > kRawValue) size = kind - kRawValue;
  if (size > in_.size()) return false;
  uint64_t raw = 0;
  if (in_.size() >= 8 && size > 0) {
    std::memcpy(&raw, in_.data(), 8);
    raw &= ~uint64_t{0} >> (64 - 8 * size);
  } else {
    std::memcpy(&raw, in_.data(), size);
  }
  in_.remove_prefix(size);
  if (kind < kRawValue) {
    raw = std::bit_cast<uint64_t>(static_cast<double>(unzigzag(raw)));
  } else if (kind > kRawValue) {
    raw <<= 8 * (8 - size);
  }
  sample = {slot, time_ms_, raw, start_ms_};
  --left_;
  return true;
}

bool take_part(std::string_view& payload, uint32_t& shard, std::string_view& part) {
  if (!take_text(payload, part) || part.empty()) return false;
  shard = static_cast<uint8_t>(part[0]);
  part.remove_prefix(1);
  return shard < kShards;
}

void put_deletion(FrameBatch& out, const WalDeletion& deletion) {
  // Slots of 5 bytes at most: a frame of the target's size holds so many.
  constexpr size_t kSlotsOfFrameMax = kFrameBytesTarget / 5;
  for (size_t first = 0; first < deletion.slots.size(); first += kSlotsOfFrameMax) {
    const size_t count = std::min(kSlotsOfFrameMax, deletion.slots.size() - first);
    out.begin(FrameType::kDeletion);
    out.bytes().push_back(static_cast<char>(deletion.shard));
    put_zigzag(out.bytes(), deletion.begin_ms);
    put_zigzag(out.bytes(), deletion.end_ms);
    put_varint(out.bytes(), count);
    uint32_t before = 0;
    for (size_t i = first; i < first + count; ++i) {
      put_varint(out.bytes(), deletion.slots[i] - before);
      before = deletion.slots[i];
    }
    out.end();
  }
}

bool parse_deletion(std::string_view in, WalDeletion& deletion) {
  if (in.empty()) return false;
  deletion.shard = static_cast<uint8_t>(in[0]);
  in.remove_prefix(1);
  uint64_t count = 0;
  if (deletion.shard >= kShards || !take_zigzag(in, deletion.begin_ms) ||
      !take_zigzag(in, deletion.end_ms) || !get_varint(in, count) || count > in.size()) {
    return false;
  }
  deletion.slots.clear();
  uint64_t slot = 0;
  for (; count > 0; --count) {
    uint64_t off = 0;
    if (!get_varint(in, off) || off >= kSlotsMax || (slot += off) >= kSlotsMax) return false;
    deletion.slots.push_back(static_cast<uint32_t>(slot));
  }
  return in.empty();
}

void put_metadata(FrameBatch& out, std::string_view metric, const model::MetricMetadata& metadata) {
  out.begin(FrameType::kMetadata);
  put_text(out.bytes(), metric);
  out.bytes().push_back(static_cast<char>(metadata.type));
  put_text(out.bytes(), metadata.help);
  put_text(out.bytes(), metadata.unit);
  out.end();
}

bool parse_metadata(std::string_view in, std::string& metric, model::MetricMetadata& metadata) {
  std::string_view text, help, unit;
  if (!take_text(in, text) || in.empty()) return false;
  const auto type = static_cast<uint8_t>(in[0]);
  in.remove_prefix(1);
  if (type > static_cast<uint8_t>(model::SampleType::kStateset)) return false;
  if (!take_text(in, help) || !take_text(in, unit)) return false;
  metric = text;
  metadata = {static_cast<model::SampleType>(type), std::string(help), std::string(unit)};
  return true;
}

}  // namespace gatehouse::store
