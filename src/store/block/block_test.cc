#include "store/block/block.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "base/random.h"
#include "store/block/block_writer.h"
#include "store/block/compactor.h"
#include "store/faulty_disk_test.h"
#include "store/real_disk.h"

namespace gatehouse::store {
namespace {

using model::Labels;
using model::LabelsView;
using model::LabelView;
using model::Matcher;
using model::QueryContext;
using model::SampleColumns;
using model::SeriesOrder;
using model::TimeRangeMs;
using Op = Matcher::Op;

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kBeginMs = 1'700'000'000'000 / kHourMs * kHourMs;

std::vector<LabelView> view(const Labels& labels) {
  std::vector<LabelView> out;
  for (const auto& [name, value] : labels.pairs()) out.push_back({name, value});
  return out;
}

Labels labels_of(LabelsView labels) {
  std::vector<Labels::Pair> pairs;
  for (const LabelView& label : labels) pairs.emplace_back(label.name, label.value);
  return Labels(std::move(pairs));
}

// What a block should hold.
using Content = std::map<Labels, SampleColumns>;

bool same_value(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

void expect_same(const SampleColumns& a, const SampleColumns& b) {
  EXPECT_EQ(a.times_ms, b.times_ms);
  ASSERT_EQ(a.values.size(), b.values.size());
  for (size_t i = 0; i < a.values.size(); ++i) {
    EXPECT_TRUE(same_value(a.values[i], b.values[i])) << i << ": " << a.values[i];
  }
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a.starts_ms.empty() ? 0 : a.starts_ms[i], b.starts_ms.empty() ? 0 : b.starts_ms[i]);
    const auto left = a.histograms.empty() ? nullptr : a.histograms[i];
    const auto right = b.histograms.empty() ? nullptr : b.histograms[i];
    ASSERT_EQ(left == nullptr, right == nullptr);
    if (left != nullptr) {
      EXPECT_EQ(*left, *right);
    }
  }
}

// Two targets with histograms, counters, gauges and one series of native histograms.
Content content(uint64_t seed, int64_t begin_ms, size_t rows) {
  Random random(seed);
  Content out;
  for (const char* instance : {"a:1", "b:1"}) {
    for (const char* method : {"GET", "PUT"}) {
      std::vector<double> totals(5, 0);
      const char* bounds[] = {"0.1", "1", "5", "10", "+Inf"};
      for (size_t row = 0; row < rows; ++row) {
        double below = 0;
        for (size_t b = 0; b < 5; ++b) {
          totals[b] += below += static_cast<double>(random.below(9 - b));
          SampleColumns& columns = out[Labels{{"__name__", "http_seconds_bucket"},
                                              {"instance", instance},
                                              {"le", bounds[b]},
                                              {"method", method}}];
          columns.times_ms.push_back(begin_ms + static_cast<int64_t>(row) * 15000);
          columns.values.push_back(totals[b]);
        }
      }
    }
    SampleColumns& gauge = out[Labels{{"__name__", "load"}, {"instance", instance}}];
    SampleColumns& native = out[Labels{{"__name__", "native"}, {"instance", instance}}];
    for (size_t row = 0; row < rows; ++row) {
      const int64_t time = begin_ms + static_cast<int64_t>(row) * 15000;
      gauge.times_ms.push_back(time + static_cast<int64_t>(random.below(40)));
      gauge.values.push_back(random.below(30) == 0 ? model::kStaleValue : random.uniform());
      gauge.starts_ms.push_back(row > rows / 2 ? begin_ms : 0);
      native.times_ms.push_back(time);
      native.values.push_back(0);
      // Floats for a while, then histograms.
      if (row > rows / 3) {
        model::NativeHistogram h;
        h.whole = true;
        h.schema = 3;
        h.positive_spans = {{0, 2}};
        h.positive_buckets = {static_cast<double>(row), static_cast<double>(2 * row)};
        h.count = static_cast<double>(3 * row);
        h.sum = 0.5 * static_cast<double>(row);
        native.histograms.push_back(std::make_shared<const model::NativeHistogram>(h));
      } else {
        native.histograms.emplace_back();
      }
    }
  }
  return out;
}

class BlockTest : public testing::Test {
 protected:
  Result<BlockMeta> write(const Content& series, const std::string& id) {
    BlockWriter::Options options;
    options.id = id;
    auto writer = BlockWriter::create(disk_, budget_, "d", std::move(options));
    if (!writer.ok()) return writer.status();
    std::vector<std::pair<std::vector<LabelView>, const SampleColumns*>> sorted;
    for (const auto& [labels, columns] : series) sorted.emplace_back(view(labels), &columns);
    std::sort(sorted.begin(), sorted.end(),
              [](const auto& a, const auto& b) { return compare_labels(a.first, b.first) < 0; });
    for (const auto& [labels, columns] : sorted) {
      RETURN_IF_ERROR((*writer)->add(labels, *columns));
    }
    return (*writer)->finish();
  }

  std::shared_ptr<Block> write_and_open(const Content& series) {
    const std::string id = new_block_id(++now_ms_, random_);
    const Result<BlockMeta> meta = write(series, id);
    EXPECT_TRUE(meta.ok()) << meta.status().to_string();
    auto block = Block::open(disk_, "d", id);
    EXPECT_TRUE(block.ok()) << block.status().to_string();
    EXPECT_EQ((*block)->meta(), *meta);
    return *block;
  }

  Content read(const Block& block, std::vector<Matcher> matchers, TimeRangeMs range = {},
               SeriesOrder order = SeriesOrder::kAny) {
    Content out;
    QueryContext context(budget_, INT64_MAX, INT64_MAX);
    const auto set = block.select(matchers, range, order, context);
    EXPECT_TRUE(set.ok()) << set.status().to_string();
    for (size_t i = 0; i < (*set)->size(); ++i) {
      SampleColumns columns;
      const Status status = (*set)->samples(i, columns);
      EXPECT_TRUE(status.ok()) << status.to_string();
      if (!columns.empty()) out[labels_of((*set)->labels(i))] = std::move(columns);
    }
    return out;
  }

  void expect_content(const Block& block, const Content& wanted) {
    const Content found = read(block, {});
    ASSERT_EQ(found.size(), wanted.size());
    for (const auto& [labels, columns] : wanted) {
      SCOPED_TRACE(labels.to_string());
      ASSERT_TRUE(found.contains(labels));
      expect_same(found.at(labels), columns);
    }
  }

  static Matcher matcher(Op op, std::string name, std::string value) {
    return *Matcher::create(op, std::move(name), std::move(value));
  }

  MemoryBudget budget_{int64_t{1} << 30};
  FaultyDisk disk_;
  Random random_{99};
  int64_t now_ms_ = kBeginMs;
};

TEST_F(BlockTest, GivesBackEverySample) {
  const Content wanted = content(1, kBeginMs, 500);
  const auto block = write_and_open(wanted);
  expect_content(*block, wanted);
  EXPECT_EQ(block->meta().series, wanted.size());
  EXPECT_EQ(block->meta().samples, wanted.size() * 500);
  EXPECT_EQ(block->meta().begin_ms, kBeginMs);
  EXPECT_EQ(budget_.used_bytes(), 0);
}

TEST_F(BlockTest, ManyChunksASeries) {
  Content wanted = content(2, kBeginMs, 5000);
  expect_content(*write_and_open(wanted), wanted);
}

TEST_F(BlockTest, ASeriesOfOneSample) {
  Content wanted;
  wanted[Labels{{"__name__", "up"}}] = {{kBeginMs}, {-0.0}, {}, {}};
  expect_content(*write_and_open(wanted), wanted);
}

TEST_F(BlockTest, ReadsTheRangeAlone) {
  const auto block = write_and_open(content(3, kBeginMs, 480));
  const TimeRangeMs range{kBeginMs + kHourMs, kBeginMs + kHourMs + 60'000};
  const Content found =
      read(*block, {matcher(Op::kEqual, "__name__", "http_seconds_bucket")}, range);
  EXPECT_EQ(found.size(), 20u);
  for (const auto& [labels, columns] : found) {
    EXPECT_EQ(columns.times_ms.front(), range.begin_ms);
    EXPECT_EQ(columns.times_ms.back(), range.end_ms);
    EXPECT_EQ(columns.size(), 5u);
  }
  EXPECT_TRUE(read(*block, {}, {0, kBeginMs - 1}).empty());
}

TEST_F(BlockTest, SelectsWhatTheMatchersDo) {
  const Content wanted = content(4, kBeginMs, 10);
  const auto block = write_and_open(wanted);
  const std::vector<std::vector<Matcher>> cases = {
      {matcher(Op::kEqual, "__name__", "load")},
      {matcher(Op::kEqual, "__name__", "none")},
      {matcher(Op::kEqual, "nowhere", "x")},
      {matcher(Op::kEqual, "method", "")},
      {matcher(Op::kNotEqual, "method", "")},
      {matcher(Op::kNotEqual, "method", "GET")},
      {matcher(Op::kRegex, "le", "1|5|7")},
      {matcher(Op::kRegex, "le", "1.*")},
      {matcher(Op::kRegex, "le", ".*")},
      {matcher(Op::kRegex, "le", ".+")},
      {matcher(Op::kNotRegex, "le", ".+")},
      {matcher(Op::kNotRegex, "le", "1.*")},
      {matcher(Op::kNotRegex, "le", "|1")},
      {matcher(Op::kRegex, "le", "|1")},
      {matcher(Op::kNotRegex, "__name__", "http.*")},
      {matcher(Op::kRegex, "__name__", "http_.*"), matcher(Op::kNotEqual, "method", "GET")},
      {matcher(Op::kEqual, "__name__", "http_seconds_bucket"), matcher(Op::kRegex, "le", "0.*"),
       matcher(Op::kEqual, "instance", "a:1")},
      {matcher(Op::kEqual, "instance", "a:1"), matcher(Op::kNotRegex, "le", "[0-9.]+")},
      {matcher(Op::kRegex, "le", "a{0,3}"), matcher(Op::kRegex, "instance", "(a|b):1")},
  };
  for (const std::vector<Matcher>& matchers : cases) {
    std::string text;
    for (const Matcher& each : matchers) text += each.to_string() + " ";
    SCOPED_TRACE(text);
    const Content found = read(*block, matchers);
    const model::Selector selector{matchers};
    size_t expected = 0;
    for (const auto& [labels, columns] : wanted) {
      if (!selector.matches(labels)) continue;
      ++expected;
      EXPECT_TRUE(found.contains(labels)) << labels.to_string();
    }
    EXPECT_EQ(found.size(), expected);
  }
}

TEST_F(BlockTest, OrdersByLabelsWhenAsked) {
  const auto block = write_and_open(content(5, kBeginMs, 4));
  QueryContext context(budget_, INT64_MAX, INT64_MAX);
  const auto set = block->select({}, {}, SeriesOrder::kByLabels, context);
  ASSERT_TRUE(set.ok());
  for (size_t i = 1; i < (*set)->size(); ++i) {
    EXPECT_LT(compare_labels((*set)->labels(i - 1), (*set)->labels(i)), 0);
  }
}

TEST_F(BlockTest, TellsLabelNamesAndValues) {
  const auto block = write_and_open(content(6, kBeginMs, 4));
  QueryContext context(budget_, INT64_MAX, INT64_MAX);
  using Names = std::vector<std::string>;
  using Values = std::vector<std::string_view>;
  const std::vector<Matcher> load{matcher(Op::kEqual, "__name__", "load")};
  EXPECT_EQ(*block->label_names({}, {}, 0, context),
            (Names{"__name__", "instance", "le", "method"}));
  EXPECT_EQ(*block->label_names(load, {}, 0, context), (Names{"__name__", "instance"}));
  EXPECT_EQ(*block->label_values("method", {}, {}, 0, context), (Values{"GET", "PUT"}));
  EXPECT_EQ(*block->label_values("le", {}, {}, 2, context), (Values{"+Inf", "0.1"}));
  EXPECT_EQ(*block->label_values("instance", load, {}, 0, context), (Values{"a:1", "b:1"}));
  EXPECT_EQ(*block->label_values("method", load, {}, 0, context), Values{});
  EXPECT_EQ(*block->label_values("method", {}, {0, 1}, 0, context), Values{});
}

TEST_F(BlockTest, BucketsCostLessSideBySide) {
  Content wanted = content(7, kBeginMs, 480);
  std::erase_if(wanted, [](const auto& series) { return series.first.get("le").empty(); });
  const uint64_t together = write_and_open(wanted)->meta().bytes;
  Content apart;
  for (const auto& [labels, columns] : wanted) {
    // Under a name that is no histogram's.
    apart[labels.with("__name__", "other")] = columns;
  }
  EXPECT_LT(together * 10, write_and_open(apart)->meta().bytes * 9);
}

TEST_F(BlockTest, DeletedSamplesStayDeleted) {
  const Content wanted = content(8, kBeginMs, 200);
  const auto block = write_and_open(wanted);
  const TimeRangeMs range{kBeginMs + 600'000, kBeginMs + 1'200'000};
  const std::vector<Matcher> load{matcher(Op::kEqual, "__name__", "load")};
  const auto concerned = block->delete_samples(load, range);
  ASSERT_TRUE(concerned.ok());
  EXPECT_EQ(*concerned, 2u);
  for (const auto& each : {block, *Block::open(disk_, "d", block->meta().id)}) {
    const Content found = read(*each, load);
    for (const auto& [labels, columns] : found) {
      EXPECT_LT(columns.size(), 200u);
      for (const int64_t time : columns.times_ms) {
        EXPECT_TRUE(time < range.begin_ms || time > range.end_ms);
      }
    }
    EXPECT_EQ(read(*each, {matcher(Op::kEqual, "__name__", "native")}).begin()->second.size(),
              200u);
  }
  const std::vector<std::shared_ptr<Block>> inputs{block};
  EXPECT_EQ(with_tombstones(inputs), std::vector<size_t>{0});
  const auto cleaned =
      compact(disk_, budget_, "d", inputs, new_block_id(++now_ms_, random_), INT64_MIN);
  ASSERT_TRUE(cleaned.ok()) << cleaned.status().to_string();
  EXPECT_TRUE(cleaned->block->tombstones()->empty());
  expect_content(*cleaned->block, read(*block, {}));
}

TEST_F(BlockTest, MergesBlocksAndTheNewerWins) {
  Content first = content(9, kBeginMs, 100);
  Content second = content(10, kBeginMs + 50 * 15000, 100);
  second[Labels{{"__name__", "new"}}] = {{kBeginMs}, {1}, {}, {}};
  const std::vector<std::shared_ptr<Block>> inputs{write_and_open(first), write_and_open(second)};
  const auto merged =
      compact(disk_, budget_, "d", inputs, new_block_id(++now_ms_, random_), INT64_MIN);
  ASSERT_TRUE(merged.ok()) << merged.status().to_string();
  EXPECT_EQ(merged->block->meta().level, 2u);
  EXPECT_EQ(merged->removed.size(), 2u);
  const Content found = read(*merged->block, {});
  EXPECT_EQ(found.size(), second.size());
  for (const auto& [labels, columns] : found) {
    SCOPED_TRACE(labels.to_string());
    std::map<int64_t, double> values;
    for (const Content* part : {&first, &second}) {
      const auto series = part->find(labels);
      if (series == part->end()) continue;
      for (size_t i = 0; i < series->second.size(); ++i) {
        values[series->second.times_ms[i]] = series->second.values[i];
      }
    }
    ASSERT_EQ(columns.size(), values.size());
    size_t i = 0;
    for (const auto& [time, value] : values) {
      EXPECT_EQ(columns.times_ms[i], time);
      EXPECT_TRUE(same_value(columns.values[i++], value));
    }
  }
  // The inputs are named as its parents, and go when the directory is opened.
  auto opened = open_blocks(disk_, "d");
  ASSERT_TRUE(opened.ok());
  ASSERT_EQ(opened->blocks.size(), 1u);
  EXPECT_EQ(opened->blocks[0]->meta().id, merged->block->meta().id);
}

TEST_F(BlockTest, NothingIsLeftOfWhatIsTooOld) {
  const std::vector<std::shared_ptr<Block>> inputs{write_and_open(content(11, kBeginMs, 10))};
  const auto merged =
      compact(disk_, budget_, "d", inputs, new_block_id(++now_ms_, random_), kBeginMs + kHourMs);
  ASSERT_TRUE(merged.ok());
  EXPECT_EQ(merged->block, nullptr);
  EXPECT_EQ(merged->removed.size(), 1u);
}

TEST_F(BlockTest, EveryDamagedByteOfTheIndexIsNoticed) {
  const Content wanted = content(12, kBeginMs, 20);
  const auto block = write_and_open(wanted);
  const std::string id = block->meta().id;
  std::string& bytes = disk_.bytes("d/" + id + ".block");
  size_t unnoticed = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    const auto damaged = Block::open(disk_, "d", id);
    if (damaged.ok()) {
      // Then it is a chunk's, and reading says so.
      QueryContext context(budget_, INT64_MAX, INT64_MAX);
      const auto set = (*damaged)->select({}, {}, SeriesOrder::kAny, context);
      ASSERT_TRUE(set.ok());
      bool noticed = false;
      for (size_t i = 0; i < (*set)->size(); ++i) {
        SampleColumns columns;
        const Status status = (*set)->samples(i, columns);
        if (status.code() == Code::kDataLoss) noticed = true;
      }
      if (!noticed) ++unnoticed;
    } else {
      // Bytes 8 to 12 are the version.
      EXPECT_EQ(damaged.status().code(),
                at >= 8 && at < 12 ? Code::kUnimplemented : Code::kDataLoss);
    }
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
  }
  // The header's unused word says nothing.
  EXPECT_LE(unnoticed, 4u);
}

TEST_F(BlockTest, ADamagedBlockIsSetAsideAndTheRestIsServed) {
  const Content wanted = content(13, kBeginMs, 20);
  const std::string good = write_and_open(wanted)->meta().id;
  const std::string bad = write_and_open(wanted)->meta().id;
  disk_.bytes("d/" + bad + ".block").resize(1000);
  (void)disk_.open("d/" + good + ".block.tmp", model::Disk::Open::kCreate);
  const auto opened = open_blocks(disk_, "d");
  ASSERT_TRUE(opened.ok());
  ASSERT_EQ(opened->blocks.size(), 1u);
  EXPECT_EQ(opened->blocks[0]->meta().id, good);
  ASSERT_EQ(opened->problems.size(), 1u);
  EXPECT_NE(opened->problems[0].find(bad + ".block.damaged"), std::string::npos);
  EXPECT_EQ(*disk_.list("d"), (std::vector<std::string>{good + ".block", bad + ".block.damaged"}));
}

TEST_F(BlockTest, AFullDiskLeavesNoBlock) {
  const Content wanted = content(14, kBeginMs, 100);
  const uint64_t whole = write_and_open(wanted)->meta().bytes;
  for (const uint64_t room : {uint64_t{10}, whole / 2, whole - 1}) {
    disk_.capacity_bytes = disk_.used_bytes() + room;
    const auto meta = write(wanted, new_block_id(++now_ms_, random_));
    EXPECT_EQ(meta.status().code(), Code::kResourceExhausted);
    EXPECT_EQ(disk_.list("d")->size(), 1u);
  }
  disk_.capacity_bytes = UINT64_MAX;
  disk_.fail_syncs = true;
  EXPECT_FALSE(write(wanted, new_block_id(++now_ms_, random_)).ok());
  EXPECT_EQ(disk_.list("d")->size(), 1u);
  EXPECT_EQ(budget_.used_bytes(), 0);
}

TEST_F(BlockTest, APowerCutLeavesAWholeBlockOrNone) {
  const Content wanted = content(15, kBeginMs, 50);
  const std::string id = write_and_open(wanted)->meta().id;
  disk_.lose_power(0);
  const auto opened = open_blocks(disk_, "d");
  ASSERT_TRUE(opened.ok());
  ASSERT_EQ(opened->blocks.size(), 1u);
  expect_content(*opened->blocks[0], wanted);
}

TEST_F(BlockTest, AFullBudgetEndsTheWriting) {
  budget_.set_limit_bytes(4 << 20);
  const auto meta = write(content(16, kBeginMs, 5), new_block_id(++now_ms_, random_));
  EXPECT_EQ(meta.status().code(), Code::kResourceExhausted);
  EXPECT_EQ(budget_.used_bytes(), 0);
}

TEST_F(BlockTest, ASnapshotKeepsWhatWasDeletedLater) {
  const Content wanted = content(17, kBeginMs, 20);
  const std::vector<std::shared_ptr<Block>> blocks{write_and_open(wanted)};
  const std::vector<Matcher> load{matcher(Op::kEqual, "__name__", "load")};
  ASSERT_TRUE(blocks[0]->delete_samples(load, {kBeginMs, kBeginMs + 60'000}).ok());
  const Content before = read(*blocks[0], {});
  ASSERT_TRUE(snapshot_blocks(disk_, blocks, "s").ok());
  ASSERT_TRUE(blocks[0]->delete_samples(load, {}).ok());
  ASSERT_TRUE(remove_block(disk_, "d", blocks[0]->meta().id).ok());
  disk_.lose_power(0);
  const auto snapshot = open_blocks(disk_, "s");
  ASSERT_TRUE(snapshot.ok());
  ASSERT_EQ(snapshot->blocks.size(), 1u);
  expect_content(*snapshot->blocks[0], before);
}

TEST(BlockOnDisk, IsMappedAndLinked) {
  const std::string directory = "/tmp/gatehouse-block-" + std::to_string(::getpid());
  model::Disk& disk = real_disk();
  ASSERT_TRUE(disk.make_directory(directory + "/blocks").ok());
  MemoryBudget budget(int64_t{1} << 30);
  Random random(3);
  BlockWriter::Options options;
  options.id = new_block_id(kBeginMs, random);
  auto writer = BlockWriter::create(disk, budget, directory + "/blocks", options);
  ASSERT_TRUE(writer.ok());
  const std::vector<LabelView> labels{{"__name__", "up"}};
  ASSERT_TRUE((*writer)->add(labels, {{1, 2, 3}, {1, 1, 0}, {}, {}}).ok());
  ASSERT_TRUE((*writer)->finish().ok());
  auto block = Block::open(disk, directory + "/blocks", options.id);
  ASSERT_TRUE(block.ok()) << block.status().to_string();
  const std::vector<std::shared_ptr<Block>> blocks{*block};
  ASSERT_TRUE(snapshot_blocks(disk, blocks, directory + "/snapshot").ok());
  struct stat found {};
  ASSERT_EQ(::stat((directory + "/snapshot/" + options.id + ".block").c_str(), &found), 0);
  EXPECT_EQ(found.st_nlink, 2u);
  ASSERT_TRUE(remove_block(disk, directory + "/blocks", options.id).ok());
  // What is mapped stays readable.
  SampleColumns columns;
  ASSERT_TRUE((*block)->samples(0, {}, columns).ok());
  EXPECT_EQ(columns.values, (std::vector<double>{1, 1, 0}));
  ASSERT_TRUE(remove_block(disk, directory + "/snapshot", options.id).ok());
  for (const char* part : {"/blocks", "/snapshot", ""}) ::rmdir((directory + part).c_str());
}

}  // namespace
}  // namespace gatehouse::store
