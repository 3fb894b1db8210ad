#include "mock-upstream/http.h"

#include <algorithm>
#include <charconv>

namespace mock {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
    text.remove_suffix(1);
  return text;
}

// A head longer than this is no test's; it bounds what a broken client can make us hold.
constexpr size_t kHeadMax = 1u << 20;

}  // namespace

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view Request::header(std::string_view name) const {
  for (const Header& header : headers) {
    if (same_text(header.name, name)) return header.value;
  }
  return {};
}

void RequestReader::keep(Request& request, std::string_view bytes) {
  request.body_bytes += bytes.size();
  if (request.body.size() < kBodyKept) {
    request.body.append(bytes.substr(0, kBodyKept - request.body.size()));
  }
}

RequestReader::Step RequestReader::read(std::string_view& data, Request& request) {
  switch (phase_) {
    case Phase::kHead: return read_head(data, request);
    case Phase::kLength: {
      const size_t take = std::min<uint64_t>(left_, data.size());
      keep(request, data.substr(0, take));
      data.remove_prefix(take);
      left_ -= take;
      if (left_ > 0) return Step::kNeedMore;
      phase_ = Phase::kHead;
      return Step::kDone;
    }
    default: return read_chunked(data, request);
  }
}

RequestReader::Step RequestReader::read_head(std::string_view& data, Request& request) {
  if (partial_.empty()) {
    while (!data.empty() && (data.front() == '\r' || data.front() == '\n')) data.remove_prefix(1);
  }
  const size_t before = partial_.size();
  if (before == 0) {
    const size_t end = data.find("\r\n\r\n");
    if (end == std::string_view::npos) {
      partial_ = data;
      data = {};
      return Step::kNeedMore;
    }
    request.head.assign(data.substr(0, end + 2));
    data.remove_prefix(end + 4);
  } else {
    partial_.append(data);
    const size_t end = partial_.find("\r\n\r\n", before > 3 ? before - 3 : 0);
    if (end == std::string::npos) {
      data = {};
      return partial_.size() > kHeadMax ? Step::kBad : Step::kNeedMore;
    }
    data.remove_prefix(end + 4 - before);
    partial_.resize(end + 2);
    request.head.swap(partial_);
    partial_.clear();
  }
  return parse_head(request) ? Step::kHeadDone : Step::kBad;
}

bool RequestReader::parse_head(Request& request) {
  request.headers.clear();
  request.body.clear();
  request.body_bytes = 0;
  request.expects_continue = request.has_mock_headers = false;
  left_ = 0;
  phase_ = Phase::kLength;

  std::string_view head = request.head;
  size_t line_end = head.find("\r\n");
  std::string_view line = head.substr(0, line_end);
  const size_t first = line.find(' ');
  const size_t second = line.rfind(' ');
  if (first == std::string_view::npos || second <= first) return false;
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, second - first - 1);
  request.close = line.substr(second + 1) == "HTTP/1.0";

  for (size_t pos = line_end + 2; pos < head.size(); pos = line_end + 2) {
    line_end = head.find("\r\n", pos);
    line = head.substr(pos, line_end - pos);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return false;
    const Header header{line.substr(0, colon), trim(line.substr(colon + 1))};
    request.headers.push_back(header);
    switch (header.name.size()) {
      case 6:
        if (same_text(header.name, "expect")) request.expects_continue = true;
        break;
      case 10:
        if (same_text(header.name, "connection") && same_text(header.value, "close"))
          request.close = true;
        break;
      case 14:
        if (same_text(header.name, "content-length")) {
          const auto end = header.value.data() + header.value.size();
          if (std::from_chars(header.value.data(), end, left_).ptr != end) return false;
        }
        break;
      case 17:
        if (same_text(header.name, "transfer-encoding")) phase_ = Phase::kChunkSize;
        break;
      default: break;
    }
    if (header.name.size() > 7 && same_text(header.name.substr(0, 7), "x-mock-"))
      request.has_mock_headers = true;
  }
  return true;
}

bool RequestReader::read_line(std::string_view& data, std::string& line) {
  const size_t end = data.find('\n');
  if (end == std::string_view::npos) {
    partial_.append(data);
    data = {};
    return false;
  }
  line = partial_ + std::string(data.substr(0, end));
  partial_.clear();
  data.remove_prefix(end + 1);
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return true;
}

RequestReader::Step RequestReader::read_chunked(std::string_view& data, Request& request) {
  std::string line;
  while (!data.empty()) {
    if (phase_ == Phase::kChunk) {
      const size_t take = std::min<uint64_t>(left_, data.size());
      keep(request, data.substr(0, take));
      data.remove_prefix(take);
      left_ -= take;
      if (left_ == 0) phase_ = Phase::kChunkEnd;
      continue;
    }
    if (!read_line(data, line)) return Step::kNeedMore;
    if (phase_ == Phase::kChunkEnd) {
      phase_ = Phase::kChunkSize;
    } else if (phase_ == Phase::kChunkSize) {
      if (std::from_chars(line.data(), line.data() + line.size(), left_, 16).ec != std::errc())
        return Step::kBad;
      phase_ = left_ == 0 ? Phase::kTrailer : Phase::kChunk;
    } else if (line.empty()) {
      phase_ = Phase::kHead;
      return Step::kDone;
    }
  }
  return Step::kNeedMore;
}

std::string_view status_text(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 500: return "Internal Server Error";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 529: return "Overloaded";
    default: return "Status";
  }
}

}  // namespace mock
