// A family is read in two passes over its message, since its fields may come in any
// order: first name, type, help and unit, then the metrics.
#include "wire/metric_protobuf.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <string>
#include <vector>

#include "wire/float_text.h"
#include "wire/native_histogram_proto.h"

namespace gatehouse::wire {

namespace {

using model::LabelView;
using model::SampleType;

constexpr double kWholeMax = 9007199254740992.0;  // 2^53
// Buckets, quantiles and exemplars of one metric. Two bytes of a message can ask
// for eighty of memory; no metric has this many.
constexpr size_t kPartsMax = 4096;

// google.protobuf.Timestamp, in milliseconds.
int64_t timestamp_ms(std::string_view message, ProtoReader& outer) {
  int64_t seconds = 0;
  int64_t nanos = 0;
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.is(1, ProtoType::kVarint)) {
      seconds = reader.int64();
    } else if (reader.is(2, ProtoType::kVarint)) {
      nanos = reader.int32();
    } else {
      reader.skip();
    }
  }
  if (!reader.ok()) outer.fail();
  int64_t ms = 0;
  if (__builtin_mul_overflow(seconds, int64_t{1000}, &ms)) return 0;
  return __builtin_add_overflow(ms, nanos / 1'000'000, &ms) ? 0 : ms;
}

LabelView label_pair(std::string_view message, ProtoReader& outer) {
  LabelView label{"", ""};
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
  if (!reader.ok()) outer.fail();
  return label;
}

bool read_exemplar(std::string_view message, model::Exemplar& exemplar, ProtoReader& outer) {
  ProtoReader reader(message);
  bool good = true;
  while (reader.next()) {
    if (reader.is(1, ProtoType::kBytes)) {
      const LabelView label = label_pair(reader.bytes(), reader);
      good &= is_utf8(label.name) && is_utf8(label.value) && exemplar.labels.size() < 64;
      if (good) exemplar.labels.emplace_back(label.name, label.value);
    } else if (reader.is(2, ProtoType::kFixed64)) {
      exemplar.value = reader.float64();
    } else if (reader.is(3, ProtoType::kBytes)) {
      exemplar.time_ms = timestamp_ms(reader.bytes(), reader);
    } else {
      reader.skip();
    }
  }
  if (!reader.ok()) outer.fail();
  std::sort(exemplar.labels.begin(), exemplar.labels.end());
  return good;
}

struct ClassicBucket {
  double count = 0;
  double bound = 0;
  model::Exemplar exemplar;
  bool has_exemplar = false;
};

// A Histogram message, both of its faces.
struct Histogram {
  model::NativeHistogram native;
  bool has_native = false;
  bool counted = true;  // native counts are within what is whole, and not negative
  double count = 0;
  double sum = 0;
  std::vector<ClassicBucket> buckets;
  std::vector<model::Exemplar> exemplars;
  int64_t start_ms = 0;
};

ClassicBucket read_classic_bucket(std::string_view message, ProtoReader& outer) {
  ClassicBucket bucket;
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.is(1, ProtoType::kVarint)) {
      bucket.count = static_cast<double>(reader.varint());
    } else if (reader.is(2, ProtoType::kFixed64)) {
      bucket.bound = reader.float64();
    } else if (reader.is(3, ProtoType::kBytes)) {
      bucket.has_exemplar = read_exemplar(reader.bytes(), bucket.exemplar, reader);
    } else if (reader.is(4, ProtoType::kFixed64)) {
      if (const double count = reader.float64(); count > 0) bucket.count = count;
    } else {
      reader.skip();
    }
  }
  if (!reader.ok()) outer.fail();
  return bucket;
}

// The fields from 5 on are those of the native face.
void read_native(ProtoReader& reader, Histogram& out, BucketReader& positive,
                 BucketReader& negative, bool& fractional) {
  model::NativeHistogram& native = out.native;
  const bool varint = reader.type() == ProtoType::kVarint;
  const bool bytes = reader.type() == ProtoType::kBytes;
  const bool fixed = reader.type() == ProtoType::kFixed64;
  switch (reader.field()) {
    case 5: return varint ? void(native.schema = reader.sint32()) : reader.skip();
    case 6: return fixed ? void(native.zero_threshold = reader.float64()) : reader.skip();
    case 7:
      return varint ? void(native.zero_count = static_cast<double>(reader.varint()))
                    : reader.skip();
    case 8:
      if (!fixed) return reader.skip();
      if (const double count = reader.float64(); count > 0) {
        native.zero_count = count;
        fractional = true;
      }
      return;
    case 9: return bytes ? negative.span(reader.bytes(), reader) : reader.skip();
    case 12: return bytes ? positive.span(reader.bytes(), reader) : reader.skip();
    case 10:
    case 13:
      if (fixed) return reader.skip();
      return reader.repeated([&](ProtoReader& element) {
        BucketReader& side = reader.field() == 10 ? negative : positive;
        out.counted &= side.delta(element.sint64(), element);
      });
    case 11:
    case 14:
      if (varint) return reader.skip();
      fractional = true;
      return reader.repeated([&](ProtoReader& element) {
        BucketReader& side = reader.field() == 11 ? negative : positive;
        side.absolute(element.float64(), element);
      });
    default: reader.skip();
  }
}

void read_histogram_message(std::string_view message, Histogram& out, ProtoReader& outer) {
  BucketReader negative{out.native.negative_spans, out.native.negative_buckets};
  BucketReader positive{out.native.positive_spans, out.native.positive_buckets};
  bool fractional = false;
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.is(1, ProtoType::kVarint)) {
      out.count = static_cast<double>(reader.varint());
    } else if (reader.is(2, ProtoType::kFixed64)) {
      out.sum = reader.float64();
    } else if (reader.is(3, ProtoType::kBytes)) {
      out.buckets.push_back(read_classic_bucket(reader.bytes(), reader));
      if (out.buckets.size() > kPartsMax) reader.fail();
    } else if (reader.is(4, ProtoType::kFixed64)) {
      if (const double count = reader.float64(); count > 0) {
        out.count = count;
        fractional = true;
      }
    } else if (reader.is(15, ProtoType::kBytes)) {
      out.start_ms = timestamp_ms(reader.bytes(), reader);
    } else if (reader.is(16, ProtoType::kBytes)) {
      model::Exemplar exemplar;
      if (read_exemplar(reader.bytes(), exemplar, reader) && exemplar.time_ms != 0) {
        out.exemplars.push_back(std::move(exemplar));
      }
      if (out.exemplars.size() > kPartsMax) reader.fail();
    } else {
      read_native(reader, out, positive, negative, fractional);
    }
  }
  if (!reader.ok()) outer.fail();
  model::NativeHistogram& native = out.native;
  native.count = out.count;
  native.sum = out.sum;
  native.whole = !fractional;
  // A span of no buckets marks a native histogram that has observed nothing.
  out.has_native = native.zero_threshold > 0 || native.zero_count > 0 ||
                   !native.positive_spans.empty() || !native.negative_spans.empty();
}

class FamilyParser {
 public:
  FamilyParser(const ScrapeOptions& options, MetricSink& sink) : options_(options), sink_(sink) {}

  Status parse(std::string_view message) {
    if (!head(message)) return malformed();
    if (metadata_.family.empty()) return invalid_argument("a metric family has no name");
    if (!is_utf8(metadata_.family) || !is_utf8(metadata_.help) || !is_utf8(metadata_.unit)) {
      return invalid_argument("a metric family's name, help or unit is not valid UTF-8");
    }
    if (metadata_.family.size() > options_.labels.name_bytes) {
      return invalid_argument("a metric family's name is too long");
    }
    if (!sink_.metadata(metadata_)) return stopped();
    ProtoReader reader(message);
    while (reader.next()) {
      if (!reader.is(4, ProtoType::kBytes)) {
        reader.skip();
        continue;
      }
      const std::string_view metric_message = reader.bytes();
      if (!reader.ok()) break;
      if (!metric(metric_message)) {
        if (stopped_) return stopped();
        return invalid_argument("the family " + std::string(metadata_.family) + ": " +
                                std::string(wrong_));
      }
    }
    return reader.ok() ? Status() : malformed();
  }

 private:
  static Status malformed() {
    return invalid_argument("not a protobuf message of a metric family");
  }
  static Status stopped() { return {Code::kCancelled, "stopped by the reader"}; }

  bool head(std::string_view message) {
    constexpr SampleType kTypes[] = {SampleType::kCounter,   SampleType::kGauge,
                                     SampleType::kSummary,   SampleType::kUnknown,
                                     SampleType::kHistogram, SampleType::kGaugeHistogram};
    metadata_ = {};
    metadata_.type = SampleType::kCounter;  // the enumeration's 0
    ProtoReader reader(message);
    while (reader.next()) {
      if (reader.is(1, ProtoType::kBytes)) {
        metadata_.family = reader.bytes();
      } else if (reader.is(2, ProtoType::kBytes)) {
        metadata_.help = reader.bytes();
      } else if (reader.is(3, ProtoType::kVarint)) {
        const uint64_t type = reader.varint();
        metadata_.type = type < std::size(kTypes) ? kTypes[type] : SampleType::kUnknown;
      } else if (reader.is(5, ProtoType::kBytes)) {
        metadata_.unit = reader.bytes();
      } else {
        reader.skip();
      }
    }
    return reader.ok();
  }

  bool fail(std::string_view why) {
    if (wrong_.empty()) wrong_ = why;
    return false;
  }

  bool metric(std::string_view message) {
    labels_.clear();
    time_ms_.reset();
    std::string_view value;  // the message that has it
    uint32_t kind = 0;
    ProtoReader reader(message);
    while (reader.next()) {
      if (reader.is(1, ProtoType::kBytes)) {
        const LabelView label = label_pair(reader.bytes(), reader);
        if (!label.value.empty()) labels_.push_back(label);
        if (label.name.empty()) return fail("a label's name is empty");
        if (labels_.size() > options_.labels.labels) return fail("too many labels");
      } else if (reader.is(6, ProtoType::kVarint)) {
        if (const int64_t ms = reader.int64(); ms != 0) time_ms_ = ms;
      } else if (reader.type() == ProtoType::kBytes && reader.field() <= 7) {
        kind = reader.field();
        value = reader.bytes();
      } else {
        reader.skip();
      }
    }
    if (!reader.ok()) return fail("a metric is malformed");
    std::sort(labels_.begin(), labels_.end());
    switch (kind) {
      case 2:
      case 5: return simple(value, false);
      case 3: return simple(value, true);
      case 4: return summary(value);
      case 7: return histogram(value);
      default: return fail("a metric has no value");
    }
  }

  // Gauge, Untyped and Counter: field 1 is the value of each.
  bool simple(std::string_view message, bool counter) {
    double value = 0;
    int64_t start_ms = 0;
    model::Exemplar exemplar;
    bool has_exemplar = false;
    ProtoReader reader(message);
    while (reader.next()) {
      if (reader.is(1, ProtoType::kFixed64)) {
        value = reader.float64();
      } else if (counter && reader.is(2, ProtoType::kBytes)) {
        has_exemplar = read_exemplar(reader.bytes(), exemplar, reader);
      } else if (counter && reader.is(3, ProtoType::kBytes)) {
        start_ms = timestamp_ms(reader.bytes(), reader);
      } else {
        reader.skip();
      }
    }
    if (!reader.ok()) return fail("a value is malformed");
    return give("", {}, value, start_ms, {&exemplar, has_exemplar ? size_t{1} : 0});
  }

  bool summary(std::string_view message) {
    double count = 0;
    double sum = 0;
    int64_t start_ms = 0;
    std::vector<std::pair<double, double>> quantiles;
    ProtoReader reader(message);
    while (reader.next()) {
      if (reader.is(1, ProtoType::kVarint)) {
        count = static_cast<double>(reader.varint());
      } else if (reader.is(2, ProtoType::kFixed64)) {
        sum = reader.float64();
      } else if (reader.is(3, ProtoType::kBytes)) {
        auto& [quantile, value] = quantiles.emplace_back();
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
        if (!inner.ok() || quantiles.size() > kPartsMax) reader.fail();
      } else if (reader.is(4, ProtoType::kBytes)) {
        start_ms = timestamp_ms(reader.bytes(), reader);
      } else {
        reader.skip();
      }
    }
    if (!reader.ok()) return fail("a summary is malformed");
    if (!give("_count", {}, count, start_ms, {}) || !give("_sum", {}, sum, start_ms, {})) {
      return false;
    }
    for (const auto& [quantile, value] : quantiles) {
      bound_.clear();
      append_bound(bound_, quantile);
      if (!give("", {"quantile", bound_}, value, start_ms, {})) return false;
    }
    return true;
  }

  bool histogram(std::string_view message) {
    Histogram read;
    ProtoReader outer(message);
    read_histogram_message(message, read, outer);
    if (!outer.ok()) return fail("a histogram is malformed");
    if (read.has_native) {
      if (!native(read)) return false;
      if (!options_.classic_too || read.buckets.empty()) return true;
    }
    if (!give("_count", {}, read.count, read.start_ms, {})) return false;
    if (!give("_sum", {}, read.sum, read.start_ms, {})) return false;
    bool infinite = false;
    for (const ClassicBucket& bucket : read.buckets) {
      infinite |= bucket.bound == INFINITY;
      if (!classic(bucket, read.start_ms)) return false;
    }
    // The bucket of everything is often left to the count.
    return infinite || classic({read.count, INFINITY, {}, false}, read.start_ms);
  }

  bool classic(const ClassicBucket& bucket, int64_t start_ms) {
    bound_.clear();
    append_bound(bound_, bucket.bound);
    return give("_bucket", {"le", bound_}, bucket.count, start_ms,
                {&bucket.exemplar, bucket.has_exemplar ? size_t{1} : 0});
  }

  bool native(Histogram& read) {
    model::NativeHistogram& histogram = read.native;
    // No-op spans, which only mark the histogram as native, say nothing further.
    for (auto* spans : {&histogram.positive_spans, &histogram.negative_spans}) {
      if (spans->size() == 1 && spans->front().length == 0) spans->clear();
    }
    if (metadata_.type == SampleType::kGaugeHistogram) {
      histogram.reset = model::CounterReset::kGauge;
    }
    std::string_view why = check_histogram(histogram);
    if (why.empty() && (!read.counted || (histogram.whole && read.count >= kWholeMax))) {
      why = "a count is negative, or 2^53 or more";
    }
    if (!why.empty()) return fail(why);
    if (read.exemplars.empty()) {
      for (ClassicBucket& bucket : read.buckets) {
        if (bucket.has_exemplar && bucket.exemplar.time_ms != 0) {
          read.exemplars.push_back(bucket.exemplar);
        }
      }
    }
    return give("", {}, 0, read.start_ms, read.exemplars, &histogram);
  }

  bool give(std::string_view suffix, LabelView extra, double value, int64_t start_ms,
            std::span<const model::Exemplar> exemplars,
            const model::NativeHistogram* histogram = nullptr) {
    name_ = metadata_.family;
    name_ += suffix;
    all_labels_ = labels_;
    const auto add = [&](LabelView label) {
      all_labels_.insert(std::upper_bound(all_labels_.begin(), all_labels_.end(), label), label);
    };
    add({model::kMetricName, name_});
    if (!extra.name.empty()) add(extra);
    if (const auto why = check_labels(all_labels_, options_.labels); !why.empty()) return fail(why);
    ScrapedSample sample;
    sample.labels = all_labels_;
    sample.time_ms = time_ms_;
    sample.start_ms = start_ms;
    sample.value = std::isnan(value) ? std::bit_cast<double>(model::kNormalNanBits) : value;
    sample.histogram = histogram;
    sample.exemplars = exemplars;
    stopped_ = !sink_.sample(sample);
    return !stopped_;
  }

  const ScrapeOptions& options_;
  MetricSink& sink_;
  ScrapedMetadata metadata_;
  std::vector<LabelView> labels_;
  std::vector<LabelView> all_labels_;
  std::optional<int64_t> time_ms_;
  std::string name_;
  std::string bound_;
  std::string_view wrong_;
  bool stopped_ = false;
};

}  // namespace

Status parse_metric_protobuf(std::string_view bytes, const ScrapeOptions& options,
                             MetricSink& sink) {
  while (!bytes.empty()) {
    uint64_t length = 0;
    if (!get_varint(bytes, length) || length > bytes.size()) {
      return invalid_argument("the protobuf of a scrape is cut short");
    }
    FamilyParser parser(options, sink);
    RETURN_IF_ERROR(parser.parse(bytes.substr(0, length)));
    bytes.remove_prefix(length);
  }
  return {};
}

}  // namespace gatehouse::wire
