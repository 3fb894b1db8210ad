// How far a destination has come in the store's log, kept across restarts: a small
// file "<name>.position" of one line, replaced as a whole.
//
//   gatehouse-position 1 <segment> <offset> <CRC-32C of what is before, in hexadecimal>
#pragma once

#include <optional>
#include <string>

#include "model/disk.h"
#include "store/wal/wal.h"

namespace gatehouse::exporting {

class PositionFile {
 public:
  // `name` may be any text: what a file's name cannot have is escaped.
  PositionFile(model::Disk& disk, std::string directory, std::string_view name);

  // None: nothing was ever saved. kDataLoss: the file is damaged.
  Result<std::optional<store::WalPlace>> load() const;
  // When it returns ok, the place survives a loss of power.
  Status save(store::WalPlace place);
  Status remove();
  const std::string& path() const { return path_; }

 private:
  model::Disk& disk_;
  const std::string directory_;
  const std::string path_;
};

}  // namespace gatehouse::exporting
