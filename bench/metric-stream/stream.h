// What the stream holds: metrics as a cluster has them, about 200 bytes of labels a
// series. Of a hundred series 40 are buckets of histograms, 20 count requests, 10 count
// CPU seconds, 10 are sizes of memory, 10 readings of one decimal, 5 ratios of full
// precision, 5 never change. 2,000 series belong to bench_request_duration_seconds_bucket.
#pragma once

#include <cstdint>
#include <string>

namespace gatehouse::bench {

struct StreamShape {
  int series = 0;
  int samples = 0;  // of each series
  int64_t interval_ms = 15'000;
  int64_t end_ms = 0;  // of the last sample
  int series_per_request = 2000;
  int samples_together = 1;  // of a series in one request
};

// False: the file could not be written; the reason is on stderr.
bool make_stream(const std::string& path, const StreamShape& shape);

}  // namespace gatehouse::bench
