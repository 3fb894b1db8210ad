#include "store/wal/wal_reader.h"

#include <bit>

#include "base/log.h"
#include "store/segment.h"

namespace gatehouse::store {
namespace {

// Enough for several requests of a remote writer.
constexpr size_t kBatchSamples = 10'000;

class Collector {
 public:
  Collector(WalBatch& out, uint32_t shard) : out_(out), shard_(shard) {}
  void series(uint32_t, std::span<const uint32_t>) {}
  void sample(const WalSample& sample) {
    out_.floats.push_back(
        {shard_, sample.slot, sample.time_ms, std::bit_cast<double>(sample.bits), sample.start_ms});
  }
  void histogram(uint32_t slot, int64_t time_ms, int64_t start_ms,
                 model::NativeHistogram&& histogram) {
    out_.histograms.push_back(
        {shard_, slot, time_ms, start_ms,
         std::make_shared<const model::NativeHistogram>(std::move(histogram))});
  }
  void exemplar(uint32_t slot, model::Exemplar&& exemplar) {
    out_.exemplars.push_back({shard_, slot, std::move(exemplar)});
  }

 private:
  WalBatch& out_;
  uint32_t shard_;
};

}  // namespace

struct WalReader::Open {
  std::unique_ptr<model::File> file;
  WalHeader header;
  uint64_t end = 0;
  std::unique_ptr<FrameCursor> cursor;
};

WalReader::WalReader(const Head& head, Wal& wal, model::Disk& disk, std::string consumer,
                     WalPlace place)
    : head_(head), wal_(wal), disk_(disk), consumer_(std::move(consumer)), place_(place) {
  if (place_.segment == 0) place_ = wal_.end();
  wal_.hold(consumer_, place_.segment);
}

WalReader::~WalReader() = default;

void WalReader::forget() { wal_.release(consumer_); }

uint64_t WalReader::behind_bytes() const {
  const WalPlace end = wal_.end();
  if (end.segment == place_.segment) return end.offset - std::min(end.offset, place_.offset);
  return end.offset + wal_.bytes_between(place_.segment, end.segment) -
         std::min(place_.offset, wal_.bytes_between(place_.segment, place_.segment + 1));
}

Result<bool> WalReader::open_here() {
  for (;;) {
    const WalPlace end = wal_.end();
    if (place_ >= end) return false;
    if (place_.segment < wal_.first_segment()) {
      ++missed_bytes_;  // how many is not known any more: one at least
      place_ = {wal_.first_segment(), 0};
      wal_.hold(consumer_, place_.segment);
      continue;
    }
    const std::string path = wal_.options().directory + "/" + Wal::segment_name(place_.segment);
    Result<std::unique_ptr<model::File>> file = disk_.open(path, model::Disk::Open::kRead);
    if (!file.ok()) {
      if (file.status().code() != Code::kNotFound) return file.status();
      // Set aside as damaged, or gone.
      ++missed_bytes_;
      place_ = {place_.segment + 1, 0};
      wal_.hold(consumer_, place_.segment);
      continue;
    }
    auto opened = std::make_unique<Open>();
    opened->file = std::move(*file);
    char head[kFileHeaderBytes];
    ASSIGN_OR_RETURN(const size_t got, opened->file->read_at(0, head, sizeof head));
    const Result<WalHeader> header = parse_wal_header({head, got});
    ASSIGN_OR_RETURN(const uint64_t size, opened->file->size());
    if (!header.ok()) {
      missed_bytes_ += size;
      place_ = {place_.segment + 1, 0};
      continue;
    }
    opened->header = *header;
    // Beyond the end of the log, a write may be under way.
    opened->end = place_.segment == end.segment ? end.offset : size;
    place_.offset = std::max<uint64_t>(place_.offset, kFileHeaderBytes);
    if (place_.offset >= opened->end) {
      if (place_.segment >= end.segment) return false;
      place_ = {place_.segment + 1, 0};
      wal_.hold(consumer_, place_.segment);
      continue;
    }
    opened->cursor = std::make_unique<FrameCursor>(*opened->file, opened->header.salt,
                                                   place_.offset, opened->end);
    open_ = std::move(opened);
    return true;
  }
}

Status WalReader::next(WalBatch& out) {
  out.clear();
  while (out.floats.size() + out.histograms.size() < kBatchSamples) {
    if (open_ == nullptr) {
      ASSIGN_OR_RETURN(const bool more, open_here());
      if (!more) return {};
    }
    ASSIGN_OR_RETURN(FrameCursor::Step step, open_->cursor->next());
    if (step == FrameCursor::Step::kBad) {
      const uint64_t bad_at = open_->cursor->offset();
      ASSIGN_OR_RETURN(const bool found, open_->cursor->resync(open_->header.first_position));
      missed_bytes_ += found ? 0 : open_->end - bad_at;
      if (!found) {
        place_.offset = open_->end;
        step = FrameCursor::Step::kEnd;
      } else {
        ASSIGN_OR_RETURN(step, open_->cursor->next());
        missed_bytes_ += open_->cursor->offset() - bad_at;
      }
    }
    if (step == FrameCursor::Step::kEnd) {
      open_.reset();
      continue;
    }
    if (open_->cursor->header().type == FrameType::kSamples) {
      std::string_view payload = open_->cursor->payload();
      uint32_t shard = 0;
      std::string_view part;
      while (!payload.empty() && take_part(payload, shard, part)) {
        Collector collector(out, shard);
        if (!visit_part(part, collector)) break;
      }
    }
    place_.offset = open_->cursor->offset() + open_->cursor->frame_bytes();
  }
  return {};
}

}  // namespace gatehouse::store
