// The console's pages as bytes in the program. The table is written by
// ui/build.mjs at build time; docs/api.md §8 says how to serve it.
#pragma once

#include <span>
#include <string_view>

namespace gatehouse::api {

struct Asset {
  std::string_view path;          // starts with '/': "/index.html", "/assets/app-3F2A.js"
  std::string_view content_type;  // with its charset
  std::string_view etag;          // quoted, as the header carries it
  std::string_view gzip_bytes;    // the only form that is held; inflate for a client without gzip
  bool immutable;                 // the name holds a hash of the content
};

// Sorted by path; lives as long as the program.
std::span<const Asset> assets();

}  // namespace gatehouse::api
