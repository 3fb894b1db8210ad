// The protobuf side. Fields may come in any order, and what stands above a point
// (resource, scope, metric, temporality) must be known before it: so each message
// is walked twice, once for its head and once for its parts. Depth is five, fixed.
#include "wire/otlp_metrics.h"

#include <bit>

#include "base/bytes.h"
#include "wire/json.h"
#include "wire/otlp_value.h"
#include "wire/protobuf.h"
#include "wire/text_arena.h"

namespace gatehouse::wire {

void OtlpPoint::clear() {
  attributes.clear();
  start_ns = time_ns = count = zero_count = 0;
  no_recorded_value = has_sum = false;
  value = sum = zero_threshold = 0;
  scale = 0;
  bucket_counts.clear();
  bounds.clear();
  positive.offset = negative.offset = 0;
  positive.counts.clear();
  negative.counts.clear();
  quantiles.clear();
  exemplars.clear();
}

namespace {

// Of one message. Ten times what SDKs allow by default (128).
constexpr size_t kAttributesMax = 1280;
constexpr size_t kExemplarsMax = 1024;
// Buckets, bounds or quantiles of a point; SDKs keep 160. A byte can ask for eight.
constexpr size_t kPartsMax = 65'536;

Status malformed() {
  return invalid_argument("the request is not an OTLP ExportMetricsServiceRequest message");
}

class Decoder {
 public:
  explicit Decoder(OtlpMetricSink& sink) : sink_(sink) {}

  Status request(std::string_view message) {
    return parts(message, 1, [&](std::string_view part) { return resource(part); });
  }

 private:
  // Calls take(bytes) for every message in `field`.
  template <typename Take>
  Status parts(std::string_view message, uint32_t field, Take&& take) {
    ProtoReader reader(message);
    while (reader.next()) {
      if (!reader.is(field, ProtoType::kBytes)) {
        reader.skip();
        continue;
      }
      const std::string_view part = reader.bytes();
      if (!reader.ok()) break;
      RETURN_IF_ERROR(take(part));
    }
    return reader.ok() ? Status() : malformed();
  }

  void attribute(std::string_view message, std::vector<OtlpAttribute>& into, TextArena& texts,
                 ProtoReader& outer) {
    OtlpAttribute attribute{"", ""};
    ProtoReader reader(message);
    while (reader.next()) {
      if (reader.is(1, ProtoType::kBytes)) {
        attribute.key = reader.bytes();
      } else if (reader.is(2, ProtoType::kBytes)) {
        attribute.value = otlp_value(reader.bytes(), room_, reader);
        if (attribute.value.data() == room_.data()) attribute.value = texts.keep(room_);
      } else {
        reader.skip();
      }
    }
    if (!reader.ok() || into.size() >= kAttributesMax) outer.fail();
    into.push_back(attribute);
  }

  Status resource(std::string_view message) {
    OtlpResource resource;
    upper_texts_.clear();
    RETURN_IF_ERROR(parts(message, 1, [&](std::string_view head) {
      return parts(head, 1, [&](std::string_view part) {
        ProtoReader outer(part);
        attribute(part, resource.attributes, upper_texts_, outer);
        return outer.ok() ? Status() : malformed();
      });
    }));
    RETURN_IF_ERROR(sink_.resource(resource));
    RETURN_IF_ERROR(parts(message, 2, [&](std::string_view part) { return scope(part); }));
    return sink_.end_resource();
  }

  Status scope(std::string_view message) {
    OtlpScope scope;
    ProtoReader reader(message);
    while (reader.next()) {
      if (reader.is(3, ProtoType::kBytes)) {
        scope.schema_url = reader.bytes();
      } else if (reader.is(1, ProtoType::kBytes)) {
        ProtoReader head(reader.bytes());
        while (head.next()) {
          if (head.is(1, ProtoType::kBytes)) {
            scope.name = head.bytes();
          } else if (head.is(2, ProtoType::kBytes)) {
            scope.version = head.bytes();
          } else if (head.is(3, ProtoType::kBytes)) {
            attribute(head.bytes(), scope.attributes, upper_texts_, head);
          } else {
            head.skip();
          }
        }
        if (!head.ok()) reader.fail();
      } else {
        reader.skip();
      }
    }
    if (!reader.ok()) return malformed();
    RETURN_IF_ERROR(sink_.scope(scope));
    return parts(message, 2, [&](std::string_view part) { return metric(part); });
  }

  Status metric(std::string_view message) {
    OtlpMetric metric;
    std::string_view body;
    bool known = false;
    ProtoReader reader(message);
    while (reader.next()) {
      if (reader.type() != ProtoType::kBytes) {
        reader.skip();
        continue;
      }
      const std::string_view field = reader.bytes();
      const auto take = [&](OtlpKind kind) {
        metric.kind = kind;
        body = field;
        known = true;
      };
      switch (reader.field()) {
        case 1: metric.name = field; break;
        case 2: metric.description = field; break;
        case 3: metric.unit = field; break;
        case 5: take(OtlpKind::kGauge); break;
        case 7: take(OtlpKind::kSum); break;
        case 9: take(OtlpKind::kHistogram); break;
        case 10: take(OtlpKind::kExponentialHistogram); break;
        case 11: take(OtlpKind::kSummary); break;
        default: break;
      }
    }
    if (!reader.ok()) return malformed();
    if (!known) return {};  // a kind of the future, or none
    ProtoReader head(body);
    while (head.next()) {
      if (head.is(2, ProtoType::kVarint)) {
        const uint64_t temporality = head.varint();
        if (temporality <= 2) metric.temporality = static_cast<OtlpTemporality>(temporality);
      } else if (head.is(3, ProtoType::kVarint)) {
        metric.monotonic = head.varint() != 0;
      } else {
        head.skip();
      }
    }
    if (!head.ok()) return malformed();
    RETURN_IF_ERROR(sink_.metric(metric));
    return parts(body, 1, [&](std::string_view part) {
      point_.clear();
      texts_.clear();
      if (!point(part, metric.kind)) return malformed();
      return sink_.point(point_);
    });
  }

  bool point(std::string_view message, OtlpKind kind) {
    ProtoReader reader(message);
    while (reader.next()) {
      // The times stand in the same place of every kind.
      if (reader.is(2, ProtoType::kFixed64)) {
        point_.start_ns = reader.fixed64();
        continue;
      }
      if (reader.is(3, ProtoType::kFixed64)) {
        point_.time_ns = reader.fixed64();
        continue;
      }
      switch (kind) {
        case OtlpKind::kGauge:
        case OtlpKind::kSum: number(reader); break;
        case OtlpKind::kHistogram: histogram(reader); break;
        case OtlpKind::kExponentialHistogram: exponential(reader); break;
        case OtlpKind::kSummary: summary(reader); break;
      }
    }
    return reader.ok();
  }

  template <typename T, typename Take>
  static void append(ProtoReader& reader, std::vector<T>& into, Take&& take) {
    reader.repeated([&](ProtoReader& one) {
      if (into.size() >= kPartsMax) one.fail();
      into.push_back(take(one));
    });
  }

  void flags(ProtoReader& reader) { point_.no_recorded_value = (reader.varint() & 1) != 0; }

  void number(ProtoReader& reader) {
    if (reader.is(7, ProtoType::kBytes)) {
      attribute(reader.bytes(), point_.attributes, texts_, reader);
    } else if (reader.is(4, ProtoType::kFixed64)) {
      point_.value = reader.float64();
    } else if (reader.is(6, ProtoType::kFixed64)) {
      point_.value = static_cast<double>(static_cast<int64_t>(reader.fixed64()));
    } else if (reader.is(5, ProtoType::kBytes)) {
      exemplar(reader.bytes(), reader);
    } else if (reader.is(8, ProtoType::kVarint)) {
      flags(reader);
    } else {
      reader.skip();
    }
  }

  void count_or_sum(ProtoReader& reader) {
    if (reader.is(4, ProtoType::kFixed64)) {
      point_.count = reader.fixed64();
    } else if (reader.is(5, ProtoType::kFixed64)) {
      point_.sum = reader.float64();
      point_.has_sum = true;
    } else {
      reader.skip();
    }
  }

  void histogram(ProtoReader& reader) {
    if (reader.is(9, ProtoType::kBytes)) {
      attribute(reader.bytes(), point_.attributes, texts_, reader);
    } else if (reader.field() == 6 && reader.type() != ProtoType::kVarint) {
      append(reader, point_.bucket_counts, [](ProtoReader& one) { return one.fixed64(); });
    } else if (reader.field() == 7 && reader.type() != ProtoType::kVarint) {
      append(reader, point_.bounds, [](ProtoReader& one) { return one.float64(); });
    } else if (reader.is(8, ProtoType::kBytes)) {
      exemplar(reader.bytes(), reader);
    } else if (reader.is(10, ProtoType::kVarint)) {
      flags(reader);
    } else {
      count_or_sum(reader);
    }
  }

  void exponential(ProtoReader& reader) {
    if (reader.is(1, ProtoType::kBytes)) {
      attribute(reader.bytes(), point_.attributes, texts_, reader);
    } else if (reader.is(6, ProtoType::kVarint)) {
      point_.scale = reader.sint32();
    } else if (reader.is(7, ProtoType::kFixed64)) {
      point_.zero_count = reader.fixed64();
    } else if (reader.is(8, ProtoType::kBytes)) {
      buckets(reader.bytes(), point_.positive, reader);
    } else if (reader.is(9, ProtoType::kBytes)) {
      buckets(reader.bytes(), point_.negative, reader);
    } else if (reader.is(10, ProtoType::kVarint)) {
      flags(reader);
    } else if (reader.is(11, ProtoType::kBytes)) {
      exemplar(reader.bytes(), reader);
    } else if (reader.is(14, ProtoType::kFixed64)) {
      point_.zero_threshold = reader.float64();
    } else {
      count_or_sum(reader);
    }
  }

  static void buckets(std::string_view message, OtlpBuckets& into, ProtoReader& outer) {
    ProtoReader reader(message);
    while (reader.next()) {
      if (reader.is(1, ProtoType::kVarint)) {
        into.offset = reader.sint32();
      } else if (reader.field() == 2 && reader.type() != ProtoType::kFixed64) {
        append(reader, into.counts, [](ProtoReader& one) { return one.varint(); });
      } else {
        reader.skip();
      }
    }
    if (!reader.ok()) outer.fail();
  }

  void summary(ProtoReader& reader) {
    if (reader.is(7, ProtoType::kBytes)) {
      attribute(reader.bytes(), point_.attributes, texts_, reader);
    } else if (reader.is(6, ProtoType::kBytes)) {
      auto& [quantile, value] = point_.quantiles.emplace_back();
      ProtoReader inner(reader.bytes());
      while (inner.next()) {
        if (inner.is(1, ProtoType::kFixed64)) {
          quantile = inner.float64();
        } else if (inner.is(2, ProtoType::kFixed64)) {
          value = inner.float64();
        } else {
          inner.skip();
        }
      }
      if (!inner.ok() || point_.quantiles.size() > kPartsMax) reader.fail();
    } else if (reader.is(8, ProtoType::kVarint)) {
      flags(reader);
    } else {
      count_or_sum(reader);
    }
  }

  void exemplar(std::string_view message, ProtoReader& outer) {
    if (point_.exemplars.size() >= kExemplarsMax) return;
    OtlpExemplar& exemplar = point_.exemplars.emplace_back();
    ProtoReader reader(message);
    while (reader.next()) {
      if (reader.is(7, ProtoType::kBytes)) {
        attribute(reader.bytes(), exemplar.attributes, texts_, reader);
      } else if (reader.is(2, ProtoType::kFixed64)) {
        exemplar.time_ns = reader.fixed64();
      } else if (reader.is(3, ProtoType::kFixed64)) {
        exemplar.value = reader.float64();
      } else if (reader.is(6, ProtoType::kFixed64)) {
        exemplar.value = static_cast<double>(static_cast<int64_t>(reader.fixed64()));
      } else if (reader.is(4, ProtoType::kBytes)) {
        if (const auto id = reader.bytes(); id.size() == 8) exemplar.span_id = hex_encode(id);
      } else if (reader.is(5, ProtoType::kBytes)) {
        if (const auto id = reader.bytes(); id.size() == 16) exemplar.trace_id = hex_encode(id);
      } else {
        reader.skip();
      }
    }
    if (!reader.ok()) outer.fail();
  }

  OtlpMetricSink& sink_;
  OtlpPoint point_;
  TextArena texts_;        // of the point
  TextArena upper_texts_;  // of the resource and its scopes
  std::string room_;
};

}  // namespace

Status decode_otlp_metrics(std::string_view protobuf, OtlpMetricSink& sink) {
  return Decoder(sink).request(protobuf);
}

std::string otlp_metrics_response(uint64_t rejected_points, std::string_view message) {
  std::string out;
  if (rejected_points == 0 && message.empty()) return out;
  ProtoWriter(out).message(1, [&](ProtoWriter& partial) {
    partial.varint(1, rejected_points);
    partial.bytes(2, message);
  });
  return out;
}

std::string otlp_metrics_response_json(uint64_t rejected_points, std::string_view message) {
  std::string out;
  JsonWriter writer(out);
  writer.begin_object();
  if (rejected_points != 0 || !message.empty()) {
    // 64-bit integers are strings in protobuf's JSON.
    writer.key("partialSuccess").begin_object();
    writer.member("rejectedDataPoints", std::to_string(rejected_points));
    writer.member("errorMessage", message).end_object();
  }
  writer.end_object();
  return out;
}

}  // namespace gatehouse::wire
