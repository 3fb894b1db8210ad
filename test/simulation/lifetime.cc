#include "lifetime.h"

#include <bit>
#include <cstdio>
#include <map>
#include <memory>
#include <vector>

#include "base/random.h"
#include "store/metric_store.h"
#include "store/simulated_disk.h"

namespace gatehouse::simulation {
namespace {

constexpr size_t kSeries = 12;
constexpr int kLives = 4;
constexpr int kSteps = 60;
constexpr int64_t kBlockMs = 2 * 3'600'000;

class HandClock : public model::Clock {
 public:
  int64_t wall_ns() const override { return now_ms * 1'000'000; }
  int64_t steady_ns() const override { return now_ms * 1'000'000; }
  int64_t now_ms = 1'700'000'000'000;
};

// What the store was told of one sample.
struct Cell {
  uint64_t bits = 0;
  // kThere: acknowledged. kPerhaps: its append failed, or the power cut came before
  // a sync. kGone: its deletion was acknowledged.
  enum { kThere, kPerhaps, kGone } state = kThere;
  bool durable = false;  // a power cut does not take it
};

class Lifetime {
 public:
  Lifetime(uint64_t seed, bool verbose) : random_(seed), disk_(seed ^ 0x51), verbose_(verbose) {
    for (size_t i = 0; i < kSeries; ++i) {
      names_.push_back("value_" + std::to_string(i));
      const std::string group = "g" + std::to_string(i % 3);
      labels_.push_back(model::Labels{{"__name__", names_.back()}, {"group", group}});
    }
    for (const model::Labels& labels : labels_) {
      views_.emplace_back();
      for (const auto& [name, value] : labels.pairs()) views_.back().push_back({name, value});
    }
    options_.directory = "/store";
    options_.retention_ms = 0;
    options_.retention_bytes = 0;
    options_.block_ms = kBlockMs;
    options_.snapshot_wal_bytes = 4096;
    options_.sync_interval_ms = seed % 4 == 0 ? 0 : 200;
    options_.recovery_threads = 1;
    options_.background = false;
    options_.disk = &disk_;
    options_.clock = &clock_;
  }

  Outcome run() {
    for (int life = 0; life < kLives && ok(); ++life) {
      open();
      for (int step = 0; step < kSteps && ok(); ++step) {
        this->step();
        if (!verbose_) continue;
        check("after this step");
        say_blocks();
      }
      if (ok()) end();
    }
    if (ok()) {
      open();
      if (ok()) check("at the end");
      store_.reset();
    }
    outcome_.disk_failures = disk_.failures();
    return outcome_;
  }

 private:
  using Cells = std::map<int64_t, Cell>;

  bool ok() const { return outcome_.violation.empty(); }
  void violated(std::string what) {
    if (ok()) outcome_.violation = std::move(what);
  }
  template <typename... Values>
  void say(const char* format, Values... values) {
    if (!verbose_) return;
    std::printf(format, values...);
    std::fputc('\n', stdout);
  }

  void open() {
    disk_.set_faults({});
    if (verbose_) {
      for (const std::string& path : disk_.paths()) {
        say("  file %s: %zu bytes", path.c_str(), disk_.bytes(path)->size());
      }
    }
    auto opened = store::MetricStore::open(budget_, options_);
    if (!opened.ok()) return violated("open: " + opened.status().to_string());
    store_ = std::move(*opened);
    const store::RecoveryReport report = store_->recovery();
    say("opened: snapshot %x, %llu samples, %llu unknown, %llu torn bytes, %llu lost bytes",
        report.snapshot, static_cast<unsigned long long>(report.samples),
        static_cast<unsigned long long>(report.unknown_samples),
        static_cast<unsigned long long>(report.torn_bytes),
        static_cast<unsigned long long>(report.lost_bytes));
    const store::HeadStats head = store_->stats(0).head;
    say("  %llu series, %llu ended, %llu pairs, %llu names; %lld to %lld",
        static_cast<unsigned long long>(head.series),
        static_cast<unsigned long long>(head.ended_series),
        static_cast<unsigned long long>(head.label_pairs),
        static_cast<unsigned long long>(head.label_names), static_cast<long long>(head.begin_ms),
        static_cast<long long>(head.end_ms));
    for (const std::string& problem : report.problems) say("  %s", problem.c_str());
    say_blocks();
    settle();
    check("after the start");
  }

  // What is there after a power cut or a failed call is there for good.
  void settle() {
    const std::vector<Cells> found = read_all();
    for (size_t i = 0; i < kSeries && ok(); ++i) {
      for (auto at = model_[i].begin(); at != model_[i].end();) {
        Cell& cell = at->second;
        const auto there = found[i].find(at->first);
        const bool is_there = there != found[i].end();
        if (cell.state == Cell::kPerhaps) {
          if (is_there && there->second.bits != cell.bits) {
            violated(names_[i] + " at " + std::to_string(at->first) + " has another value");
          }
          if (is_there) {
            cell.state = Cell::kThere;
          } else {
            at = model_[i].erase(at);
            continue;
          }
        }
        ++at;
      }
    }
  }

  std::vector<Cells> read_all() {
    std::vector<Cells> found(kSeries);
    model::QueryContext context(budget_, INT64_MAX, INT64_MAX);
    const model::Matcher any = *model::Matcher::create(model::Matcher::Op::kRegex, "group", "g.*");
    const auto order = outcome_.checked % 2 == 0 ? model::SeriesOrder::kAny : model::SeriesOrder::kByLabels;
    auto set = store_->select(std::span(&any, 1), {}, order, context);
    if (!set.ok()) {
      violated("select: " + set.status().to_string());
      return found;
    }
    model::SampleColumns columns;
    for (size_t i = 0; i < (*set)->size(); ++i) {
      const std::string_view name = model::find_label((*set)->labels(i), model::kMetricName);
      const auto index = static_cast<size_t>(std::stoul(std::string(name.substr(6))));
      if (const Status read = (*set)->samples(i, columns); !read.ok()) {
        violated("samples: " + read.to_string());
        return found;
      }
      if (!found[index].empty()) violated(std::string(name) + " is there twice");
      for (size_t at = 0; at < columns.size(); ++at) {
        if (at > 0 && columns.times_ms[at] <= columns.times_ms[at - 1]) {
          violated(std::string(name) + ": times do not ascend");
        }
        found[index][columns.times_ms[at]].bits = std::bit_cast<uint64_t>(columns.values[at]);
      }
    }
    return found;
  }

  void check(const char* when) {
    if (!ok()) return;
    const std::vector<Cells> found = read_all();
    for (size_t i = 0; i < kSeries && ok(); ++i) {
      for (const auto& [time_ms, cell] : model_[i]) {
        const auto there = found[i].find(time_ms);
        const std::string what = names_[i] + " at " + std::to_string(time_ms) + ", " + when;
        if (cell.state == Cell::kThere && there == found[i].end()) {
          for (const auto& [seen_ms, seen] : found[i]) say("  found %lld", static_cast<long long>(seen_ms));
          for (const auto& [told_ms, told] : model_[i]) {
            say("  told %lld, state %d", static_cast<long long>(told_ms), static_cast<int>(told.state));
          }
          violated("lost: " + what);
        }
        if (cell.state == Cell::kGone && there != found[i].end()) violated("deleted, yet there: " + what);
        if (cell.state == Cell::kThere && there != found[i].end() &&
            there->second.bits != cell.bits) {
          violated("another value: " + what);
        }
        ++outcome_.checked;
      }
      for (const auto& [time_ms, cell] : found[i]) {
        if (!model_[i].contains(time_ms)) {
          violated("never appended: " + names_[i] + " at " + std::to_string(time_ms) + ", " + when);
        }
      }
    }
  }

  void step() {
    clock_.now_ms += static_cast<int64_t>(random_.below(4 * 60'000));
    const uint64_t what = random_.below(100);
    if (what < 60) {
      append();
    } else if (what < 70) {
      if (store_->sync().ok()) {
        say("synced");
        make_durable();
      } else {
        say("sync failed");
      }
    } else if (what < 76) {
      say("upkeep: %s", store_->upkeep().to_string().c_str());
    } else if (what < 80) {
      say("snapshot: %s", store_->snapshot_head().to_string().c_str());
    } else if (what < 83) {
      const int64_t cut_ms = clock_.now_ms - static_cast<int64_t>(random_.below(kBlockMs));
      say("flush: %s", store_->flush_before(cut_ms).to_string().c_str());
    } else if (what < 87) {
      remove();
    } else if (what < 92) {
      choose_faults();
    } else if (what < 96) {
      check("while it runs");
    } else if (what < 98) {
      clock_.now_ms += static_cast<int64_t>(random_.below(kBlockMs));
    } else {
      say("clean tombstones: %s", store_->clean_tombstones().to_string().c_str());
    }
  }

  void say_blocks() {
    if (!verbose_) return;
    for (const store::BlockMeta& meta : store_->stats(0).blocks) {
      say("  block %s level %u: %lld to %lld, %llu samples", meta.id.c_str(), meta.level,
          static_cast<long long>(meta.begin_ms), static_cast<long long>(meta.end_ms),
          static_cast<unsigned long long>(meta.samples));
    }
  }

  void choose_faults() {
    store::SimulatedDisk::Faults faults;
    switch (random_.below(5)) {
      case 0: faults.write_fails = 200; break;
      case 1: faults.sync_fails = 300; break;
      case 2: faults.capacity_bytes = disk_.used_bytes() + random_.below(2000); break;
      case 3: faults.open_fails = 300; break;
      default: break;
    }
    say("faults: %u writes, %u syncs, %u opens", faults.write_fails, faults.sync_fails,
        faults.open_fails);
    disk_.set_faults(faults);
  }

  void append() {
    struct Planned {
      size_t series;
      std::vector<model::Sample> samples;
    };
    std::vector<Planned> planned;
    std::vector<model::SeriesAppend> batch;
    const uint64_t count = 1 + random_.below(kSeries);
    for (uint64_t n = 0; n < count; ++n) {
      Planned plan{static_cast<size_t>(random_.below(kSeries)), {}};
      // One series now and then comes out of order, within the window.
      int64_t time_ms = clock_.now_ms;
      if (random_.below(6) == 0) time_ms -= static_cast<int64_t>(random_.below(20 * 60'000));
      const uint64_t samples = 1 + random_.below(4);
      for (uint64_t s = 0; s < samples; ++s, time_ms += 1 + static_cast<int64_t>(random_.below(1000))) {
        if (model_[plan.series].contains(time_ms)) continue;
        double value = static_cast<double>(random_.below(1000));
        if (random_.below(4) == 0) value = random_.uniform();
        if (random_.below(20) == 0) value = model::kStaleValue;
        plan.samples.push_back({time_ms, value, 0});
      }
      bool twice = false;
      for (const Planned& other : planned) twice |= other.series == plan.series;
      if (!twice && !plan.samples.empty()) planned.push_back(std::move(plan));
    }
    for (const Planned& plan : planned) {
      model::SeriesAppend one;
      one.labels = views_[plan.series];
      one.samples = plan.samples;
      batch.push_back(one);
    }
    model::AppendOptions append_options;
    append_options.out_of_order_ms = 3'600'000;
    const auto result = store_->append(batch, append_options);
    say("append of %zu series: %s", batch.size(), result.status().to_string().c_str());
    if (result.ok() && result->refused() > 0) return violated("refused: " + result->first_refusal);
    for (const Planned& plan : planned) {
      for (const model::Sample& sample : plan.samples) {
        say("  %s at %lld", names_[plan.series].c_str(), static_cast<long long>(sample.time_ms));
        Cell cell{std::bit_cast<uint64_t>(sample.value),
                  result.ok() ? Cell::kThere : Cell::kPerhaps,
                  result.ok() && options_.sync_interval_ms == 0};
        model_[plan.series][sample.time_ms] = cell;
        outcome_.appended += result.ok();
      }
    }
  }

  void remove() {
    const auto series = static_cast<size_t>(random_.below(kSeries));
    const int64_t end_ms = clock_.now_ms - static_cast<int64_t>(random_.below(kBlockMs));
    const model::TimeRangeMs range{end_ms - static_cast<int64_t>(random_.below(kBlockMs)), end_ms};
    const model::Matcher name(model::Matcher::Op::kEqual, "__name__", names_[series]);
    const auto removed = store_->delete_series(std::span(&name, 1), range);
    say("delete: %s", removed.status().to_string().c_str());
    Cells& cells = model_[series];
    for (auto at = cells.lower_bound(range.begin_ms);
         at != cells.end() && at->first <= range.end_ms; ++at) {
      Cell& cell = at->second;
      if (removed.ok()) {
        cell = {cell.bits, Cell::kGone, true};
      } else if (cell.state == Cell::kThere) {
        cell.state = Cell::kPerhaps;
      }
    }
  }

  void make_durable() {
    for (Cells& cells : model_) {
      for (auto& [time_ms, cell] : cells) cell.durable = true;
    }
  }

  void end() {
    const uint64_t how = random_.below(5);
    if (how == 0) {
      say("-- a clean end");
      store_->finish();
      store_.reset();
      disk_.end_process();
    } else if (how < 3) {
      say("-- the process ends");
      disk_.end_process();
      store_.reset();
    } else {
      say("-- power is lost");
      disk_.lose_power();
      store_.reset();
      for (Cells& cells : model_) {
        for (auto& [time_ms, cell] : cells) {
          if (cell.state == Cell::kThere && !cell.durable) cell.state = Cell::kPerhaps;
        }
      }
    }
    ++outcome_.crashes;
  }

  Random random_;
  store::SimulatedDisk disk_;
  bool verbose_;
  HandClock clock_;
  MemoryBudget budget_{int64_t{1} << 30};
  store::MetricStoreOptions options_;
  std::vector<std::string> names_;
  std::vector<model::Labels> labels_;
  std::vector<std::vector<model::LabelView>> views_;
  std::array<Cells, kSeries> model_;
  std::unique_ptr<store::MetricStore> store_;
  Outcome outcome_;
};

}  // namespace

Outcome live(uint64_t seed, bool verbose) { return Lifetime(seed, verbose).run(); }

}  // namespace gatehouse::simulation
