// The catalog's schema, as the numbered steps that lead to it. A step, once
// released, never changes; its number is in PRAGMA user_version.
#pragma once

#include <span>

#include "catalog/sqlite.h"

namespace gatehouse::catalog {

// Step i + 1 leads from schema i to i + 1.
std::span<const char* const> migrations();

// Brings the schema up to date, each step in a transaction of its own, or up to
// `target`. kUnimplemented: the file has a newer schema than this program knows.
Status migrate(Connection& connection, int64_t target);

}  // namespace gatehouse::catalog
