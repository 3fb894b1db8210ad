#include "export/writer_metrics.h"

#include <array>

namespace gatehouse::exporting {
namespace {

constexpr std::array kSecondsBounds = {0.005, 0.01, 0.025, 0.05, 0.1,  0.25, 0.5,
                                       1.0,   2.5,  5.0,   10.0, 25.0, 60.0};

const std::string kPrefix = "prometheus_remote_storage_";

class Maker {
 public:
  Maker(model::Registry& registry, const std::string& name, const std::string& url)
      : registry_(registry), labels_{{"remote_name", name}, {"url", url}} {}

  model::Counter& counter(const std::string& name, std::string_view help) const {
    return registry_.counter(kPrefix + name, help, labels_);
  }
  model::Counter& dropped(std::string_view reason) const {
    return registry_.counter(kPrefix + "samples_dropped",
                             "Samples that were read of the log and not sent.",
                             labels_.with("reason", reason));
  }
  model::Gauge& gauge(const std::string& name, std::string_view help) const {
    return registry_.gauge(kPrefix + name, help, labels_);
  }
  WriterMetrics::Kind kind(const std::string& what) const {
    return {
        counter(what, "Sent to the receiver: " + what + "."),
        counter(what + "_failed", "Refused by the receiver for good: " + what + "."),
        counter(what + "_retried", "Sent again after a failure that may pass: " + what + "."),
        gauge(what + "_pending", "Read of the log, and not with the receiver yet: " + what + ".")};
  }
  model::Histogram& histogram(const std::string& name, std::string_view help) const {
    return registry_.histogram(kPrefix + name, help, kSecondsBounds, labels_);
  }

 private:
  model::Registry& registry_;
  const model::Labels labels_;
};

}  // namespace

WriterMetrics WriterMetrics::make(model::Registry& registry, const std::string& name,
                                  const std::string& url) {
  const Maker of(registry, name, url);
  return {
      of.kind("samples"),
      of.kind("histograms"),
      of.kind("exemplars"),
      of.counter("metadata", "Metrics whose metadata was sent."),
      of.counter("metadata_failed", "Metrics whose metadata the receiver did not take."),
      of.counter("metadata_retried", "Metrics whose metadata was sent again."),
      of.counter("bytes", "Bytes of samples sent, compressed."),
      of.counter("metadata_bytes", "Bytes of metadata sent, compressed."),
      of.dropped("dropped_series"),
      of.dropped("unknown_series"),
      registry.counter("gatehouse_remote_write_log_missed_bytes",
                       "At least so much of the log went, or was damaged, before it was read.",
                       {{"remote_name", name}, {"url", url}}),
      // Of the store, not of a receiver: without labels, as alerts on the lag have it.
      registry.gauge(kPrefix + "highest_timestamp_in_seconds",
                     "The newest sample of the store, Unix time.", {}),
      of.gauge("queue_highest_sent_timestamp_seconds",
               "The newest sample that the receiver has, Unix time."),
      of.gauge("shards", "Requests that may be under way at a time."),
      of.gauge("shards_min", "The least number of shards."),
      of.gauge("shards_max", "The greatest number of shards."),
      of.gauge("shards_desired", "The number of shards that the load asks for."),
      of.gauge("shard_capacity", "Samples that may wait, for each shard."),
      of.gauge("max_samples_per_send", "The most samples of a request."),
      of.histogram("sent_batch_duration_seconds", "From a request to its answer."),
  };
}

void WriterMetrics::count_total(const EntryCounts& counts) {
  samples.total.add(static_cast<double>(counts.samples));
  histograms.total.add(static_cast<double>(counts.histograms));
  exemplars.total.add(static_cast<double>(counts.exemplars));
}

void WriterMetrics::count_failed(const EntryCounts& counts) {
  samples.failed.add(static_cast<double>(counts.samples));
  histograms.failed.add(static_cast<double>(counts.histograms));
  exemplars.failed.add(static_cast<double>(counts.exemplars));
}

void WriterMetrics::count_retried(const EntryCounts& counts) {
  samples.retried.add(static_cast<double>(counts.samples));
  histograms.retried.add(static_cast<double>(counts.histograms));
  exemplars.retried.add(static_cast<double>(counts.exemplars));
}

void WriterMetrics::set_pending(const EntryCounts& counts) {
  samples.pending.set(static_cast<double>(counts.samples));
  histograms.pending.set(static_cast<double>(counts.histograms));
  exemplars.pending.set(static_cast<double>(counts.exemplars));
}

}  // namespace gatehouse::exporting
