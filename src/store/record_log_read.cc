// Reading a RecordLog: which segments and chunks can hold what is asked for, and
// those alone. Nothing is locked while records are visited.
#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "base/text.h"
#include "store/record_log.h"

namespace gatehouse::store {
namespace {

// How far a record's time may lie from its id's: a call is recorded when it ends.
constexpr int64_t kIdBeforeNs = 60LL * 1'000'000'000;
constexpr int64_t kIdAfterNs = 3600LL * 1'000'000'000;

// The Unix time in a UUIDv7, with or without dashes; none: it is not one.
std::optional<int64_t> uuid7_time_ns(std::string_view id) {
  std::string digits;
  for (const char c : id) {
    if (c != '-') digits.push_back(ascii_lower(c));
  }
  if (digits.size() != 32 || digits[12] != '7' ||
      digits.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return std::nullopt;
  }
  int64_t ms = 0;
  for (size_t i = 0; i < 12; ++i) {
    const char c = digits[i];
    ms = ms * 16 + (c <= '9' ? c - '0' : c - 'a' + 10);
  }
  if (ms > INT64_MAX / 1'000'000) return std::nullopt;
  return ms * 1'000'000;
}

}  // namespace

// A segment as it was at one moment.
struct RecordLog::View {
  SegmentPtr segment;
  bool sealed = false;                // the segment is constant: read from it, unlocked
  std::shared_ptr<model::File> file;  // null: opened when it is read
  std::vector<Chunk> chunks;
  uint64_t end = 0;
  Position last_position = 0;
  int64_t min_ns = 0;
  int64_t max_ns = 0;
  std::vector<uint64_t> stream_batches;
  IdTables tables;
};

struct RecordLog::Query {
  const model::Selector& selector;
  model::TimeRange range;
  model::Order order;
  Position after;
  std::string_view needle;  // a frame without these bytes is passed over; empty: none
  const Visit& visit;
};

std::vector<RecordLog::View> RecordLog::views() const {
  std::vector<View> out;
  std::lock_guard lock(mutex_);
  for (const SegmentPtr& segment : segments_) {
    const SegmentIndex& index = segment->index;
    View view{segment,
              segment->sealed,
              segment->file,
              {},
              index.end,
              index.last_position,
              index.min_ns,
              index.max_ns,
              {},
              {}};
    if (!segment->sealed) {
      // Still changing: take a copy.
      view.chunks = index.chunks;
      view.stream_batches = index.stream_batches;
      view.tables = dictionary_.tables(segment->names_defined, segment->streams_defined);
    }
    out.push_back(std::move(view));
  }
  return out;
}

void RecordLog::suspect(const View& view, std::string_view why) const {
  std::lock_guard lock(mutex_);
  if (view.segment->suspect) return;
  view.segment->suspect = true;
  wake_upkeep_ = true;
  wake_.notify_one();
  log_error("record log: damage in a segment; what is whole is served",
            {{"file", path(view.segment->name)}, {"error", why}});
}

Status RecordLog::scan_chunk(const View& view, const Query& query, const model::File& file,
                             size_t chunk, bool& go_on) const {
  const std::vector<Chunk>& chunks = view.chunks;
  const uint64_t end = chunk + 1 < chunks.size() ? chunks[chunk + 1].offset : view.end;
  std::vector<char> selected;
  for (const model::Labels* labels : view.tables.streams) {
    const bool matches = labels != nullptr && query.selector.matches(*labels);
    selected.push_back(static_cast<char>(matches));
  }
  FrameCursor cursor(file, view.segment->header.salt, chunks[chunk].offset, end);
  DecodedBatch decoded;
  // Backwards needs the frames' places first, as a frame does not say where the one
  // before it starts.
  std::vector<std::pair<uint64_t, uint64_t>> places;
  const auto visit_frame = [&](FrameCursor& at) {
    if (at.header().type != FrameType::kBatch) return;
    if (!query.needle.empty() && memmem(at.payload().data(), at.payload().size(),
                                        query.needle.data(), query.needle.size()) == nullptr) {
      return;
    }
    if (const Status status = decode_batch(at.payload(), view.tables, decoded); !status.ok()) {
      suspect(view, status.message());
      return;
    }
    go_on = visit_batch(decoded, view.tables, at.header().position, selected, query.range,
                        query.order, query.after, query.visit);
  };
  while (go_on) {
    ASSIGN_OR_RETURN(const FrameCursor::Step step, cursor.next());
    if (step == FrameCursor::Step::kEnd) break;
    if (step == FrameCursor::Step::kBad) {
      suspect(view, "a frame's checksum does not match");
      ASSIGN_OR_RETURN(const bool found, cursor.resync(chunks[chunk].first_position));
      if (!found) break;
      continue;
    }
    if (query.order == model::Order::kOldestFirst) {
      visit_frame(cursor);
    } else {
      places.emplace_back(cursor.offset(), cursor.frame_bytes());
    }
  }
  for (size_t i = places.size(); i-- > 0 && go_on;) {
    FrameCursor one(file, view.segment->header.salt, places[i].first,
                    places[i].first + places[i].second);
    ASSIGN_OR_RETURN(const FrameCursor::Step step, one.next());
    if (step == FrameCursor::Step::kFrame) visit_frame(one);
  }
  return {};
}

// A repair may have put another file in the segment's place since the view was
// taken; the one that the view describes is then the one set aside.
Result<std::unique_ptr<model::File>> RecordLog::open_sealed(const View& view) const {
  const std::string name = path(view.segment->name);
  Result<std::unique_ptr<model::File>> file = options_.disk->open(name, model::Disk::Open::kRead);
  if (file.ok()) {
    ASSIGN_OR_RETURN(const uint64_t size, (*file)->size());
    if (size == view.segment->bytes) return file;
  } else if (file.status().code() != Code::kNotFound) {
    return file;
  }
  return options_.disk->open(name + ".damaged", model::Disk::Open::kRead);
}

Status RecordLog::scan_view(const View& view, const Query& query, bool& go_on) const {
  if (view.last_position == 0 || view.last_position <= query.after ||
      view.max_ns < query.range.begin_ns || view.min_ns >= query.range.end_ns) {
    return {};
  }
  bool wanted = query.selector.matchers.empty();
  for (size_t i = 0; i < view.stream_batches.size() && !wanted; ++i) {
    wanted = view.stream_batches[i] > 0 && view.tables.streams[i] != nullptr &&
             query.selector.matches(*view.tables.streams[i]);
  }
  if (!wanted) return {};
  std::shared_ptr<model::File> file = view.file;
  if (file == nullptr) {
    Result<std::unique_ptr<model::File>> opened = open_sealed(view);
    if (!opened.ok() && opened.status().code() == Code::kNotFound) return {};  // retired meanwhile
    if (!opened.ok()) return opened.status();
    file = std::move(*opened);
  }
  const size_t count = view.chunks.size();
  for (size_t n = 0; n < count && go_on; ++n) {
    const size_t i = query.order == model::Order::kOldestFirst ? n : count - 1 - n;
    const Chunk& chunk = view.chunks[i];
    if (chunk.max_ns < query.range.begin_ns || chunk.min_ns >= query.range.end_ns) continue;
    if (i + 1 < count && view.chunks[i + 1].first_position <= query.after) continue;
    RETURN_IF_ERROR(scan_chunk(view, query, *file, i, go_on));
  }
  return {};
}

Status RecordLog::scan(const Query& query) const {
  std::vector<View> all = views();
  if (query.order == model::Order::kNewestFirst) std::reverse(all.begin(), all.end());
  bool go_on = true;
  for (View& view : all) {
    if (!go_on) break;
    if (view.sealed) {
      view.chunks = view.segment->index.chunks;
      view.stream_batches = view.segment->index.stream_batches;
      view.tables = tables_of(view.segment->index);
    }
    RETURN_IF_ERROR(scan_view(view, query, go_on).with_context("record log"));
    view = View{};  // what is read is let go before the next one
  }
  return {};
}

Status RecordLog::read(const model::Selector& selector, model::TimeRange range, model::Order order,
                       const Visit& visit) const {
  return scan({selector, range, order, 0, {}, visit});
}

Status RecordLog::read_after(Position position, const Visit& visit) const {
  return scan({{}, {}, model::Order::kOldestFirst, position, {}, visit});
}

Result<RecordLog::Found> RecordLog::find_one(std::string_view attribute, std::string_view value,
                                             model::TimeRange range) const {
  std::optional<Found> found;
  const Visit visit = [&](const model::Labels& labels, const model::Record& record,
                          Position position) {
    const model::Value* has = record.find(attribute);
    const auto* text = has != nullptr ? std::get_if<std::string_view>(has) : nullptr;
    if (text == nullptr || *text != value) return true;
    found.emplace(Found{labels, model::OwnedRecord(record), position});
    return false;
  };
  const model::Selector all;
  if (const auto made_ns = uuid7_time_ns(value)) {
    const model::TimeRange around{
        std::max(range.begin_ns, *made_ns - kIdBeforeNs),
        std::min(range.end_ns,
                 *made_ns > INT64_MAX - kIdAfterNs ? INT64_MAX : *made_ns + kIdAfterNs)};
    RETURN_IF_ERROR(scan({all, around, model::Order::kNewestFirst, 0, value, visit}));
    if (found) return std::move(*found);
  }
  RETURN_IF_ERROR(scan({all, range, model::Order::kNewestFirst, 0, value, visit}));
  if (found) return std::move(*found);
  return not_found("no record has " + std::string(attribute) + " " + std::string(value));
}

}  // namespace gatehouse::store
