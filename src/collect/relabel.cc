// The expansion of $1 and ${name} is Go's (regexp.Expand), not RE2's: a name is the
// longest run of letters, digits and underscores, an unknown one stands for nothing,
// and "$$" for a dollar.
#include "collect/relabel.h"

#include <openssl/evp.h>
#include <re2/re2.h>

#include <algorithm>
#include <map>

#include "base/text.h"

namespace gatehouse::collect {

namespace {

constexpr std::string_view kActionNames[] = {"replace",   "keep",      "drop",     "keepequal",
                                             "dropequal", "hashmod",   "labelmap", "labeldrop",
                                             "labelkeep", "lowercase", "uppercase"};

// A rule's pattern in memory; RE2's own default is 8 MiB, for both directions.
constexpr int64_t kPatternBytesMax = 8 << 20;

bool word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Prometheus 3 allows any UTF-8 name.
bool valid_label_name(std::string_view name) { return !name.empty() && valid_utf8(name); }

// The last 8 of MD5's 16 bytes, big-endian, modulo.
uint64_t md5_modulo(std::string_view text, uint64_t modulus) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned bytes = 0;
  EVP_Digest(text.data(), text.size(), digest, &bytes, EVP_md5(), nullptr);
  uint64_t value = 0;
  for (size_t i = 8; i < 16; ++i) value = value << 8 | digest[i];
  return value % modulus;
}

std::string change_case(std::string_view text, bool upper) {
  std::string out(text);
  for (char& c : out) {
    if (upper && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    if (!upper) c = ascii_lower(c);
  }
  return out;
}

Status check(const RelabelConfig& config) {
  const std::string action(name(config.action));
  using A = RelabelAction;
  const bool needs_target = config.action == A::kReplace || config.action == A::kHashMod ||
                            config.action == A::kLowercase || config.action == A::kUppercase ||
                            config.action == A::kKeepEqual || config.action == A::kDropEqual;
  if (config.modulus == 0 && config.action == A::kHashMod) {
    return invalid_argument("relabel configuration for hashmod requires non-zero modulus");
  }
  if (needs_target && config.target_label.empty()) {
    return invalid_argument("relabel configuration for " + action +
                            " action requires 'target_label' value");
  }
  const bool varies = config.target_label.find('$') != std::string::npos;
  if (config.action != A::kReplace && needs_target && varies) {
    return invalid_argument("\"" + config.target_label + "\" is invalid 'target_label' for " +
                            action + " action");
  }
  if ((config.action == A::kLowercase || config.action == A::kUppercase ||
       config.action == A::kKeepEqual || config.action == A::kDropEqual) &&
      config.replacement_given && config.replacement != "$1") {
    return invalid_argument("'replacement' can not be set for " + action + " action");
  }
  if (config.action == A::kLabelMap && !valid_utf8(config.replacement)) {
    return invalid_argument("\"" + config.replacement +
                            "\" is invalid 'replacement' for labelmap action");
  }
  if (config.action == A::kKeepEqual || config.action == A::kDropEqual) {
    if ((config.regex_given && config.regex != "(.*)") || config.modulus != 0 ||
        (config.separator_given && config.separator != ";")) {
      return invalid_argument(action +
                              " action requires only 'source_labels' and 'target_label', and no "
                              "other fields");
    }
  }
  if (config.action == A::kLabelDrop || config.action == A::kLabelKeep) {
    if (!config.source_labels.empty() || !config.target_label.empty() || config.modulus != 0 ||
        (config.separator_given && config.separator != ";") ||
        (config.replacement_given && config.replacement != "$1")) {
      return invalid_argument(action + " action requires only 'regex', and no other fields");
    }
  }
  return {};
}

}  // namespace

std::string_view name(RelabelAction action) { return kActionNames[static_cast<size_t>(action)]; }

MutableLabels::MutableLabels(model::LabelsView labels) { assign(labels); }

void MutableLabels::assign(model::LabelsView labels) {
  pairs_.resize(labels.size());  // keeps the strings' capacity
  for (size_t i = 0; i < labels.size(); ++i) {
    pairs_[i].first.assign(labels[i].name);
    pairs_[i].second.assign(labels[i].value);
  }
}

std::string_view MutableLabels::get(std::string_view name) const {
  for (const Pair& pair : pairs_) {
    if (pair.first == name) return pair.second;
  }
  return {};
}

void MutableLabels::set(std::string_view name, std::string_view value) {
  const auto at = std::lower_bound(pairs_.begin(), pairs_.end(), name,
                                   [](const Pair& a, std::string_view b) { return a.first < b; });
  const bool known = at != pairs_.end() && at->first == name;
  if (value.empty()) {
    if (known) pairs_.erase(at);
  } else if (known) {
    at->second = value;
  } else {
    pairs_.emplace(at, name, value);
  }
}

struct RelabelRule::Compiled {
  explicit Compiled(const std::string& regex, const re2::RE2::Options& options)
      : pattern("^(?s:" + regex + ")$", options), groups(1 + pattern.NumberOfCapturingGroups()) {}

  // Whether the whole of `text` matches; the groups' texts then are in `out`.
  bool match(std::string_view text, std::vector<re2::StringPiece>& out) const {
    out.resize(static_cast<size_t>(groups));
    return pattern.Match(re2::StringPiece(text.data(), text.size()), 0, text.size(),
                         re2::RE2::ANCHOR_BOTH, out.data(), groups);
  }
  std::string expand(std::string_view text, const std::vector<re2::StringPiece>& found) const;
  std::string_view group(std::string_view key, const std::vector<re2::StringPiece>& found) const;

  re2::RE2 pattern;
  int groups;
};

std::string_view RelabelRule::Compiled::group(std::string_view key,
                                              const std::vector<re2::StringPiece>& found) const {
  size_t index = found.size();
  if (const auto number = parse_uint(key)) {
    index = *number;
  } else {
    const auto& names = pattern.NamedCapturingGroups();
    const auto known = names.find(std::string(key));
    if (known != names.end()) index = static_cast<size_t>(known->second);
  }
  if (index >= found.size()) return {};
  return {found[index].data(), found[index].size()};
}

std::string RelabelRule::Compiled::expand(std::string_view text,
                                          const std::vector<re2::StringPiece>& found) const {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char next = text[i + 1];
    if (next == '$') {
      out += '$';
      ++i;
      continue;
    }
    const bool braced = next == '{';
    size_t end = i + (braced ? 2 : 1);
    const size_t begin = end;
    while (end < text.size() && word_char(text[end])) ++end;
    const bool closed = !braced || (end < text.size() && text[end] == '}');
    if (end == begin || !closed) {
      out += '$';  // malformed: the dollar stays, as Go has it
      continue;
    }
    out += group(text.substr(begin, end - begin), found);
    i = braced ? end : end - 1;
  }
  return out;
}

Result<RelabelRule> RelabelRule::create(RelabelConfig config) {
  RETURN_IF_ERROR(check(config));
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternBytesMax);
  RelabelRule rule;
  auto compiled = std::make_shared<Compiled>(config.regex, options);
  if (!compiled->pattern.ok()) {
    return invalid_argument("the regular expression \"" + config.regex +
                            "\" cannot be read: " + compiled->pattern.error());
  }
  rule.compiled_ = std::move(compiled);
  rule.config_ = std::move(config);
  return rule;
}

bool RelabelRule::replace(MutableLabels& labels, const std::string& value) const {
  std::vector<re2::StringPiece> found;
  if (!compiled_->match(value, found)) return true;
  const std::string target = compiled_->expand(config_.target_label, found);
  if (!valid_label_name(target)) return true;
  labels.set(target, compiled_->expand(config_.replacement, found));
  return true;
}

bool RelabelRule::apply(MutableLabels& labels) const {
  std::string value;
  for (size_t i = 0; i < config_.source_labels.size(); ++i) {
    if (i > 0) value += config_.separator;
    value += labels.get(config_.source_labels[i]);
  }
  std::vector<re2::StringPiece> found;
  const auto select = [&](bool keep) {
    std::erase_if(labels.pairs(), [&](const MutableLabels::Pair& pair) {
      return compiled_->match(pair.first, found) != keep;
    });
    return true;
  };
  switch (config_.action) {
    case RelabelAction::kDrop: return !compiled_->match(value, found);
    case RelabelAction::kKeep: return compiled_->match(value, found);
    case RelabelAction::kDropEqual: return labels.get(config_.target_label) != value;
    case RelabelAction::kKeepEqual: return labels.get(config_.target_label) == value;
    case RelabelAction::kReplace: return replace(labels, value);
    case RelabelAction::kLowercase:
      labels.set(config_.target_label, change_case(value, false));
      return true;
    case RelabelAction::kUppercase:
      labels.set(config_.target_label, change_case(value, true));
      return true;
    case RelabelAction::kHashMod:
      labels.set(config_.target_label, std::to_string(md5_modulo(value, config_.modulus)));
      return true;
    case RelabelAction::kLabelDrop: return select(false);
    case RelabelAction::kLabelKeep: return select(true);
    case RelabelAction::kLabelMap: {
      const std::vector<MutableLabels::Pair> before = labels.pairs();
      for (const MutableLabels::Pair& pair : before) {
        if (!compiled_->match(pair.first, found)) continue;
        const std::string target = compiled_->expand(config_.replacement, found);
        if (valid_label_name(target)) labels.set(target, pair.second);
      }
      return true;
    }
  }
  return true;
}

Result<RelabelRules> create_relabel_rules(std::span<const RelabelConfig> configs) {
  RelabelRules rules;
  for (const RelabelConfig& config : configs) {
    ASSIGN_OR_RETURN(RelabelRule rule, RelabelRule::create(config));
    rules.push_back(std::move(rule));
  }
  return rules;
}

bool apply_rules(std::span<const RelabelRule> rules, MutableLabels& labels) {
  for (const RelabelRule& rule : rules) {
    if (!rule.apply(labels)) return false;
  }
  return true;
}

}  // namespace gatehouse::collect
