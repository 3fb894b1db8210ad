#include "model/disk.h"

#include <algorithm>

namespace gatehouse::model {
namespace {

class Copy : public Mapping {
 public:
  explicit Copy(std::string bytes) : bytes_(std::move(bytes)) {}
  std::string_view bytes() const override { return bytes_; }

 private:
  std::string bytes_;
};

}  // namespace

Result<std::unique_ptr<Mapping>> Disk::map(const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, open(path, Open::kRead));
  ASSIGN_OR_RETURN(const uint64_t size, file->size());
  std::string bytes(size, '\0');
  ASSIGN_OR_RETURN(const size_t got, file->read_at(0, bytes.data(), bytes.size()));
  bytes.resize(got);
  return std::unique_ptr<Mapping>(std::make_unique<Copy>(std::move(bytes)));
}

Status Disk::link(const std::string& from, const std::string& to) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> source, open(from, Open::kRead));
  ASSIGN_OR_RETURN(const std::unique_ptr<File> copy, open(to, Open::kCreate));
  ASSIGN_OR_RETURN(const uint64_t size, source->size());
  std::string piece(std::min<uint64_t>(size, uint64_t{1} << 20), '\0');
  for (uint64_t at = 0; at < size;) {
    ASSIGN_OR_RETURN(const size_t got, source->read_at(at, piece.data(), piece.size()));
    if (got == 0) break;
    RETURN_IF_ERROR(copy->write_at(at, std::string_view(piece).substr(0, got)));
    at += got;
  }
  return copy->sync();
}

}  // namespace gatehouse::model
