// The console's pages and their assets, out of the program. docs/api.md §8.
#pragma once

#include <span>
#include <string_view>

#include "api/ui/assets.h"
#include "base/task.h"
#include "net/exchange.h"

namespace gatehouse::api {

// Answers GET and HEAD of a page or an asset; 404 and 405 for the rest.
Task<void> serve_page(net::Exchange& exchange);
Task<void> serve_page(net::Exchange& exchange, std::span<const Asset> from);

// Whether `path` is one of the console's pages, all of which are /index.html.
bool is_page(std::string_view path);

}  // namespace gatehouse::api
