#include "wire/remote_read.h"

#include <algorithm>

#include "base/bytes.h"
#include "wire/label_check.h"
#include "wire/native_histogram_proto.h"
#include "wire/protobuf.h"
#include "wire/xor_chunk.h"

namespace gatehouse::wire {

namespace {

// A query of PromQL has one selector, Prometheus asks for one query a request.
// Patterns take memory far beyond their text, so they are what is counted.
constexpr size_t kQueriesMax = 256;
constexpr size_t kMatchersMax = 64;
constexpr size_t kGroupingMax = 256;

constexpr uint64_t kXorEncoding = 1;

Status malformed() {
  return invalid_argument("the request is not a prometheus.ReadRequest message");
}

Status read_matcher(std::string_view message, ReadQuery& query) {
  constexpr model::Matcher::Op kOps[] = {model::Matcher::Op::kEqual, model::Matcher::Op::kNotEqual,
                                         model::Matcher::Op::kRegex, model::Matcher::Op::kNotRegex};
  uint64_t type = 0;
  std::string name;
  std::string value;
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.is(1, ProtoType::kVarint)) {
      type = reader.varint();
    } else if (reader.is(2, ProtoType::kBytes)) {
      name = reader.bytes();
    } else if (reader.is(3, ProtoType::kBytes)) {
      value = reader.bytes();
    } else {
      reader.skip();
    }
  }
  if (!reader.ok()) return malformed();
  if (type >= std::size(kOps)) return invalid_argument("a matcher's type is not known");
  if (!is_utf8(name) || !is_utf8(value)) return invalid_argument("a matcher is not valid UTF-8");
  if (query.matchers.size() >= kMatchersMax) return invalid_argument("too many matchers");
  ASSIGN_OR_RETURN(auto matcher,
                   model::Matcher::create(kOps[type], std::move(name), std::move(value)));
  query.matchers.push_back(std::move(matcher));
  return {};
}

bool read_hints(std::string_view message, ReadHints& hints) {
  ProtoReader reader(message);
  while (reader.next()) {
    const bool varint = reader.type() == ProtoType::kVarint;
    if (reader.is(2, ProtoType::kBytes)) {
      hints.function = reader.bytes();
    } else if (reader.is(5, ProtoType::kBytes)) {
      const std::string_view label = reader.bytes();
      if (hints.grouping.size() < kGroupingMax) hints.grouping.emplace_back(label);
    } else if (varint && reader.field() == 1) {
      hints.step_ms = reader.int64();
    } else if (varint && reader.field() == 3) {
      hints.begin_ms = reader.int64();
    } else if (varint && reader.field() == 4) {
      hints.end_ms = reader.int64();
    } else if (varint && reader.field() == 6) {
      hints.by = reader.varint() != 0;
    } else if (varint && reader.field() == 7) {
      hints.range_ms = reader.int64();
    } else {
      reader.skip();
    }
  }
  return reader.ok();
}

Result<ReadQuery> read_query(std::string_view message) {
  ReadQuery query;
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.is(1, ProtoType::kVarint)) {
      query.begin_ms = reader.int64();
    } else if (reader.is(2, ProtoType::kVarint)) {
      query.end_ms = reader.int64();
    } else if (reader.is(3, ProtoType::kBytes)) {
      RETURN_IF_ERROR(read_matcher(reader.bytes(), query));
    } else if (reader.is(4, ProtoType::kBytes)) {
      if (!read_hints(reader.bytes(), query.hints)) return malformed();
    } else {
      reader.skip();
    }
  }
  if (!reader.ok()) return malformed();
  return query;
}

}  // namespace

Result<ReadRequest> decode_read_request(std::string_view message) {
  ReadRequest request;
  bool any_stated = false;
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.is(1, ProtoType::kBytes)) {
      if (request.queries.size() >= kQueriesMax) return invalid_argument("too many queries");
      const std::string_view query_message = reader.bytes();
      if (!reader.ok()) break;
      ASSIGN_OR_RETURN(auto query, read_query(query_message));
      request.queries.push_back(std::move(query));
    } else if (reader.field() == 2) {
      reader.repeated([&](ProtoReader& element) {
        const uint64_t type = element.varint();
        any_stated = true;
        if (type > 1 || request.accepted.size() > 2) return;
        request.accepted.push_back(static_cast<ReadResponseType>(type));
      });
    } else {
      reader.skip();
    }
  }
  if (!reader.ok()) return malformed();
  if (!any_stated) request.accepted.push_back(ReadResponseType::kSamples);
  if (request.accepted.empty()) {
    return invalid_argument("none of the response types that the client accepts is known");
  }
  return request;
}

namespace {

void write_labels(ProtoWriter& writer, model::LabelsView labels) {
  for (const model::LabelView& label : labels) {
    writer.message(1, [&](ProtoWriter& inner) {
      inner.bytes(1, label.name);
      inner.bytes(2, label.value);
    });
  }
}

bool has_histograms(const model::SampleColumns& samples) {
  return std::any_of(samples.histograms.begin(), samples.histograms.end(),
                     [](const auto& histogram) { return histogram != nullptr; });
}

}  // namespace

void append_read_series(model::LabelsView labels, const model::SampleColumns& samples,
                        std::string& result) {
  if (samples.empty()) return;
  ProtoWriter writer(result);
  writer.message(1, [&](ProtoWriter& series) {
    write_labels(series, labels);
    for (size_t i = 0; i < samples.size(); ++i) {
      if (!samples.histograms.empty() && samples.histograms[i] != nullptr) {
        series.message(4, [&](ProtoWriter& inner) {
          write_histogram(inner, {samples.times_ms[i], *samples.histograms[i], 0}, false);
        });
      } else {
        series.message(2, [&](ProtoWriter& inner) {
          inner.float64(1, samples.values[i]);
          inner.int64(2, samples.times_ms[i]);
        });
      }
    }
  });
}

void append_read_result(std::string_view result, std::string& response) {
  ProtoWriter(response).bytes_always(1, result);
}

Status append_read_frames(model::LabelsView labels, const model::SampleColumns& samples,
                          size_t query_index, std::string& out, size_t frame_bytes) {
  if (has_histograms(samples)) {
    return {Code::kUnimplemented, "native histograms are not streamed as chunks"};
  }
  std::string head;
  ProtoWriter head_writer(head);
  write_labels(head_writer, labels);
  std::string series;
  std::string message;
  XorChunkWriter chunk;
  const auto frame = [&] {
    message.clear();
    ProtoWriter writer(message);
    writer.bytes_always(1, series);
    writer.varint(2, query_index);
    put_varint(out, message.size());
    const uint32_t crc = crc32c(message);
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(crc >> shift));
    out += message;
    series = head;
  };
  series = head;
  for (size_t i = 0; i < samples.size(); ++i) {
    chunk.append(samples.times_ms[i], samples.values[i]);
    const bool last = i + 1 == samples.size();
    if (chunk.size() < XorChunkWriter::kSamplesMax && !last) continue;
    ProtoWriter writer(series);
    writer.message(2, [&](ProtoWriter& inner) {
      inner.int64(1, chunk.first_ms());
      inner.int64(2, chunk.last_ms());
      inner.varint(3, kXorEncoding);
      inner.bytes(4, chunk.finish());
    });
    if (last || series.size() >= frame_bytes) frame();
  }
  return {};
}

}  // namespace gatehouse::wire
