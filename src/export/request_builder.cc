#include "export/request_builder.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include "wire/snappy.h"

namespace gatehouse::exporting {
namespace {

// What is said of a family is said of the series that it is made of.
constexpr std::array<std::string_view, 5> kFamilySuffixes = {"_bucket", "_sum", "_count", "_total",
                                                             "_info"};

bool says_nothing(const model::MetricMetadata& metadata) {
  return metadata.type == model::SampleType::kUnknown && metadata.help.empty() &&
         metadata.unit.empty();
}

}  // namespace

const model::MetricMetadata* RequestBuilder::metadata_of(std::string_view metric) {
  if (metric.empty()) return nullptr;
  const auto [at, added] = metadata_.try_emplace(std::string(metric));
  if (added) {
    at->second = head_.metadata_of(metric);
    for (const std::string_view suffix : kFamilySuffixes) {
      if (!says_nothing(at->second)) break;
      if (metric.size() > suffix.size() && metric.ends_with(suffix)) {
        at->second = head_.metadata_of(metric.substr(0, metric.size() - suffix.size()));
      }
    }
  }
  return says_nothing(at->second) ? nullptr : &at->second;
}

void RequestBuilder::add_series(std::span<const Entry> entries, std::span<const uint32_t> of_series,
                                WriteRequest& request) {
  const Entry& first = entries[of_series.front()];
  const size_t labels = label_views_.size();
  switch (labels_.labels(first.shard, first.slot, label_views_, storage_)) {
    case SeriesLabels::Verdict::kDropped: request.dropped += of_series.size(); return;
    case SeriesLabels::Verdict::kUnknown: request.unknown += of_series.size(); return;
    case SeriesLabels::Verdict::kKept: break;
  }
  const auto begin_part = [&] {
    parts_.push_back({labels, label_views_.size(), samples_.size(), samples_.size(),
                      histograms_.size(), histograms_.size(), exemplars_.size(), exemplars_.size(),
                      nullptr});
  };
  begin_part();
  const size_t first_part = parts_.size() - 1;
  for (const uint32_t index : of_series) {
    const Entry& entry = entries[index];
    Part* part = &parts_.back();
    // A message has samples or histograms, not both.
    const bool mixed =
        (entry.kind == EntryKind::kSample && part->histograms_end > part->histograms) ||
        (entry.kind == EntryKind::kHistogram && part->samples_end > part->samples);
    if (mixed) {
      begin_part();
      part = &parts_.back();
    }
    if (entry.kind == EntryKind::kSample) {
      samples_.push_back({entry.time_ms, entry.value, entry.start_ms});
      part->samples_end = samples_.size();
    } else if (entry.kind == EntryKind::kHistogram) {
      histograms_.push_back({entry.time_ms, entry.histogram(), entry.start_ms});
      part->histograms_end = histograms_.size();
    } else {
      exemplars_.push_back(entry.exemplar());
      part->exemplars_end = exemplars_.size();
    }
    if (entry.kind != EntryKind::kExemplar) {
      request.highest_ms = std::max(request.highest_ms, entry.time_ms);
    }
  }
  // A receiver of version 2 refuses a series that has nothing but exemplars.
  Part& part = parts_[first_part];
  if (version_ == 2 && part.samples == part.samples_end && part.histograms == part.histograms_end) {
    request.lone_exemplars += part.exemplars_end - part.exemplars;
    parts_.pop_back();
    return;
  }
  for (const uint32_t index : of_series) request.counts.add(entries[index].kind);
  if (version_ != 2) return;
  const std::string_view metric =
      model::find_label(model::LabelsView(label_views_).subspan(labels), model::kMetricName);
  for (size_t i = first_part; i < parts_.size(); ++i) parts_[i].metadata = metadata_of(metric);
}

void RequestBuilder::build(std::span<const Entry> entries, WriteRequest& request) {
  request = {};
  label_views_.clear();
  samples_.clear();
  histograms_.clear();
  exemplars_.clear();
  parts_.clear();
  series_.clear();
  metadata_.clear();
  order_.resize(entries.size());
  std::iota(order_.begin(), order_.end(), 0u);
  std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
    const auto key = [&](uint32_t i) {
      return std::tuple(entries[i].shard, entries[i].slot, entries[i].sequence);
    };
    return key(a) < key(b);
  });
  for (size_t begin = 0, end = 0; begin < order_.size(); begin = end) {
    const Entry& first = entries[order_[begin]];
    while (end < order_.size() && entries[order_[end]].shard == first.shard &&
           entries[order_[end]].slot == first.slot) {
      ++end;
    }
    add_series(entries, std::span(order_).subspan(begin, end - begin), request);
  }
  for (const Part& part : parts_) {
    model::SeriesAppend one;
    const auto cut = [](const auto& all, size_t from, size_t to) {
      return std::span(all).subspan(from, to - from);
    };
    one.labels = cut(label_views_, part.labels, part.labels_end);
    one.samples = cut(samples_, part.samples, part.samples_end);
    one.histograms = cut(histograms_, part.histograms, part.histograms_end);
    one.exemplars = cut(exemplars_, part.exemplars, part.exemplars_end);
    one.metadata = part.metadata;
    series_.push_back(one);
  }
  raw_.clear();
  if (version_ == 2) {
    encoder_.encode(series_, raw_);
  } else {
    wire::encode_remote_write_v1(series_, {}, raw_);
  }
  wire::snappy_compress(raw_, request.body);
  storage_.clear();
}

void RequestBuilder::build_metadata(std::span<const Described> metrics, std::string& body) {
  std::vector<wire::FamilyMetadata> families;
  for (const auto& [name, metadata] : metrics) families.push_back({name, metadata});
  std::string raw;
  wire::encode_remote_write_v1({}, families, raw);
  wire::snappy_compress(raw, body);
}

}  // namespace gatehouse::exporting
