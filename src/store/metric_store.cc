#include "store/metric_store.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/log.h"
#include "base/random.h"
#include "store/block/block_writer.h"
#include "store/block/compactor.h"
#include "store/merged_series.h"
#include "store/real_disk.h"

namespace gatehouse::store {
namespace {

// How often the thread looks for what is due.
constexpr int64_t kRoundMs = 500;
constexpr int64_t kFirstRoundMs = 2'000;
// No query lives longer, so that a reader who does has been forgotten by its owner.
constexpr int64_t kReadersWaitMs = 600'000;
// What is written into a block is so far behind the newest sample at least: late
// samples and series that lag by an hour still find their place in the head.
constexpr int64_t kFlushBehindMs = 3'600'000;
// Once nothing has come for so long, the head is written out early: a start then has less to
// replay. Where samples come in bursts that would be too often, but for these bounds: so much
// log at least, and a quarter of the last snapshot.
constexpr int64_t kQuietMs = 5'000;
constexpr uint64_t kQuietLogBytes = uint64_t{4} << 20;

int64_t align_down(int64_t time_ms, int64_t step_ms) {
  const int64_t rest = time_ms % step_ms;
  return time_ms - (rest < 0 ? rest + step_ms : rest);
}

// Work of the store's own: within the memory budget, without other limits.
struct OwnContext : model::QueryContext {
  explicit OwnContext(MemoryBudget& budget) : QueryContext(budget, INT64_MAX, INT64_MAX) {}
};

}  // namespace

MetricStore::MetricStore(MemoryBudget& budget, MetricStoreOptions options)
    : budget_(budget),
      options_(std::move(options)),
      disk_(options_.disk != nullptr ? options_.disk : &real_disk()),
      clock_(options_.clock != nullptr ? options_.clock : &model::system_clock()),
      head_directory_(options_.directory + "/head"),
      wal_directory_(options_.directory + "/wal"),
      blocks_directory_(options_.directory + "/blocks"),
      head_(std::make_unique<Head>(budget, *clock_, options_.head)) {}

Result<std::unique_ptr<MetricStore>> MetricStore::open(MemoryBudget& budget,
                                                       MetricStoreOptions options) {
  std::unique_ptr<MetricStore> store(new MetricStore(budget, std::move(options)));
  for (const std::string& directory : {store->options_.directory, store->head_directory_,
                                       store->wal_directory_, store->blocks_directory_}) {
    RETURN_IF_ERROR(store->disk_->make_directory(directory));
  }
  ASSIGN_OR_RETURN(store->lock_, store->disk_->lock(store->options_.directory + "/LOCK"));
  ASSIGN_OR_RETURN(OpenedBlocks opened, open_blocks(*store->disk_, store->blocks_directory_));
  store->problems_ = opened.problems;
  auto first = std::make_shared<View>();
  first->blocks = std::move(opened.blocks);
  store->view_ = std::move(first);
  if (!store->options_.background) {
    RETURN_IF_ERROR(store->recover_head());
  } else {
    store->thread_ = std::thread([raw = store.get()] { raw->run(); });
  }
  return store;
}

MetricStore::~MetricStore() {
  stopping_ = true;
  state_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (wal_ != nullptr) wal_->finish();
}

Status MetricStore::recover_head() {
  Result<RecoveryReport> report = recover(*disk_, head_directory_, wal_directory_, *head_,
                                          std::max(1u, options_.recovery_threads), &progress_);
  Status status = report.status();
  if (report.ok()) {
    WalOptions wal_options;
    wal_options.directory = wal_directory_;
    wal_options.sync_interval_ms = options_.sync_interval_ms;
    wal_options.sync_thread = options_.background;
    wal_options.hash_seed = head_->hash_seed();
    wal_options.consumers_bytes_max = options_.consumers_bytes_max;
    Result<std::unique_ptr<Wal>> wal =
        Wal::create(*disk_, *clock_, head_->labels(), wal_options, report->segments,
                    report->next_segment, report->next_position, head_->labels().end());
    status = wal.status();
    if (wal.ok()) {
      wal_ = std::move(*wal);
      if (options_.on_log) options_.on_log(*wal_);
      head_->use_log(wal_.get());
      damaged_ = report->damaged;
      // What was replayed counts: a process that ends again and again replays it once.
      for (const auto& [number, bytes] : report->segments) {
        if (number >= report->snapshot) snapshot_at_bytes_ -= bytes;
      }
    }
  }
  {
    std::lock_guard lock(state_mutex_);
    recovery_status_ = status;
    if (report.ok()) report_ = *report;
    recovered_ = true;
    ready_ = status.ok();
  }
  state_changed_.notify_all();
  if (!status.ok()) {
    log_error("the store of samples cannot read its log",
              {{"directory", options_.directory}, {"reason", status.to_string()}});
  }
  return status;
}

bool MetricStore::wait_ready(int64_t wait_ms) const {
  std::unique_lock lock(state_mutex_);
  state_changed_.wait_for(lock, std::chrono::milliseconds(wait_ms),
                          [&] { return recovered_ || stopping_; });
  return ready_;
}

double MetricStore::replayed() const {
  if (ready()) return 1;
  const auto total = static_cast<double>(progress_.bytes_total.load());
  return total == 0 ? 0 : static_cast<double>(progress_.bytes_done.load()) / total;
}

Status MetricStore::recovery_status() const {
  std::lock_guard lock(state_mutex_);
  return recovery_status_;
}

RecoveryReport MetricStore::recovery() const {
  std::lock_guard lock(state_mutex_);
  return report_;
}

Result<model::AppendOutcome> MetricStore::append(std::span<model::SeriesAppend> batch,
                                                 const model::AppendOptions& options) {
  if (stopping_) return unavailable("the store is shutting down");
  Result<model::AppendOutcome> outcome = head_->append(batch, options);
  if (outcome.ok()) samples_ += outcome->samples + outcome->histograms;
  return outcome;
}

// --- reading -----------------------------------------------------------------

std::shared_ptr<const MetricStore::View> MetricStore::view() const {
  std::lock_guard lock(view_mutex_);
  return view_;
}

Result<std::unique_ptr<model::SeriesSet>> MetricStore::select(
    std::span<const model::Matcher> matchers, model::TimeRangeMs range, model::SeriesOrder order,
    model::QueryContext& context) const {
  const std::shared_ptr<const View> seen = view();
  std::vector<Block*> blocks;
  for (const auto& block : seen->blocks) {
    if (block->overlaps(range)) blocks.push_back(block.get());
  }
  const bool in_head = range.end_ms >= head_->begin_ms() && range.begin_ms <= head_->end_ms();
  if (blocks.size() + (in_head ? 1 : 0) > 1) order = model::SeriesOrder::kByLabels;
  std::vector<std::unique_ptr<model::SeriesSet>> sets;
  for (Block* block : blocks) {
    ASSIGN_OR_RETURN(std::unique_ptr<model::SeriesSet> set,
                     block->select(matchers, range, order, context));
    sets.push_back(std::move(set));
  }
  if (in_head || sets.empty()) {
    ASSIGN_OR_RETURN(std::unique_ptr<model::SeriesSet> set,
                     head_->select(matchers, range, order, context, seen));
    sets.push_back(std::move(set));
  }
  return merge_series(std::move(sets), context, seen);
}

Result<std::vector<std::string>> MetricStore::label_names(std::span<const model::Matcher> matchers,
                                                          model::TimeRangeMs range, size_t limit,
                                                          model::QueryContext& context) const {
  const std::shared_ptr<const View> seen = view();
  ASSIGN_OR_RETURN(std::vector<std::string> names, head_->label_names(matchers, range, context));
  std::set<std::string> all(names.begin(), names.end());
  for (const auto& block : seen->blocks) {
    if (!block->overlaps(range)) continue;
    ASSIGN_OR_RETURN(const std::vector<std::string> of_block,
                     block->label_names(matchers, range, 0, context));
    all.insert(of_block.begin(), of_block.end());
  }
  names.assign(all.begin(), all.end());
  if (limit != 0 && names.size() > limit) names.resize(limit);
  return names;
}

Result<MetricStore::LabelValues> MetricStore::label_value_views(
    std::string_view name, std::span<const model::Matcher> matchers, model::TimeRangeMs range,
    size_t limit, model::QueryContext& context) const {
  const std::shared_ptr<const View> seen = view();
  ASSIGN_OR_RETURN(std::vector<std::string_view> values,
                   head_->label_values(name, matchers, range, context));
  for (const auto& block : seen->blocks) {
    if (!block->overlaps(range)) continue;
    ASSIGN_OR_RETURN(const std::vector<std::string_view> of_block,
                     block->label_values(name, matchers, range, 0, context));
    if (of_block == values) continue;
    std::vector<std::string_view> both;
    std::set_union(values.begin(), values.end(), of_block.begin(), of_block.end(),
                   std::back_inserter(both));
    values.swap(both);
  }
  if (limit != 0 && values.size() > limit) values.resize(limit);
  return LabelValues{std::move(values), seen};
}

Result<std::vector<std::string>> MetricStore::label_values(std::string_view name,
                                                           std::span<const model::Matcher> matchers,
                                                           model::TimeRangeMs range, size_t limit,
                                                           model::QueryContext& context) const {
  ASSIGN_OR_RETURN(const LabelValues found,
                   label_value_views(name, matchers, range, limit, context));
  int64_t bytes = 0;
  for (const std::string_view value : found.values) {
    bytes += static_cast<int64_t>(sizeof(std::string) + value.size());
  }
  RETURN_IF_ERROR(context.charge(bytes));
  return std::vector<std::string>(found.values.begin(), found.values.end());
}

std::vector<std::pair<std::string, model::MetricMetadata>> MetricStore::metadata(
    std::string_view metric, size_t limit) const {
  return head_->metadata(metric, limit);
}

Result<std::vector<model::SampleReader::SeriesExemplars>> MetricStore::exemplars(
    std::span<const model::Selector> selectors, model::TimeRangeMs range) const {
  return head_->exemplars(selectors, range);
}

// --- changing blocks ---------------------------------------------------------

void MetricStore::publish(std::vector<std::shared_ptr<Block>> add,
                          const std::vector<std::string>& remove) {
  auto next = std::make_shared<View>();
  std::lock_guard lock(view_mutex_);
  for (const auto& block : view_->blocks) {
    if (std::find(remove.begin(), remove.end(), block->meta().id) == remove.end()) {
      next->blocks.push_back(block);
    }
  }
  for (auto& block : add) {
    if (block != nullptr) next->blocks.push_back(std::move(block));
  }
  // By time; of blocks that overlap, the newer after the older: its samples win.
  std::sort(next->blocks.begin(), next->blocks.end(), [](const auto& a, const auto& b) {
    return a->meta().begin_ms != b->meta().begin_ms ? a->meta().begin_ms < b->meta().begin_ms
                                                    : a->meta().id < b->meta().id;
  });
  view_ = std::move(next);
}

bool MetricStore::wait_for_readers(std::weak_ptr<const View> old) {
  for (int64_t waited_ms = 0; !old.expired(); waited_ms += 5) {
    if (stopping_ || !options_.background || waited_ms > kReadersWaitMs) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

Status MetricStore::flush_window(model::TimeRangeMs window, const std::string& directory,
                                 std::shared_ptr<Block>* made) {
  BlockWriter::Options options;
  options.id = new_block_id(now_ms(), thread_random());
  ASSIGN_OR_RETURN(const std::unique_ptr<BlockWriter> writer,
                   BlockWriter::create(*disk_, budget_, directory, options));
  RETURN_IF_ERROR(head_->visit_by_labels(
      window, [&](model::LabelsView labels, const model::SampleColumns& samples) -> Status {
        if (stopping_ && options_.background) return Status(Code::kCancelled, "shutting down");
        return writer->add(labels, samples);
      }));
  const Result<BlockMeta> meta = writer->finish();
  if (!meta.ok()) return meta.status().code() == Code::kNotFound ? Status() : meta.status();
  if (made == nullptr) return {};
  ASSIGN_OR_RETURN(*made, Block::open(*disk_, directory, meta->id));
  return {};
}

Status MetricStore::flush_before(int64_t cut_ms) {
  std::lock_guard lock(upkeep_mutex_);
  if (!ready()) return unavailable("the store is still reading its log");
  head_->begin_flush(cut_ms);
  std::vector<std::shared_ptr<Block>> made;
  Status status;
  for (int64_t from = head_->begin_ms(); from < cut_ms && status.ok();) {
    const int64_t begin = align_down(from, options_.block_ms);
    const int64_t end = std::min(begin + options_.block_ms, cut_ms);
    std::shared_ptr<Block> block;
    status = flush_window({begin, end - 1}, blocks_directory_, &block);
    if (block != nullptr) made.push_back(std::move(block));
    // The next range with a sample; there may be years between.
    from = status.ok() ? head_->least_time_from(end) : cut_ms;
  }
  if (!status.ok()) {
    head_->end_flush();
    for (const auto& block : made) {
      (void)remove_block(*disk_, blocks_directory_, block->meta().id);
    }
    return status.with_context("a flush of the head");
  }
  const std::weak_ptr<const View> old = view();
  publish(std::move(made), {});
  if (wait_for_readers(old)) {
    // As long as someone reads the log behind, series keep their names for it.
    status = head_->truncate(cut_ms, wal_->held_from() < wal_->end().segment);
  }
  head_->end_flush();
  ++flushes_;
  return status;
}

Status MetricStore::snapshot_head() {
  std::lock_guard lock(upkeep_mutex_);
  if (!ready()) return unavailable("the store is still reading its log");
  return snapshot_head_locked();
}

Status MetricStore::sync_locked() {
  // What a sync may have lost is made durable by writing it out anew.
  if (wal_->sync_failed()) RETURN_IF_ERROR(snapshot_head_locked());
  return wal_->sync();
}

Status MetricStore::snapshot_head_locked() {
  const bool sync_had_failed = wal_->sync_failed();
  const uint64_t at_bytes = wal_->bytes_written();
  ASSIGN_OR_RETURN(const uint32_t number, wal_->rotate());
  uint64_t size = 0;
  if (Status written = head_->write_snapshot(*disk_, head_directory_, number, size);
      !written.ok()) {
    return written.with_context("a snapshot of the head");
  }
  snapshot_at_bytes_ = at_bytes;
  snapshot_size_bytes_ = size;
  ++snapshots_;
  if (sync_had_failed) wal_->clear_sync_failure();
  for (const std::string& path : damaged_) (void)disk_->rename(path, path + ".damaged");
  damaged_.clear();
  ASSIGN_OR_RETURN(const std::vector<std::string> names, disk_->list(head_directory_));
  for (const std::string& name : names) {
    if (name.ends_with(".snapshot") && name != Head::snapshot_name(number)) {
      (void)disk_->remove(head_directory_ + "/" + name);
    }
  }
  RETURN_IF_ERROR(wal_->remove_before(number));
  head_->reuse_slots(wal_->first_segment());
  return {};
}

Status MetricStore::compact_these(const std::vector<std::shared_ptr<Block>>& inputs) {
  const int64_t keep_from_ms =
      options_.retention_ms == 0 ? INT64_MIN : now_ms() - options_.retention_ms;
  ASSIGN_OR_RETURN(CompactionResult result,
                   compact(*disk_, budget_, blocks_directory_, inputs,
                           new_block_id(now_ms(), thread_random()), keep_from_ms, &stopping_));
  publish({result.block}, result.removed);
  ++compactions_;
  for (const std::string& id : result.removed) {
    RETURN_IF_ERROR(remove_block(*disk_, blocks_directory_, id));
  }
  return {};
}

Status MetricStore::compact_some() {
  const std::vector<int64_t> levels =
      compaction_levels_ms(options_.block_ms, options_.retention_ms);
  // Each round has fewer blocks than the one before, or none under tombstones.
  for (int round = 0; round < 64 && !stopping_; ++round) {
    std::lock_guard lock(upkeep_mutex_);
    const std::shared_ptr<const View> seen = view();
    std::vector<BlockState> states;
    for (const auto& block : seen->blocks) {
      const double series = static_cast<double>(std::max<uint64_t>(1, block->meta().series));
      const auto tombstones = block->tombstones();
      const size_t concerned = tombstones == nullptr ? 0 : tombstones->series();
      states.push_back({block->meta(), static_cast<double>(concerned) / series});
    }
    const std::vector<size_t> plan = plan_compaction(states, levels);
    if (plan.empty()) return {};
    std::vector<std::shared_ptr<Block>> inputs;
    for (const size_t index : plan) inputs.push_back(seen->blocks[index]);
    RETURN_IF_ERROR(compact_these(inputs).with_context("a compaction"));
  }
  return {};
}

Status MetricStore::retain() {
  std::lock_guard lock(upkeep_mutex_);
  const std::shared_ptr<const View> seen = view();
  std::vector<BlockMeta> metas;
  for (const auto& block : seen->blocks) metas.push_back(block->meta());
  RetentionLimits limits;
  limits.age_ms = options_.retention_ms;
  limits.bytes = options_.retention_bytes;
  limits.others = wal_->bytes() + snapshot_size_bytes_;
  std::vector<std::string> gone;
  for (const size_t index : plan_retention(metas, now_ms(), limits)) {
    gone.push_back(metas[index].id);
  }
  if (gone.empty()) return {};
  publish({}, gone);
  for (const std::string& id : gone) {
    RETURN_IF_ERROR(remove_block(*disk_, blocks_directory_, id));
  }
  return {};
}

Result<uint64_t> MetricStore::delete_series(std::span<const model::Matcher> matchers,
                                            model::TimeRangeMs range) {
  std::lock_guard lock(upkeep_mutex_);
  if (!ready()) return unavailable("the store is still reading its log");
  ASSIGN_OR_RETURN(uint64_t concerned, head_->delete_samples(matchers, range));
  RETURN_IF_ERROR(sync_locked());
  for (const auto& block : view()->blocks) {
    if (!block->overlaps(range)) continue;
    ASSIGN_OR_RETURN(const uint64_t of_block, block->delete_samples(matchers, range));
    concerned += of_block;
  }
  return concerned;
}

Status MetricStore::clean_tombstones() {
  std::lock_guard lock(upkeep_mutex_);
  const std::shared_ptr<const View> seen = view();
  for (const size_t index : with_tombstones(seen->blocks)) {
    RETURN_IF_ERROR(compact_these({seen->blocks[index]}));
  }
  return {};
}

Status MetricStore::snapshot(const std::string& target, bool skip_head) {
  std::lock_guard lock(upkeep_mutex_);
  const std::shared_ptr<const View> seen = view();
  RETURN_IF_ERROR(snapshot_blocks(*disk_, seen->blocks, target));
  if (skip_head) return {};
  RETURN_IF_ERROR(flush_window({}, target, nullptr));
  return disk_->sync_directory(target);
}

// --- upkeep --------------------------------------------------------------------

void MetricStore::note(Status status, std::string_view what) {
  std::lock_guard lock(state_mutex_);
  if (status.ok() || status.code() == Code::kCancelled) {
    if (problem_.starts_with(what)) problem_.clear();
    return;
  }
  std::string problem = std::string(what) + ": " + status.to_string();
  // Told once: what lasts is shown on the store's page.
  if (problem != problem_) {
    log_error("the store of samples could not do what was due",
              {{"what", what}, {"reason", status.to_string()}});
  }
  problem_ = std::move(problem);
}

Status MetricStore::upkeep() {
  if (!ready()) return unavailable("the store is still reading its log");
  Status first_failure;
  const auto done = [&](Status status, std::string_view what) {
    if (!status.ok() && first_failure.ok()) first_failure = status;
    note(std::move(status), what);
  };
  const int64_t begin_ms = head_->begin_ms();
  const int64_t end_ms = head_->end_ms();
  bool flushed = false;
  if (begin_ms < end_ms && end_ms - begin_ms > options_.block_ms * 3 / 2) {
    const int64_t cut_ms =
        align_down(end_ms - std::min(kFlushBehindMs, options_.block_ms / 2), options_.block_ms);
    if (begin_ms < cut_ms) {
      Status status = flush_before(cut_ms);
      flushed = status.ok();
      done(std::move(status), "flush");
    }
  }
  if (flushed || wal_->sync_failed() || !damaged_.empty() || snapshot_due()) {
    done(snapshot_head(), "snapshot");
  }
  done(compact_some(), "compaction");
  done(retain(), "retention");
  return first_failure;
}

bool MetricStore::snapshot_due() {
  const uint64_t written = wal_->bytes_written();
  const int64_t now_ms = clock_->steady_ns() / 1'000'000;
  if (written != quiet_at_bytes_) {
    quiet_at_bytes_ = written;
    quiet_since_ms_ = now_ms;
  }
  const uint64_t replayed_bytes = written - snapshot_at_bytes_;
  if (replayed_bytes >= std::max(options_.snapshot_wal_bytes, snapshot_size_bytes_ / 2))
    return true;
  return now_ms - quiet_since_ms_ >= kQuietMs &&
         replayed_bytes >= std::max(kQuietLogBytes, snapshot_size_bytes_ / 4);
}

void MetricStore::run() {
  if (!recover_head().ok()) return;
  {
    // Those who waited for the start come first.
    std::unique_lock lock(state_mutex_);
    state_changed_.wait_for(lock, std::chrono::milliseconds(kFirstRoundMs),
                            [&] { return stopping_.load(); });
  }
  while (!stopping_) {
    (void)upkeep();
    std::unique_lock lock(state_mutex_);
    state_changed_.wait_for(lock, std::chrono::milliseconds(kRoundMs),
                            [&] { return stopping_.load(); });
  }
}

Status MetricStore::sync() {
  if (!ready()) return unavailable("the store is still reading its log");
  if (!wal_->sync_failed()) return wal_->sync();
  std::lock_guard lock(upkeep_mutex_);
  return sync_locked();
}

void MetricStore::finish() {
  stopping_ = true;
  state_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (wal_ == nullptr) return;
  // Worth its time only where a replay would take longer than a moment.
  std::lock_guard lock(upkeep_mutex_);
  if (ready() && wal_->bytes_written() - snapshot_at_bytes_ > (uint64_t{1} << 20)) {
    note(snapshot_head_locked(), "snapshot");
  }
  (void)wal_->sync();
  wal_->finish();
}

std::string MetricStore::problem() const {
  std::string of_wal = ready() ? wal_->problem() : "";
  std::lock_guard lock(state_mutex_);
  if (!recovery_status_.ok()) return recovery_status_.to_string();
  if (!of_wal.empty()) return of_wal;
  if (!problem_.empty()) return problem_;
  if (!problems_.empty()) return problems_.front();
  return report_.problems.empty() ? "" : report_.problems.front();
}

MetricStoreStats MetricStore::stats(size_t cardinality_most) const {
  MetricStoreStats stats;
  stats.head = head_->stats();
  if (cardinality_most > 0) stats.cardinality = head_->cardinality(cardinality_most);
  for (const auto& block : view()->blocks) {
    stats.blocks.push_back(block->meta());
    stats.blocks_bytes += block->meta().bytes;
  }
  if (ready()) {
    stats.wal_bytes = wal_->bytes();
    stats.wal_first_segment = wal_->first_segment();
    stats.wal_last_segment = wal_->end().segment;
  }
  stats.retention_ms = options_.retention_ms;
  stats.retention_bytes = options_.retention_bytes;
  stats.samples_appended = samples_;
  stats.compactions = compactions_;
  stats.flushes = flushes_;
  stats.snapshots = snapshots_;
  stats.problem = problem();
  return stats;
}

}  // namespace gatehouse::store
