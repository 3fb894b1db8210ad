#include "loadgen/reply_reader.h"

#include <strings.h>

#include <algorithm>
#include <charconv>

namespace loadgen {
namespace {

constexpr std::string_view kEventStart = "data:";
constexpr size_t kNoMatch = 99;  // this line does not begin an event

bool same_text(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

void ReplyReader::restart() {
  phase_ = Phase::kHead;
  partial_.clear();
  left_ = 0;
  status_ = 0;
  keeps_alive_ = true;
  body_bytes_ = events_ = 0;
  matched_ = 0;
}

void ReplyReader::take_body(std::string_view bytes) {
  body_bytes_ += bytes.size();
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (matched_ == kNoMatch) {  // to the next line
      i = bytes.find('\n', i);
      if (i == std::string_view::npos) return;
      matched_ = 0;
    } else if (bytes[i] == '\n') {
      matched_ = 0;
    } else if (bytes[i] != kEventStart[matched_]) {
      matched_ = kNoMatch;
    } else if (++matched_ == kEventStart.size()) {
      ++events_;
      matched_ = kNoMatch;
    }
  }
}

bool ReplyReader::parse_head(std::string_view head) {
  if (head.size() < 12 || !head.starts_with("HTTP/1.")) return false;
  std::from_chars(head.data() + 9, head.data() + 12, status_);
  phase_ = status_ == 204 || status_ == 304 ? Phase::kDone : Phase::kUntilClose;
  bool chunked = false;
  for (size_t pos = head.find("\r\n") + 2; pos < head.size();) {
    const size_t end = std::min(head.find("\r\n", pos), head.size());
    const std::string_view line = head.substr(pos, end - pos);
    pos = end + 2;
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, colon);
    std::string_view value = line.substr(colon + 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    if (same_text(name, "content-length") && phase_ == Phase::kUntilClose) {
      std::from_chars(value.data(), value.data() + value.size(), left_);
      phase_ = left_ == 0 ? Phase::kDone : Phase::kLength;
    } else if (same_text(name, "transfer-encoding")) {
      chunked = true;
    } else if (same_text(name, "connection") && same_text(value, "close")) {
      keeps_alive_ = false;
    }
  }
  if (chunked) phase_ = Phase::kChunkSize;
  if (status_ == 100) restart();
  return true;
}

bool ReplyReader::read_line(std::string_view& data, std::string_view& line) {
  const size_t end = data.find('\n');
  if (end == std::string_view::npos) {
    partial_ += data;
    data = {};
    return false;
  }
  if (partial_.empty()) {
    line = data.substr(0, end);
  } else {
    line_.swap(partial_);
    line_ += data.substr(0, end);
    partial_.clear();
    line = line_;
  }
  data.remove_prefix(end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

ReplyReader::Step ReplyReader::read(std::string_view data) {
  std::string_view line;
  while (!data.empty()) {
    switch (phase_) {
      case Phase::kHead: {
        size_t end = std::string_view::npos;
        if (partial_.empty() && (end = data.find("\r\n\r\n")) != std::string_view::npos) {
          const std::string_view head = data.substr(0, end);
          data.remove_prefix(end + 4);
          if (!parse_head(head)) return Step::kBad;
        } else {
          const size_t before = partial_.size();
          partial_ += data;
          end = partial_.find("\r\n\r\n");
          if (end == std::string::npos) return Step::kNeedMore;
          data.remove_prefix(end + 4 - before);
          line_.assign(partial_, 0, end);
          partial_.clear();
          if (!parse_head(line_)) return Step::kBad;
        }
        break;
      }
      case Phase::kLength:
      case Phase::kChunk: {
        const size_t take = std::min<uint64_t>(left_, data.size());
        take_body(data.substr(0, take));
        data.remove_prefix(take);
        left_ -= take;
        if (left_ == 0) phase_ = phase_ == Phase::kLength ? Phase::kDone : Phase::kChunkEnd;
        break;
      }
      case Phase::kUntilClose: take_body(data); return Step::kNeedMore;
      case Phase::kChunkEnd:
        if (!read_line(data, line)) return Step::kNeedMore;
        phase_ = Phase::kChunkSize;
        break;
      case Phase::kChunkSize:
        if (!read_line(data, line)) return Step::kNeedMore;
        if (std::from_chars(line.data(), line.data() + line.size(), left_, 16).ec != std::errc())
          return Step::kBad;
        phase_ = left_ == 0 ? Phase::kTrailer : Phase::kChunk;
        break;
      case Phase::kTrailer:
        if (!read_line(data, line)) return Step::kNeedMore;
        if (line.empty()) phase_ = Phase::kDone;
        break;
      case Phase::kDone: return Step::kBad;
    }
  }
  return phase_ == Phase::kDone ? Step::kDone : Step::kNeedMore;
}

}  // namespace loadgen
