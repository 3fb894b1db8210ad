#include "wire/remote_write_encode.h"

#include <cstring>

#include "wire/native_histogram_proto.h"

namespace gatehouse::wire {

namespace {

using model::SeriesAppend;

// Most labels are short: then all lengths are bytes, and one copy into the message
// takes the place of eight.
bool write_short_label(std::string& out, std::string_view name, std::string_view value) {
  constexpr size_t kShort = 123;  // with two tags and two lengths, less than 128
  if (name.empty() || value.empty() || name.size() + value.size() > kShort) return false;
  char bytes[kShort + 6];
  char* at = bytes;
  const auto head = [&](char tag, size_t length) {
    *at++ = tag;
    *at++ = static_cast<char>(length);
  };
  const auto text = [&](std::string_view from) {
    std::memcpy(at, from.data(), from.size());
    at += from.size();
  };
  head(0x0a, name.size() + value.size() + 4);
  head(0x0a, name.size());
  text(name);
  head(0x12, value.size());
  text(value);
  out.append(bytes, at);
  return true;
}

void write_label(ProtoWriter& writer, std::string_view name, std::string_view value) {
  if (write_short_label(writer.out(), name, value)) return;
  writer.message(1, [&](ProtoWriter& label) {
    label.bytes(1, name);
    label.bytes(2, value);
  });
}

void write_series_v1(ProtoWriter& writer, const SeriesAppend& series) {
  for (const model::LabelView& label : series.labels) write_label(writer, label.name, label.value);
  for (const model::Sample& sample : series.samples) {
    writer.message(2, [&](ProtoWriter& inner) {
      inner.float64(1, sample.value);
      inner.int64(2, sample.time_ms);
    });
  }
  for (const model::Exemplar& exemplar : series.exemplars) {
    writer.message(3, [&](ProtoWriter& inner) {
      for (const auto& [name, value] : exemplar.labels) write_label(inner, name, value);
      inner.float64(2, exemplar.value);
      inner.int64(3, exemplar.time_ms);
    });
  }
  for (const model::HistogramSample& sample : series.histograms) {
    writer.message(4, [&](ProtoWriter& inner) { write_histogram(inner, sample, false); });
  }
}

}  // namespace

void encode_remote_write_v1(std::span<const SeriesAppend> series,
                            std::span<const FamilyMetadata> metadata, std::string& out) {
  ProtoWriter writer(out);
  for (const SeriesAppend& one : series) {
    writer.message(1, [&](ProtoWriter& inner) { write_series_v1(inner, one); });
  }
  for (const FamilyMetadata& family : metadata) {
    writer.message(3, [&](ProtoWriter& inner) {
      inner.varint(1, static_cast<uint64_t>(family.metadata.type));
      inner.bytes(2, family.family);
      inner.bytes(4, family.metadata.help);
      inner.bytes(5, family.metadata.unit);
    });
  }
}

uint32_t RemoteWriteV2Encoder::symbol(std::string_view text) {
  const auto [at, added] = index_.try_emplace(text, static_cast<uint32_t>(symbols_.size()));
  if (added) symbols_.push_back(text);
  return at->second;
}

void RemoteWriteV2Encoder::write_series(ProtoWriter& writer, const SeriesAppend& series) {
  writer.message(1, [&](ProtoWriter& references) {
    for (const model::LabelView& label : series.labels) {
      references.packed_varint(symbol(label.name));
      references.packed_varint(symbol(label.value));
    }
  });
  for (const model::Sample& sample : series.samples) {
    writer.message(2, [&](ProtoWriter& inner) {
      inner.float64(1, sample.value);
      inner.int64(2, sample.time_ms);
      inner.int64(3, sample.start_ms);
    });
  }
  for (const model::HistogramSample& sample : series.histograms) {
    writer.message(3, [&](ProtoWriter& inner) { write_histogram(inner, sample, true); });
  }
  for (const model::Exemplar& exemplar : series.exemplars) {
    writer.message(4, [&](ProtoWriter& inner) {
      inner.message(1, [&](ProtoWriter& references) {
        for (const auto& [name, value] : exemplar.labels) {
          references.packed_varint(symbol(name));
          references.packed_varint(symbol(value));
        }
      });
      inner.float64(2, exemplar.value);
      inner.int64(3, exemplar.time_ms);
    });
  }
  if (series.metadata == nullptr) return;
  writer.message(5, [&](ProtoWriter& inner) {
    inner.varint(1, static_cast<uint64_t>(series.metadata->type));
    inner.varint(3, symbol(series.metadata->help));
    inner.varint(4, symbol(series.metadata->unit));
  });
}

void RemoteWriteV2Encoder::encode(std::span<const SeriesAppend> series, std::string& out) {
  index_.clear();
  symbols_.clear();
  body_.clear();
  symbol("");  // the first, by the format
  ProtoWriter body(body_);
  for (const SeriesAppend& one : series) {
    body.message(5, [&](ProtoWriter& inner) { write_series(inner, one); });
  }
  ProtoWriter writer(out);
  for (const std::string_view text : symbols_) writer.bytes_always(4, text);
  out += body_;
  index_.clear();  // views of what the caller lent
  symbols_.clear();
}

}  // namespace gatehouse::wire
