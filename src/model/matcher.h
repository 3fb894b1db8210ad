// Matcher: what a label's value must be. Selector: which streams, those that every
// matcher matches. A label that is not there has the value "".
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"

namespace gatehouse::model {

class Pattern;  // a compiled regular expression (RE2 syntax), anchored at both ends

class Matcher {
 public:
  enum class Op { kEqual, kNotEqual, kRegex, kNotRegex };

  // REQUIRES: an op that takes no pattern.
  Matcher(Op matcher_op, std::string label, std::string wanted);
  // Any op. kInvalidArgument: the pattern cannot be compiled, or is too large.
  static Result<Matcher> create(Op op, std::string name, std::string value);

  Op op() const { return op_; }
  const std::string& name() const { return name_; }
  const std::string& value() const { return value_; }

  bool matches(std::string_view value) const;
  bool matches_empty() const { return matches_empty_; }
  bool negative() const { return op_ == Op::kNotEqual || op_ == Op::kNotRegex; }

  // Of a positive pattern that stands for a few literal values ("a|b", "(a|b)c"):
  // all of them, sorted. Empty: there is no such list; ask matches().
  std::span<const std::string> literals() const { return literals_; }
  // What every value that the pattern matches begins with ("" where nothing).
  std::string_view prefix() const { return prefix_; }

  // name="value", as PromQL writes it; a name that is no identifier is quoted.
  std::string to_string() const;

 private:
  Op op_;
  std::string name_;
  std::string value_;
  std::shared_ptr<const Pattern> pattern_;
  std::vector<std::string> literals_;
  std::string prefix_;
  bool matches_empty_ = false;
};

struct Selector {
  std::vector<Matcher> matchers;
  bool matches(const Labels& labels) const {
    for (const Matcher& matcher : matchers) {
      if (!matcher.matches(labels.get(matcher.name()))) return false;
    }
    return true;
  }
};

}  // namespace gatehouse::model
