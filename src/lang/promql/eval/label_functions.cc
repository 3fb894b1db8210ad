// label_replace and label_join. They change names alone; the values stay where they
// are, unless two series become one.
#include <re2/re2.h>

#include "base/text.h"
#include "lang/promql/eval/evaluation.h"
#include "lang/promql/function_ids.h"

namespace gatehouse::promql {
namespace {

// "$1-${name}" of Go's regexp.Expand, which RE2's rewriting does not know.
std::string expand(std::string_view pattern, const re2::RE2& regex,
                   const std::vector<re2::StringPiece>& groups) {
  std::string out;
  const auto word = [](char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '$' || i + 1 == pattern.size()) {
      out += pattern[i];
      continue;
    }
    if (pattern[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const bool braced = pattern[i + 1] == '{';
    const size_t begin = i + (braced ? 2 : 1);
    size_t end = begin;
    while (end < pattern.size() && word(pattern[end])) ++end;
    if (end == begin || (braced && (end == pattern.size() || pattern[end] != '}'))) {
      out += '$';
      continue;
    }
    const std::string name(pattern.substr(begin, end - begin));
    i = braced ? end : end - 1;
    size_t group = groups.size();
    if (const auto number = parse_uint(name)) {
      group = static_cast<size_t>(*number);
    } else if (const auto found = regex.NamedCapturingGroups().find(name);
               found != regex.NamedCapturingGroups().end()) {
      group = static_cast<size_t>(found->second);
    }
    if (group < groups.size() && groups[group].data() != nullptr) {
      out.append(groups[group].data(), groups[group].size());
    }
  }
  return out;
}

// A source with other names.
class Renamed final : public VectorSource {
 public:
  Renamed(VectorPtr inner, std::vector<SeriesName> names)
      : inner_(std::move(inner)), names_(std::move(names)) {}
  size_t size() const override { return inner_->size(); }
  SeriesName name(size_t i) const override { return names_[i]; }
  Status column(size_t i, Column& out, Worker& worker) const override {
    return inner_->column(i, out, worker);
  }

 private:
  VectorPtr inner_;
  std::vector<SeriesName> names_;
};

Status check_label_name(std::string_view what, std::string_view name) {
  if (!name.empty() && valid_utf8(name)) return {};
  return invalid_argument("invalid " + std::string(what) + " label name in " +
                          (what == "destination" ? "label_replace()" : "label_join()") + ": " +
                          std::string(name));
}

SeriesName renamed(Evaluation& evaluation, SeriesName name, std::string_view label,
                   std::string_view value) {
  LabelBuilder builder(name.labels);
  builder.set(label, evaluation.arena().keep(value));
  // Whoever writes the metric's name means it to stay.
  const bool drop = name.drop_name && label != model::kMetricName;
  return {evaluation.arena().keep(builder.labels()), drop};
}

Result<std::vector<SeriesName>> replaced(Evaluation& evaluation, const CallExpr& call,
                                         const VectorSource& source) {
  const std::string_view target = evaluation.arena().keep(evaluation.string(*call.arguments[1]));
  const std::string replacement = evaluation.string(*call.arguments[2]);
  const std::string from = evaluation.string(*call.arguments[3]);
  const std::string pattern = evaluation.string(*call.arguments[4]);
  re2::RE2::Options options;
  options.set_log_errors(false);
  const re2::RE2 regex("^(?s:" + pattern + ")$", options);
  if (!regex.ok()) {
    return invalid_argument("invalid regular expression in label_replace(): " + pattern);
  }
  RETURN_IF_ERROR(check_label_name("destination", target));
  std::vector<SeriesName> names(source.size());
  std::vector<re2::StringPiece> groups(static_cast<size_t>(regex.NumberOfCapturingGroups()) + 1);
  for (size_t i = 0; i < source.size(); ++i) {
    names[i] = source.name(i);
    const std::string_view value = model::find_label(names[i].labels, from);
    if (!regex.Match({value.data(), value.size()}, 0, value.size(), re2::RE2::UNANCHORED,
                     groups.data(), static_cast<int>(groups.size()))) {
      continue;
    }
    names[i] = renamed(evaluation, names[i], target, expand(replacement, regex, groups));
  }
  return names;
}

Result<std::vector<SeriesName>> joined(Evaluation& evaluation, const CallExpr& call,
                                       const VectorSource& source) {
  const std::string_view target = evaluation.arena().keep(evaluation.string(*call.arguments[1]));
  const std::string separator = evaluation.string(*call.arguments[2]);
  std::vector<std::string> from;
  for (size_t i = 3; i < call.arguments.size(); ++i) {
    from.push_back(evaluation.string(*call.arguments[i]));
    RETURN_IF_ERROR(check_label_name("source", from.back()));
  }
  RETURN_IF_ERROR(check_label_name("destination", target));
  std::vector<SeriesName> names(source.size());
  std::string value;
  for (size_t i = 0; i < source.size(); ++i) {
    names[i] = source.name(i);
    value.clear();
    for (size_t part = 0; part < from.size(); ++part) {
      if (part > 0) value += separator;
      value += model::find_label(names[i].labels, from[part]);
    }
    names[i] = renamed(evaluation, names[i], target, value);
  }
  return names;
}

}  // namespace

Result<VectorPtr> call_label_function(Evaluation& evaluation, const CallExpr& call,
                                      const Scope& scope) {
  ASSIGN_OR_RETURN(VectorPtr source, evaluation.vector(*call.arguments[0], scope));
  const bool replaces = call.function->name == "label_replace";
  ASSIGN_OR_RETURN(std::vector<SeriesName> names, replaces ? replaced(evaluation, call, *source)
                                                           : joined(evaluation, call, *source));
  RETURN_IF_ERROR(evaluation.arena().status());
  auto with_names = std::make_unique<Renamed>(std::move(source), std::move(names));
  ASSIGN_OR_RETURN(BlockPtr block, evaluation.materialise(std::move(with_names), scope));
  RETURN_IF_ERROR(evaluation.merge_equal_names(block));
  return VectorPtr(std::move(block));
}

}  // namespace gatehouse::promql
