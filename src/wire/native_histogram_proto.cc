#include "wire/native_histogram_proto.h"

#include <cmath>

namespace gatehouse::wire {

namespace {

using model::BucketSpan;
using model::NativeHistogram;

constexpr double kWholeMax = 9007199254740992.0;  // 2^53

std::string_view check_buckets(const std::vector<BucketSpan>& spans,
                               const std::vector<double>& buckets, double& total) {
  uint64_t expected = 0;
  for (size_t i = 0; i < spans.size(); ++i) {
    if (i > 0 && spans[i].offset < 0) return "a span of buckets begins within the one before";
    expected += spans[i].length;
  }
  if (expected != buckets.size()) return "the spans need another number of buckets";
  for (const double count : buckets) {
    if (!(count >= 0)) return "a bucket's count is negative";
    total += count;
  }
  return {};
}

std::string_view check_bounds(const NativeHistogram& histogram) {
  if (histogram.zero_count != 0 || !histogram.negative_spans.empty()) {
    return "custom buckets have neither a zero bucket nor negative ones";
  }
  double before = -INFINITY;
  for (const double bound : histogram.bounds) {
    if (!(bound > before) || bound == INFINITY) return "custom bounds do not ascend";
    before = bound;
  }
  int64_t index = 0;
  for (const BucketSpan& span : histogram.positive_spans) {
    index += span.offset;
    if (index < 0) return "a span of custom buckets begins below 0";
    index += span.length;
  }
  // One bucket more than bounds: the last ends at +Inf.
  if (index > static_cast<int64_t>(histogram.bounds.size()) + 1) {
    return "more custom buckets than bounds";
  }
  return {};
}

}  // namespace

std::string_view check_histogram(const NativeHistogram& histogram) {
  if (!histogram.custom() && (histogram.schema < NativeHistogram::kSchemaMin ||
                              histogram.schema > NativeHistogram::kSchemaMax)) {
    return "the histogram's schema is not known";
  }
  if (!(histogram.zero_threshold >= 0)) return "the zero threshold is negative";
  if (!(histogram.zero_count >= 0)) return "the zero bucket's count is negative";
  double total = histogram.zero_count;
  std::string_view why = check_buckets(histogram.positive_spans, histogram.positive_buckets, total);
  if (why.empty()) {
    why = check_buckets(histogram.negative_spans, histogram.negative_buckets, total);
  }
  if (why.empty() && histogram.custom()) why = check_bounds(histogram);
  if (!why.empty()) return why;
  if (model::is_stale(histogram.sum)) return {};
  if (!(histogram.count >= 0)) return "the count is negative";
  if (!histogram.whole) return {};
  if (histogram.count >= kWholeMax || total >= kWholeMax) return "a count is 2^53 or more";
  // Observations of NaN are counted in no bucket, and make the sum NaN.
  const bool fits = std::isnan(histogram.sum) ? total <= histogram.count : total == histogram.count;
  return fits ? "" : "the count is not that of the buckets";
}

void clear(NativeHistogram& histogram) {
  NativeHistogram empty;
  const auto keep = [](auto& from, auto& to) {
    from.clear();
    to = std::move(from);
  };
  keep(histogram.positive_spans, empty.positive_spans);
  keep(histogram.negative_spans, empty.negative_spans);
  keep(histogram.positive_buckets, empty.positive_buckets);
  keep(histogram.negative_buckets, empty.negative_buckets);
  keep(histogram.bounds, empty.bounds);
  histogram = std::move(empty);
}

void BucketReader::span(std::string_view message, ProtoReader& outer) {
  BucketSpan span;
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.is(1, ProtoType::kVarint)) {
      span.offset = reader.sint32();
    } else if (reader.is(2, ProtoType::kVarint)) {
      span.length = reader.uint32();
    } else {
      reader.skip();
    }
  }
  if (!reader.ok() || spans.size() >= kHistogramPartsMax) outer.fail();
  spans.push_back(span);
}

void BucketReader::absolute(double value, ProtoReader& element) {
  if (buckets.size() >= kHistogramPartsMax) element.fail();
  buckets.push_back(value);
}

bool BucketReader::delta(int64_t difference, ProtoReader& element) {
  int64_t next = 0;
  const bool good = !__builtin_add_overflow(count, difference, &next) && next >= 0 &&
                    next < static_cast<int64_t>(kWholeMax);
  count = good ? next : 0;
  absolute(static_cast<double>(count), element);
  return good;
}

namespace {

// What has been seen of the counts: a message may mix whole ones and fractions, and
// is then one of fractions.
struct Counts {
  bool good = true;  // none negative or too large
  bool fractional = false;
};

// Reads one field of buckets; `base` is the spans' field, deltas and counts follow.
bool read_buckets(ProtoReader& reader, uint32_t base, BucketReader& into, Counts& counts) {
  if (reader.is(base, ProtoType::kBytes)) {
    into.span(reader.bytes(), reader);
    return true;
  }
  if (reader.field() == base + 1 && reader.type() != ProtoType::kFixed64) {
    reader.repeated(
        [&](ProtoReader& element) { counts.good &= into.delta(element.sint64(), element); });
    return true;
  }
  if (reader.field() == base + 2 && reader.type() != ProtoType::kVarint) {
    counts.fractional = true;
    reader.repeated([&](ProtoReader& element) { into.absolute(element.float64(), element); });
    return true;
  }
  return false;
}

bool read_scalar(ProtoReader& reader, model::HistogramSample& out, Counts& counts) {
  NativeHistogram& histogram = out.histogram;
  const bool varint = reader.type() == ProtoType::kVarint;
  const bool fixed = reader.type() == ProtoType::kFixed64;
  const auto whole = [&](uint64_t count) {
    counts.good &= count < static_cast<uint64_t>(kWholeMax);
    return static_cast<double>(count);
  };
  const auto fraction = [&](double count) {
    counts.fractional = true;
    return count;
  };
  switch (reader.field()) {
    case 1: return varint && (histogram.count = whole(reader.varint()), true);
    case 2: return fixed && (histogram.count = fraction(reader.float64()), true);
    case 3: return fixed && (histogram.sum = reader.float64(), true);
    case 4: return varint && (histogram.schema = reader.sint32(), true);
    case 5: return fixed && (histogram.zero_threshold = reader.float64(), true);
    case 6: return varint && (histogram.zero_count = whole(reader.varint()), true);
    case 7: return fixed && (histogram.zero_count = fraction(reader.float64()), true);
    case 14:
      if (!varint) return false;
      if (const uint64_t hint = reader.varint(); hint <= 3) {
        histogram.reset = static_cast<model::CounterReset>(hint);
      }
      return true;
    case 15: return varint && (out.time_ms = reader.int64(), true);
    case 16:
      if (varint) return false;
      reader.repeated([&](ProtoReader& bound) {
        if (histogram.bounds.size() >= kHistogramPartsMax) bound.fail();
        histogram.bounds.push_back(bound.float64());
      });
      return true;
    case 17: return varint && (out.start_ms = reader.int64(), true);
    default: return false;
  }
}

}  // namespace

HistogramRead read_histogram(std::string_view message, model::HistogramSample& out,
                             std::string_view& why) {
  clear(out.histogram);
  out.time_ms = out.start_ms = 0;
  BucketReader negative{out.histogram.negative_spans, out.histogram.negative_buckets};
  BucketReader positive{out.histogram.positive_spans, out.histogram.positive_buckets};
  Counts counts;
  ProtoReader reader(message);
  while (reader.next()) {
    if (!read_buckets(reader, 8, negative, counts) && !read_buckets(reader, 11, positive, counts) &&
        !read_scalar(reader, out, counts)) {
      reader.skip();
    }
  }
  if (!reader.ok()) return HistogramRead::kMalformed;
  out.histogram.whole = !counts.fractional;
  why = check_histogram(out.histogram);
  if (why.empty() && !counts.good && !model::is_stale(out.histogram.sum)) {
    why = "a count is negative, or 2^53 or more";
  }
  return why.empty() ? HistogramRead::kGood : HistogramRead::kInvalid;
}

namespace {

void write_buckets(ProtoWriter& writer, uint32_t base, bool whole,
                   const std::vector<BucketSpan>& spans, const std::vector<double>& buckets) {
  for (const BucketSpan& span : spans) {
    writer.message(base, [&](ProtoWriter& inner) {
      inner.sint64(1, span.offset);
      inner.varint(2, span.length);
    });
  }
  if (buckets.empty()) return;
  writer.message(base + (whole ? 1 : 2), [&](ProtoWriter& inner) {
    int64_t before = 0;
    for (const double count : buckets) {
      if (!whole) {
        inner.packed_float64(count);
        continue;
      }
      inner.packed_sint64(static_cast<int64_t>(count) - before);
      before = static_cast<int64_t>(count);
    }
  });
}

}  // namespace

void write_histogram(ProtoWriter& writer, const model::HistogramSample& sample, bool with_start) {
  const NativeHistogram& histogram = sample.histogram;
  // A member of a oneof is written even where it is zero: it says which one it is.
  if (histogram.whole) {
    writer.varint_always(1, static_cast<uint64_t>(histogram.count));
  } else {
    writer.float64_always(2, histogram.count);
  }
  writer.float64(3, histogram.sum);
  writer.sint64(4, histogram.schema);
  writer.float64(5, histogram.zero_threshold);
  if (histogram.whole) {
    writer.varint_always(6, static_cast<uint64_t>(histogram.zero_count));
  } else {
    writer.float64_always(7, histogram.zero_count);
  }
  write_buckets(writer, 8, histogram.whole, histogram.negative_spans, histogram.negative_buckets);
  write_buckets(writer, 11, histogram.whole, histogram.positive_spans, histogram.positive_buckets);
  writer.varint(14, static_cast<uint64_t>(histogram.reset));
  writer.int64(15, sample.time_ms);
  if (!histogram.bounds.empty()) {
    writer.message(16, [&](ProtoWriter& inner) {
      for (const double bound : histogram.bounds) inner.packed_float64(bound);
    });
  }
  if (with_start) writer.int64(17, sample.start_ms);
}

}  // namespace gatehouse::wire
