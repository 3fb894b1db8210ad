#include "store/codec/histogram_layout.h"

#include <algorithm>
#include <bit>

#include "base/bytes.h"
#include "store/codec/wrapping.h"

namespace gatehouse::store {
namespace {

using model::BucketSpan;
using model::NativeHistogram;

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

void put_spans(std::string& out, const std::vector<BucketSpan>& spans, size_t buckets) {
  put_varint(out, spans.size());
  for (const BucketSpan& span : spans) {
    put_varint(out, zigzag(span.offset));
    put_varint(out, span.length);
  }
  put_varint(out, buckets);
}

bool take_spans(std::string_view& in, size_t buckets_max, std::vector<BucketSpan>& spans,
                std::vector<double>& buckets) {
  uint64_t count = 0;
  // A span takes two bytes at least.
  if (!get_varint(in, count) || count > in.size() / 2) return false;
  spans.resize(count);
  for (BucketSpan& span : spans) {
    uint64_t offset = 0;
    uint64_t length = 0;
    if (!get_varint(in, offset) || !get_varint(in, length)) return false;
    if (offset > UINT32_MAX || length > UINT32_MAX) return false;
    span = {static_cast<int32_t>(unzigzag(offset)), static_cast<uint32_t>(length)};
  }
  if (!get_varint(in, count) || count > buckets_max) return false;
  buckets.assign(count, 0);
  return true;
}

}  // namespace

bool same_layout(const NativeHistogram& a, const NativeHistogram& b) {
  return a.schema == b.schema && same_bits(a.zero_threshold, b.zero_threshold) &&
         a.positive_spans == b.positive_spans && a.negative_spans == b.negative_spans &&
         a.positive_buckets.size() == b.positive_buckets.size() &&
         a.negative_buckets.size() == b.negative_buckets.size() &&
         std::equal(a.bounds.begin(), a.bounds.end(), b.bounds.begin(), b.bounds.end(), same_bits);
}

void put_layout(std::string& out, const NativeHistogram& histogram) {
  put_varint(out, zigzag(histogram.schema));
  put_le<uint64_t>(out, std::bit_cast<uint64_t>(histogram.zero_threshold));
  put_spans(out, histogram.positive_spans, histogram.positive_buckets.size());
  put_spans(out, histogram.negative_spans, histogram.negative_buckets.size());
  put_varint(out, histogram.bounds.size());
  for (const double bound : histogram.bounds) {
    put_le<uint64_t>(out, std::bit_cast<uint64_t>(bound));
  }
}

bool take_layout(std::string_view& in, size_t buckets_max, NativeHistogram& out) {
  out = {};
  uint64_t raw = 0;
  if (!get_varint(in, raw) || raw > UINT32_MAX || in.size() < 8) return false;
  out.schema = static_cast<int32_t>(unzigzag(raw));
  out.zero_threshold = std::bit_cast<double>(get_le<uint64_t>(in.data()));
  in.remove_prefix(8);
  if (!take_spans(in, buckets_max, out.positive_spans, out.positive_buckets)) return false;
  buckets_max -= out.positive_buckets.size();
  if (!take_spans(in, buckets_max, out.negative_spans, out.negative_buckets)) return false;
  if (!get_varint(in, raw) || raw > in.size() / 8) return false;
  out.bounds.resize(raw);
  for (double& bound : out.bounds) {
    bound = std::bit_cast<double>(get_le<uint64_t>(in.data()));
    in.remove_prefix(8);
  }
  return true;
}

}  // namespace gatehouse::store
