// The program's own metrics. A Family is a metric name with its help and unit;
// its children differ in labels. Ask for a child once, at set-up, and keep the
// reference: it is valid for the life of the Registry, and adding to it is one
// relaxed atomic operation.
//
// A label's values come from configuration alone (models, upstreams, keys'
// ids), never from a caller's bytes, and a family is bounded to 10,000 children:
// past that, callers share one child whose labels say "overflow".
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/labels.h"

namespace gatehouse::model {

class Counter {
 public:
  void add(double amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  void add(double amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Cumulative buckets as Prometheus has them; `bounds` ascending, +Inf implied.
class Histogram {
 public:
  explicit Histogram(std::span<const double> bounds);
  void observe(double value);

  std::span<const double> bounds() const { return bounds_; }
  uint64_t bucket(size_t i) const { return counts_[i].load(std::memory_order_relaxed); }
  double sum() const { return sum_.load(std::memory_order_relaxed); }
  uint64_t count() const;
  // The value below which the share `q` lies, linear within its bucket; 0
  // without observations.
  double quantile(double q) const;

 private:
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<uint64_t>[]> counts_;  // not cumulative; one more than bounds
  std::atomic<double> sum_{0};
};

enum class MetricType { kCounter, kGauge, kHistogram };

class Registry {
 public:
  // Declares the family where it is new. REQUIRES: one name, one type.
  // Counters' names are given without "_total".
  Counter& counter(std::string_view name, std::string_view help, const Labels& labels);
  Gauge& gauge(std::string_view name, std::string_view help, const Labels& labels);
  Histogram& histogram(std::string_view name, std::string_view help, std::span<const double> bounds,
                       const Labels& labels);

  // A gauge whose value is asked for when it is read.
  void gauge_from(std::string_view name, std::string_view help, const Labels& labels,
                  std::function<double()> read);

  // A counter that another part keeps, asked for when it is read. REQUIRES: it
  // never falls.
  void counter_from(std::string_view name, std::string_view help, const Labels& labels,
                    std::function<double()> read);

  struct Child {
    Labels labels;
    Counter counter;
    Gauge gauge;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> read;
  };
  struct Family {
    std::string name;
    std::string help;
    MetricType type;
    std::deque<Child> children;  // addresses stay
    std::map<Labels, Child*> by_labels;
  };
  // Visits the families by name. Holds the registry's lock meanwhile.
  void visit(const std::function<void(const Family&)>& visitor) const;

 private:
  Child& child(std::string_view name, std::string_view help, MetricType type, const Labels& labels);

  mutable std::mutex mutex_;
  std::map<std::string, Family, std::less<>> families_;
};

}  // namespace gatehouse::model
