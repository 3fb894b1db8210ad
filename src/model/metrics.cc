#include "model/metrics.h"

#include <algorithm>
#include <cassert>

namespace gatehouse::model {

namespace {
constexpr size_t kChildrenMax = 10'000;  // some 5 MiB; more is a mistake in the labels
}

Histogram::Histogram(std::span<const double> bounds)
    : bounds_(bounds.begin(), bounds.end()),
      counts_(std::make_unique<std::atomic<uint64_t>[]>(bounds.size() + 1)) {}

void Histogram::observe(double value) {
  const auto at = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[static_cast<size_t>(at)].fetch_add(1, std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

uint64_t Histogram::count() const {
  uint64_t total = 0;
  for (size_t i = 0; i <= bounds_.size(); ++i) total += bucket(i);
  return total;
}

double Histogram::quantile(double q) const {
  const uint64_t total = count();
  if (total == 0) return 0;
  const double rank = q * static_cast<double>(total);
  double below = 0;
  for (size_t i = 0; i < bounds_.size(); ++i) {
    const auto in_bucket = static_cast<double>(bucket(i));
    if (below + in_bucket >= rank && in_bucket > 0) {
      const double low = i == 0 ? 0 : bounds_[i - 1];
      return low + (bounds_[i] - low) * (rank - below) / in_bucket;
    }
    below += in_bucket;
  }
  return bounds_.empty() ? 0 : bounds_.back();
}

Registry::Child& Registry::child(std::string_view name, std::string_view help, MetricType type,
                                 const Labels& labels) {
  std::lock_guard lock(mutex_);
  auto at = families_.find(name);
  if (at == families_.end()) {
    at = families_.emplace(std::string(name), Family{}).first;
    at->second.name = name;
    at->second.help = help;
    at->second.type = type;
  }
  Family& family = at->second;
  assert(family.type == type);
  if (const auto known = family.by_labels.find(labels); known != family.by_labels.end()) {
    return *known->second;
  }
  const Labels own = family.children.size() < kChildrenMax ? labels : Labels{{"overflow", "true"}};
  if (const auto known = family.by_labels.find(own); known != family.by_labels.end()) {
    return *known->second;
  }
  Child& made = family.children.emplace_back();
  made.labels = own;
  family.by_labels[own] = &made;
  return made;
}

Counter& Registry::counter(std::string_view name, std::string_view help, const Labels& labels) {
  return child(name, help, MetricType::kCounter, labels).counter;
}

Gauge& Registry::gauge(std::string_view name, std::string_view help, const Labels& labels) {
  return child(name, help, MetricType::kGauge, labels).gauge;
}

Histogram& Registry::histogram(std::string_view name, std::string_view help,
                               std::span<const double> bounds, const Labels& labels) {
  Child& made = child(name, help, MetricType::kHistogram, labels);
  std::lock_guard lock(mutex_);
  if (made.histogram == nullptr) made.histogram = std::make_unique<Histogram>(bounds);
  return *made.histogram;
}

void Registry::gauge_from(std::string_view name, std::string_view help, const Labels& labels,
                          std::function<double()> read) {
  Child& made = child(name, help, MetricType::kGauge, labels);
  std::lock_guard lock(mutex_);
  made.read = std::move(read);
}

void Registry::counter_from(std::string_view name, std::string_view help, const Labels& labels,
                            std::function<double()> read) {
  Child& made = child(name, help, MetricType::kCounter, labels);
  std::lock_guard lock(mutex_);
  made.read = std::move(read);
}

void Registry::visit(const std::function<void(const Family&)>& visitor) const {
  std::lock_guard lock(mutex_);
  for (const auto& [name, family] : families_) visitor(family);
}

}  // namespace gatehouse::model
