// The grammar is that of Prometheus's own lexers (model/textparse: promlex.l,
// openmetricslex.l): blanks are spaces and tabs, a sample is
//   [name] [ "{" [ "name" , ] label="value" , ... "}" ] value [ time ] [ # exemplar ]
//
// A sample whose start may still be told waits in a group: the samples of one
// family with the same labels (`le` and `quantile` aside), which follow each other.
#include "wire/exposition_text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "wire/float_text.h"

namespace gatehouse::wire {

namespace {

using model::LabelView;
using model::SampleType;

// OpenMetrics lets an exemplar's labels have 128 characters together.
constexpr size_t kExemplarBytesMax = 512;
// A group of samples is a histogram at most; none has more buckets than this.
constexpr size_t kGroupMax = 4096;

constexpr std::array<bool, 256> kNameByte = [] {
  std::array<bool, 256> table{};
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<size_t>(c)] = true;
  for (int c = '0'; c <= '9'; ++c) table[static_cast<size_t>(c)] = true;
  table['_'] = table[':'] = true;
  return table;
}();

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class TextParser {
 public:
  TextParser(ExpositionDialect dialect, std::string_view text, const ScrapeOptions& options,
             MetricSink& sink)
      : open_(dialect == ExpositionDialect::kOpenMetrics),
        options_(options),
        sink_(sink),
        text_(text),
        at_(text.data()),
        end_(text.data() + text.size()),
        line_begin_(text.data()) {}

  Status run() {
    while (at_ != end_ && !ended_ && wrong_.empty() && !stopped_) {
      line_begin_ = at_;
      line();
    }
    if (wrong_.empty() && open_ && !ended_ && !stopped_) fail("the text ends without # EOF");
    if (wrong_.empty() && ended_ && at_ != end_) fail("something follows # EOF");
    if (wrong_.empty()) flush();
    if (wrong_.empty()) tell_metadata();
    if (stopped_) return {Code::kCancelled, "stopped by the reader"};
    if (wrong_.empty()) return {};
    const auto lines = std::count(text_.data(), line_begin_, '\n');
    return invalid_argument("line " + std::to_string(lines + 1) + ": " + wrong_);
  }

 private:
  struct Waiting {
    ScrapedSample sample;
    size_t labels_begin;
    size_t labels_end;
    bool exemplar;
  };

  bool fail(std::string_view why) {
    if (wrong_.empty()) wrong_ = why;
    return false;
  }

  bool at_end_of_line() const { return at_ == end_ || *at_ == '\n'; }
  void blanks() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\t')) ++at_;
  }
  bool take(char c) {
    if (at_ == end_ || *at_ != c) return false;
    ++at_;
    return true;
  }
  bool end_line() {
    blanks();
    if (!open_ && at_ != end_ && *at_ == '\r') ++at_;
    if (!at_end_of_line()) return fail("more than a sample has");
    if (at_ != end_) ++at_;
    return true;
  }
  std::string_view rest_of_line() {
    const char* begin = at_;
    const void* found = std::memchr(at_, '\n', static_cast<size_t>(end_ - at_));
    const char* stop = found == nullptr ? end_ : static_cast<const char*>(found);
    at_ = stop == end_ ? end_ : stop + 1;
    return {begin, static_cast<size_t>(stop - begin)};
  }
  std::string_view name() {
    const char* begin = at_;
    if (at_ != end_ && is_digit(*at_)) return {};
    while (at_ != end_ && kNameByte[static_cast<unsigned char>(*at_)]) ++at_;
    return {begin, static_cast<size_t>(at_ - begin)};
  }

  void line() {
    blanks();
    if (at_end_of_line()) {
      if (open_) fail("an empty line");
      if (at_ != end_) ++at_;
      return;
    }
    if (*at_ == '\r' && !open_ && (at_ + 1 == end_ || at_[1] == '\n')) {
      ++at_;
      return;
    }
    if (*at_ == '#') {
      ++at_;
      comment();
    } else {
      sample();
    }
  }

  void comment() {
    blanks();
    const std::string_view keyword = name();
    if (keyword == "EOF" && open_) {
      ended_ = end_line();
      return;
    }
    const bool help = keyword == "HELP";
    const bool type = keyword == "TYPE";
    const bool unit = keyword == "UNIT" && open_;
    if (!help && !type && !unit) {
      rest_of_line();
      return;
    }
    blanks();
    std::string_view family;
    if (at_ != end_ && *at_ == '"') {
      ++at_;
      if (!quoted(family)) return;
    } else {
      family = name();
    }
    if (family.empty() || (!at_end_of_line() && *at_ != ' ' && *at_ != '\t' && *at_ != '\r')) {
      if (open_) fail("a name is missing");
      rest_of_line();  // an odd comment; the older format lets it pass
      return;
    }
    blanks();
    std::string_view text = rest_of_line();
    if (!open_ && text.ends_with('\r')) text.remove_suffix(1);
    begin_family(family);
    if (help) {
      if (is_utf8(text)) {
        metadata_.help = unescaped(text, open_);
      } else {
        fail("the help is not valid UTF-8");
      }
    } else if (unit) {
      metadata_.unit = text;
      if (!is_utf8(text)) fail("the unit is not valid UTF-8");
    } else {
      set_type(text);
    }
  }

  void begin_family(std::string_view family) {
    if (told_ || family != metadata_.family) {
      flush();
      tell_metadata();
      metadata_ = {};
      metadata_.family = family;
      told_ = false;
    }
  }

  void set_type(std::string_view text) {
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    constexpr std::pair<std::string_view, SampleType> kTypes[] = {
        {"counter", SampleType::kCounter},
        {"gauge", SampleType::kGauge},
        {"histogram", SampleType::kHistogram},
        {"summary", SampleType::kSummary},
        {"untyped", SampleType::kUnknown},
        {"unknown", SampleType::kUnknown},
        {"gaugehistogram", SampleType::kGaugeHistogram},
        {"info", SampleType::kInfo},
        {"stateset", SampleType::kStateset},
    };
    for (const auto& [word, type] : kTypes) {
      if (word == text) {
        metadata_.type = type;
        return;
      }
    }
    fail("the type is not known");
  }

  void tell_metadata() {
    if (told_ || metadata_.family.empty() || stopped_) return;
    told_ = true;
    if (!sink_.metadata(metadata_)) stopped_ = true;
  }

  // Whether a sample's name is of the family last spoken of.
  bool of_family(std::string_view name) const {
    if (!name.starts_with(metadata_.family) || metadata_.family.empty()) return false;
    const std::string_view suffix = name.substr(metadata_.family.size());
    if (suffix.empty()) return true;
    switch (metadata_.type) {
      case SampleType::kCounter: return suffix == "_total" || suffix == "_created";
      case SampleType::kHistogram:
      case SampleType::kSummary:
      case SampleType::kGaugeHistogram:
        return suffix == "_bucket" || suffix == "_count" || suffix == "_sum" ||
               suffix == "_created" || suffix == "_gcount" || suffix == "_gsum";
      case SampleType::kInfo: return suffix == "_info";
      default: return false;
    }
  }

  // --- samples ---

  void sample() {
    const char* series_begin = at_;
    size_t labels_begin = labels_.size();
    std::string_view metric = name();
    if (!metric.empty()) labels_.push_back({model::kMetricName, metric});
    blanks();
    if (take('{') && !label_set(labels_begin, &metric)) return;
    const std::string_view series_text(series_begin, static_cast<size_t>(at_ - series_begin));
    if (metric.empty()) {
      fail("a metric's name is missing");
      return;
    }
    if (metric.size() > options_.labels.name_bytes) {
      fail("a metric's name is too long");
      return;
    }
    Waiting waiting{};
    waiting.sample.text = series_text;
    const bool known = of_family(metric);
    if (!known && !metadata_.family.empty()) {
      flush(labels_begin);
      labels_begin = 0;
      tell_metadata();
      metadata_ = {};
    }
    if (known) normalize_bounds(labels_begin);
    if (!order_labels(labels_begin) || !value(waiting.sample.value)) return;
    if (!time(waiting.sample.time_ms)) return;
    model::Exemplar exemplar;
    if (open_ && !at_end_of_line() && *at_ == '#') {
      if (!read_exemplar(exemplar)) return;
      waiting.exemplar = true;
    }
    if (!end_line()) return;
    waiting.labels_begin = labels_begin;
    waiting.labels_end = labels_.size();
    wait(waiting, std::move(exemplar), known ? metric.substr(metadata_.family.size()) : "");
  }

  bool value(double& out) {
    blanks();
    const char* begin = at_;
    while (at_ != end_ && static_cast<unsigned char>(*at_) > ' ') ++at_;
    const auto number = parse_float({begin, static_cast<size_t>(at_ - begin)});
    if (!number) return fail("not a number");
    // A target may state staleness itself with no text: every NaN is the plain one.
    out = std::isnan(*number) ? std::bit_cast<double>(model::kNormalNanBits) : *number;
    blanks();
    return true;
  }

  bool time(std::optional<int64_t>& out) {
    if (at_end_of_line() || *at_ == '#' || *at_ == '\r') return true;
    const char* begin = at_;
    while (at_ != end_ && static_cast<unsigned char>(*at_) > ' ') ++at_;
    const std::string_view text(begin, static_cast<size_t>(at_ - begin));
    blanks();
    const auto number = parse_float(text);
    const double ms = number ? *number * (open_ ? 1000 : 1) : NAN;
    if (!(std::fabs(ms) < 9e18)) return fail("the time is not one");
    if (!open_) {
      for (size_t i = text[0] == '-' || text[0] == '+'; i < text.size(); ++i) {
        if (!is_digit(text[i])) return fail("the time is not a whole number of milliseconds");
      }
    }
    out = static_cast<int64_t>(ms);
    return true;
  }

  // After "{", up to and past "}". `metric`: where the name may stand inside.
  bool label_set(size_t labels_begin, std::string_view* metric) {
    for (;;) {
      blanks();
      if (take('}')) return true;
      LabelView label;
      bool in_quotes = false;
      if (take('"')) {
        if (!quoted(label.name)) return false;
        in_quotes = true;
      } else {
        label.name = name();
        if (label.name.find(':') != std::string_view::npos) return fail("a label's name has a ':'");
      }
      if (label.name.empty()) return fail("a label's name is missing");
      blanks();
      if (take('=')) {
        blanks();
        if (!take('"')) return fail("a label's value is not in quotes");
        if (!quoted(label.value)) return false;
        if (!label.value.empty()) labels_.push_back(label);
      } else if (in_quotes && metric != nullptr && metric->empty()) {
        *metric = label.name;
        labels_.push_back({model::kMetricName, label.name});
      } else {
        return fail("a label has no value");
      }
      if (labels_.size() - labels_begin > options_.labels.labels) return fail("too many labels");
      blanks();
      if (take(',')) continue;
      if (!take('}')) return fail("a comma or a closing brace is missing");
      return true;
    }
  }

  // After the opening quote, up to and past the closing one.
  bool quoted(std::string_view& out) {
    const char* begin = at_;
    bool escaped = false;
    unsigned high = 0;
    for (;;) {
      high |= skip_plain();
      if (at_ == end_ || *at_ == '\n') return fail("a quote is not closed");
      if (*at_ == '"') break;
      escaped = true;  // a backslash
      if (at_ + 1 == end_ || at_[1] == '\n') return fail("a quote is not closed");
      high |= static_cast<unsigned char>(at_[1]) & 0x80u;
      at_ += 2;
    }
    out = {begin, static_cast<size_t>(at_ - begin)};
    ++at_;
    if (out.size() > options_.labels.value_bytes) return fail("a label is too long");
    if (high != 0 && !is_utf8(out)) return fail("a label is not valid UTF-8");
    if (escaped) out = unescaped(out, true);
    return true;
  }

  // Moves to the next quote, backslash or end of line; not 0 where a byte of what
  // was passed is not ASCII (or may not be: it can be one behind).
  unsigned skip_plain() {
    unsigned high = 0;
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i newline = _mm_set1_epi8('\n');
    while (end_ - at_ >= 16) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at_));
      const __m128i hits = _mm_or_si128(
          _mm_cmpeq_epi8(bytes, quote),
          _mm_or_si128(_mm_cmpeq_epi8(bytes, backslash), _mm_cmpeq_epi8(bytes, newline)));
      high |= static_cast<unsigned>(_mm_movemask_epi8(bytes));
      if (const int mask = _mm_movemask_epi8(hits); mask != 0) {
        at_ += __builtin_ctz(static_cast<unsigned>(mask));
        return high;
      }
      at_ += 16;
    }
#endif
    for (; at_ != end_ && *at_ != '"' && *at_ != '\\' && *at_ != '\n'; ++at_) {
      high |= static_cast<unsigned char>(*at_) & 0x80u;
    }
    return high;
  }

  // Text without its escapes, in memory that does not move: all escaped texts
  // together are no longer than the body.
  std::string_view unescaped(std::string_view text, bool quotes) {
    if (text.find('\\') == std::string_view::npos) return text;
    if (unescaped_.capacity() < text_.size()) unescaped_.reserve(text_.size());
    const size_t begin = unescaped_.size();
    for (size_t i = 0; i < text.size(); ++i) {
      const char next = i + 1 < text.size() ? text[i + 1] : '\0';
      if (text[i] == '\\' && (next == '\\' || next == 'n' || (next == '"' && quotes))) {
        unescaped_ += next == 'n' ? '\n' : next;
        ++i;
      } else {
        unescaped_ += text[i];
      }
    }
    return std::string_view(unescaped_).substr(begin);
  }

  // The bound of a bucket is written in one way, whatever the target's is: series
  // of one bucket are one series.
  void normalize_bounds(size_t labels_begin) {
    const bool histogram = metadata_.type == SampleType::kHistogram;
    if (!histogram && metadata_.type != SampleType::kSummary) return;
    const std::string_view wanted = histogram ? "le" : "quantile";
    for (size_t i = labels_begin; i < labels_.size(); ++i) {
      if (labels_[i].name != wanted) continue;
      const std::string_view normal = normal_bound(labels_[i].value, room_);
      if (normal.data() != labels_[i].value.data()) labels_[i].value = keep_bound(normal);
    }
  }

  std::string_view keep_bound(std::string_view text) {
    bounds_.push_back(std::make_unique<char[]>(text.size()));
    std::memcpy(bounds_.back().get(), text.data(), text.size());
    return {bounds_.back().get(), text.size()};
  }

  bool order_labels(size_t begin) {
    const auto first = labels_.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto by_name = [](const LabelView& a, const LabelView& b) { return a.name < b.name; };
    bool ordered = true;
    for (auto at = first; at + 1 < labels_.end(); ++at) {
      if (!by_name(*at, at[1])) {
        ordered = false;
        break;
      }
    }
    if (!ordered) {
      std::sort(first, labels_.end(), by_name);
      for (auto at = first; at + 1 < labels_.end(); ++at) {
        if (at->name == at[1].name) return fail("a label's name is there twice");
      }
    }
    for (auto at = first; at < labels_.end(); ++at) {
      if (at->name.size() > options_.labels.name_bytes) return fail("a label's name is too long");
    }
    return true;
  }

  bool read_exemplar(model::Exemplar& exemplar) {
    ++at_;
    blanks();
    if (!take('{')) return fail("an exemplar has no labels");
    const size_t begin = labels_.size();
    if (!label_set(begin, nullptr) || !order_labels(begin)) return false;
    size_t bytes = 0;
    for (size_t i = begin; i < labels_.size(); ++i) {
      bytes += labels_[i].name.size() + labels_[i].value.size();
      exemplar.labels.emplace_back(labels_[i].name, labels_[i].value);
    }
    labels_.resize(begin);
    if (bytes > kExemplarBytesMax) return fail("an exemplar's labels are too long");
    std::optional<int64_t> time_ms;
    if (!value(exemplar.value) || !time(time_ms)) return false;
    exemplar.time_ms = time_ms.value_or(0);
    return true;
  }

  // --- groups ---

  bool starts_known() const {
    return open_ &&
           (metadata_.type == SampleType::kCounter || metadata_.type == SampleType::kHistogram ||
            metadata_.type == SampleType::kSummary);
  }

  static bool in_key(const LabelView& label) {
    return label.name != model::kMetricName && label.name != "le" && label.name != "quantile";
  }
  bool same_group(const Waiting& a, const Waiting& b) const {
    size_t i = a.labels_begin;
    size_t j = b.labels_begin;
    for (;; ++i, ++j) {
      while (i < a.labels_end && !in_key(labels_[i])) ++i;
      while (j < b.labels_end && !in_key(labels_[j])) ++j;
      if (i == a.labels_end || j == b.labels_end) return i == a.labels_end && j == b.labels_end;
      if (labels_[i] != labels_[j]) return false;
    }
  }

  void wait(const Waiting& waiting, model::Exemplar&& exemplar, std::string_view suffix) {
    tell_metadata();
    if (waiting_.empty() && suffix != "_created") {
      group_start_ms_ = 0;
    } else if (!waiting_.empty() &&
               (!same_group(waiting_.front(), waiting) || waiting_.size() >= kGroupMax)) {
      flush(waiting.labels_begin);
      Waiting moved = waiting;  // its labels are now the first
      moved.labels_end -= moved.labels_begin;
      moved.labels_begin = 0;
      wait(moved, std::move(exemplar), suffix);
      return;
    }
    if (starts_known() && suffix == "_created") {
      const double ms = waiting.sample.value * 1000;
      if (std::fabs(ms) < 9e18) group_start_ms_ = static_cast<int64_t>(ms);
      if (!waiting_.empty()) labels_.resize(waiting.labels_begin);
      // Told before the samples it is of: kept as a group of its own until they come.
      if (waiting_.empty()) waiting_.push_back(waiting), waiting_.back().sample.text = {};
      return;
    }
    waiting_.push_back(waiting);
    if (waiting.exemplar) exemplars_.push_back(std::move(exemplar));
    if (!starts_known()) flush();
  }

  // Gives the group to the sink; labels from `keep_from` on stay, moved to the front.
  void flush(size_t keep_from = SIZE_MAX) {
    size_t exemplar = 0;
    for (Waiting& waiting : waiting_) {
      ScrapedSample& sample = waiting.sample;
      if (stopped_ || sample.text.empty()) continue;
      sample.labels = {labels_.data() + waiting.labels_begin, labels_.data() + waiting.labels_end};
      sample.start_ms = group_start_ms_;
      if (waiting.exemplar) sample.exemplars = {&exemplars_[exemplar++], 1};
      if (!sink_.sample(sample)) stopped_ = true;
    }
    waiting_.clear();
    exemplars_.clear();
    group_start_ms_ = 0;
    const size_t gone = std::min(keep_from, labels_.size());
    labels_.erase(labels_.begin(), labels_.begin() + static_cast<std::ptrdiff_t>(gone));
    if (labels_.empty()) bounds_.clear();
  }

  const bool open_;
  const ScrapeOptions& options_;
  MetricSink& sink_;
  const std::string_view text_;
  const char* at_;
  const char* const end_;
  const char* line_begin_;
  std::string wrong_;
  bool ended_ = false;    // "# EOF" was read
  bool stopped_ = false;  // by the sink

  ScrapedMetadata metadata_;
  bool told_ = true;

  std::vector<LabelView> labels_;  // of all that waits
  std::vector<Waiting> waiting_;
  std::vector<model::Exemplar> exemplars_;
  int64_t group_start_ms_ = 0;

  std::string unescaped_;
  std::string room_;
  std::vector<std::unique_ptr<char[]>> bounds_;
};

}  // namespace

Status parse_exposition_text(ExpositionDialect dialect, std::string_view text,
                             const ScrapeOptions& options, MetricSink& sink) {
  return TextParser(dialect, text, options, sink).run();
}

}  // namespace gatehouse::wire
