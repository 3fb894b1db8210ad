// Arbitrary bytes as a segment of the samples' log, or as a snapshot: loading them
// into a head must not crash, read past them, or take memory out of proportion. The
// input is taken as it is, and then again behind a valid header with its frames'
// checksums made right, as otherwise nearly no input would reach past them. What was
// loaded is then read, changed and written out as a snapshot would be.
#include <cstring>
#include <string>

#include "base/bytes.h"
#include "base/log.h"
#include "fuzz.h"
#include "store/head/recovery.h"
#include "store/segment.h"

namespace {

using namespace gatehouse;
using namespace gatehouse::store;

class Bytes : public model::File {
 public:
  explicit Bytes(std::string bytes) : bytes_(std::move(bytes)) {}
  Result<size_t> read_at(uint64_t offset, char* out, size_t size) const override {
    if (offset >= bytes_.size()) return size_t{0};
    const size_t got = std::min<size_t>(size, bytes_.size() - offset);
    std::memcpy(out, bytes_.data() + offset, got);
    return got;
  }
  Status write_at(uint64_t, std::string_view) override { return internal_error("read only"); }
  Status sync() override { return {}; }
  Status truncate(uint64_t) override { return {}; }
  Result<uint64_t> size() const override { return uint64_t{bytes_.size()}; }

 private:
  std::string bytes_;
};

void load(std::string bytes) {
  MemoryBudget budget(int64_t{1} << 30);
  Head head(budget, model::system_clock(), {});
  HeadLoader loader(head, 1);
  const Bytes file(std::move(bytes));
  if (!loader.load(file, nullptr).ok()) return;
  model::QueryContext context(budget, INT64_MAX, INT64_MAX);
  auto set = head.select({}, {}, model::SeriesOrder::kByLabels, context, nullptr);
  fuzz::require(set.ok(), "what was loaded can be selected");
  model::SampleColumns columns;
  for (size_t i = 0; i < (*set)->size(); ++i) {
    // A chunk may be damaged; its times ascend where it is not.
    if (!(*set)->samples(i, columns).ok()) continue;
    fuzz::require(columns.values.size() == columns.times_ms.size(), "columns are as long");
  }
  (void)head.cardinality(3);
  (void)head.label_names({}, {}, context);
}

// The input's frames, with lengths and checksums as they must be.
std::string corrected(std::string_view input, bool snapshot) {
  WalHeader header;
  header.snapshot = snapshot;
  header.salt = 7;
  std::string out = encode(header);
  Position position = 1;
  while (input.size() >= 3) {
    const auto type = static_cast<uint8_t>(input[0] % 12);
    const size_t size = std::min<size_t>(
        input.size() - 3, static_cast<uint8_t>(input[1]) | static_cast<size_t>(input[2] & 15) << 8);
    std::string frame(kFrameHeaderBytes, '\0');
    frame.append(input.substr(3, size));
    finish_frame(frame, crc32c(input.substr(3, size)), position++,
                 static_cast<FrameType>(type == 0 ? 4 : type), header.salt);
    out += frame;
    input.remove_prefix(3 + size);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  set_log_severity(Severity::kError);
  const std::string_view input = fuzz::text_of(data, size);
  load(std::string(input));
  load(corrected(input, false));
  load(corrected(input, true));
  return 0;
}
