#include "export/position_file.h"

#include "base/bytes.h"
#include "base/text.h"
#include "net/url.h"

namespace gatehouse::exporting {
namespace {

constexpr std::string_view kMagic = "gatehouse-position 1 ";
// Two numbers and a checksum have less.
constexpr size_t kFileBytesMax = 128;

std::string checksum(std::string_view text) {
  std::string bytes;
  put_le(bytes, crc32c(text));
  return hex_encode(bytes);
}

}  // namespace

PositionFile::PositionFile(model::Disk& disk, std::string directory, std::string_view name)
    : disk_(disk),
      directory_(std::move(directory)),
      path_(directory_ + "/" + net::percent_encode(name) + ".position") {}

Result<std::optional<store::WalPlace>> PositionFile::load() const {
  const Result<std::unique_ptr<model::File>> file = disk_.open(path_, model::Disk::Open::kRead);
  if (!file.ok()) {
    if (file.status().code() == Code::kNotFound) return std::optional<store::WalPlace>();
    return file.status().with_context(path_);
  }
  char bytes[kFileBytesMax];
  ASSIGN_OR_RETURN(const size_t size, (*file)->read_at(0, bytes, sizeof bytes));
  std::string_view text = trim({bytes, size});
  while (text.ends_with('\n')) text.remove_suffix(1);
  const Status damaged = data_loss(path_ + " is damaged");
  const size_t last = text.rfind(' ');
  if (last == std::string_view::npos || !text.starts_with(kMagic) ||
      text.substr(last + 1) != checksum(text.substr(0, last))) {
    return damaged;
  }
  const auto fields = split(text.substr(kMagic.size(), last - kMagic.size()), ' ');
  if (fields.size() != 2) return damaged;
  const auto segment = parse_uint(fields[0]);
  const auto offset = parse_uint(fields[1]);
  if (!segment || *segment > UINT32_MAX || !offset) return damaged;
  return std::optional(store::WalPlace{static_cast<uint32_t>(*segment), *offset});
}

Status PositionFile::save(store::WalPlace place) {
  std::string text(kMagic);
  text += std::to_string(place.segment) + " " + std::to_string(place.offset);
  text += " " + checksum(text) + "\n";
  const std::string next = path_ + ".tmp";
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<model::File> file,
                     disk_.open(next, model::Disk::Open::kCreate));
    RETURN_IF_ERROR(file->write_at(0, text));
    RETURN_IF_ERROR(file->sync());
  }
  RETURN_IF_ERROR(disk_.rename(next, path_));
  return disk_.sync_directory(directory_);
}

Status PositionFile::remove() {
  const Status removed = disk_.remove(path_);
  if (removed.code() == Code::kNotFound) return {};
  RETURN_IF_ERROR(removed);
  return disk_.sync_directory(directory_);
}

}  // namespace gatehouse::exporting
