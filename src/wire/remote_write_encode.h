// The writing side of remote write (remote_write.h says what is read).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/series.h"
#include "wire/protobuf.h"
#include "wire/remote_write.h"

namespace gatehouse::wire {

// Appends the message to `out` (not compressed). Everything of `metadata` follows
// the series. Series' own metadata is not written: version 1 has no place for it.
void encode_remote_write_v1(std::span<const model::SeriesAppend> series,
                            std::span<const FamilyMetadata> metadata, std::string& out);

// Version 2. The table of symbols is kept from call to call, its memory alone.
class RemoteWriteV2Encoder {
 public:
  void encode(std::span<const model::SeriesAppend> series, std::string& out);

 private:
  uint32_t symbol(std::string_view text);
  void write_series(ProtoWriter& writer, const model::SeriesAppend& series);

  std::unordered_map<std::string_view, uint32_t> index_;
  std::vector<std::string_view> symbols_;
  std::string body_;
};

}  // namespace gatehouse::wire
