// A walk over the trees with a Context in hand: text moves it, an action takes the escapers
// of the place it stands in, branches must end in the same, and a template that is called
// has a copy for each context that it is called in.
//
// The walk writes the escaped copy of a body where it is given a place for it, and else only
// finds the context at the end: for the second round of a loop, and to find what a template
// that calls itself ends in (first the context it began in is assumed, then what came out).
#include "lang/gotemplate/html/escaper.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.h"
#include "lang/gotemplate/html/context.h"
#include "lang/gotemplate/html/transition.h"
#include "lang/gotemplate/quote.h"

namespace gatehouse::gotemplate::html {
namespace {

// Of copies: contexts can grow without end where a template calls itself in a script.
constexpr size_t kTemplatesMax = 1'000;
// Statements within each other, across calls: what the stack holds.
constexpr int kDepthMax = 1'000;

// --- text

// JavaScript's literals may not hold what begins or ends a script or its comments.
std::string escape_special_tags(std::string_view text) {
  std::string out;
  const std::string lower = to_lower(text);
  for (size_t at = 0; at < text.size(); ++at) {
    const std::string_view rest = std::string_view(lower).substr(at);
    if (rest.starts_with("<script") || rest.starts_with("</script") || rest.starts_with("<!--")) {
      out += "\\x3C";
    } else {
      out += text[at];
    }
  }
  return out;
}

// A "<" that begins no tag is text.
void append_text_with_tags(std::string_view text, bool leaves, std::string& out) {
  size_t end = text.size();
  if (leaves) {
    const size_t tag = text.rfind('<');
    if (tag != std::string_view::npos) end = tag;
  }
  for (size_t at = 0; at < text.size(); ++at) {
    const bool stray = text[at] == '<' && at < end &&
                       to_lower(text.substr(at, 9)) != "<!doctype";
    if (stray) {
      out += "&lt;";
    } else {
      out += text[at];
    }
  }
}

size_t comment_mark_size(State state) {
  if (state == State::kHtmlCmt || state == State::kJsHtmlOpenCmt) return 4;  // <!--
  return state == State::kJsHtmlCloseCmt ? 3 : 2;                            // -->, /*, //
}

// What a piece of text becomes that moved `before` to `after`: comments are dropped.
void append_piece(std::string_view piece, const Context& before, const Context& after,
                  std::string& out) {
  if (is_comment(before.state) && before.delimiter == Delimiter::kNone) {
    // A comment parts words; one of JavaScript over lines ends a statement.
    if (before.state == State::kJsBlockCmt) {
      const bool lines = piece.find_first_of("\n\r") != std::string_view::npos ||
                         piece.find("\xE2\x80\xA8") != std::string_view::npos ||
                         piece.find("\xE2\x80\xA9") != std::string_view::npos;
      out += lines ? '\n' : ' ';
    } else if (before.state == State::kCssBlockCmt) {
      out += ' ';
    }
    return;
  }
  if (after.state != before.state && is_comment(after.state) &&
      after.delimiter == Delimiter::kNone) {
    piece.remove_suffix(std::min(piece.size(), comment_mark_size(after.state)));
  }
  if (before.state == State::kText || before.state == State::kRcdata) {
    const bool leaves = after.state != before.state && !is_comment(after.state);
    return append_text_with_tags(piece, leaves, out);
  }
  if (is_script_literal(before.state) && before.delimiter == Delimiter::kNone) {
    out += escape_special_tags(piece);
    return;
  }
  out += piece;
}

// --- the walk

class Walk {
 public:
  explicit Walk(const Trees& trees) : trees_(trees) {}

  Result<std::shared_ptr<const Trees>> run(std::string_view name) {
    name_ = name;
    auto [context, key] = call(Context(), std::string(name), std::string(name));
    if (context.state != State::kError && context.state != State::kText) {
      context = fail("ends in a non-text context: " + to_text(context), nullptr, nullptr);
    }
    if (context.state == State::kError) return invalid_argument(context.error);
    return std::make_shared<const Trees>(std::move(done_));
  }

 private:
  struct Loop {
    std::vector<Context> leaves;  // at each break and continue
  };

  // "html/template:name:line:column: what".
  Context fail(const std::string& what, const Tree* tree, const Statement* statement) const {
    std::string place = name_;
    if (tree && statement) place = location(*tree, statement->position);
    return failed("html/template:" + place + ": " + what);
  }

  // The context behind a call of a template, and the name of its copy for the context before.
  std::pair<Context, std::string> call(const Context& context, const std::string& name,
                                       const std::string& described) {
    std::string key = name;
    if (!(context == Context())) key += "$htmltemplate_" + to_text(context);
    called_.insert(key);
    const auto known = ends_.find(key);
    if (known != ends_.end()) return {known->second, key};
    const auto found = trees_.find(name);
    if (found == trees_.end()) {
      return {failed("html/template:" + described + ": no such template " + quote(name)), key};
    }
    if (ends_.size() >= kTemplatesMax) {
      return {fail("templates are called in too many contexts", nullptr, nullptr), key};
    }
    const Tree& tree = *found->second;
    const auto ends = ends_;
    const auto done = done_;
    Context end = assume(context, context, key, tree);
    const bool recursive = called_.contains(key);
    if (end.state != State::kError && recursive && !(end == context)) {
      // It calls itself: what came out must come out again.
      ends_ = ends;
      done_ = done;
      const Context again = assume(context, end, key, tree);
      if (!(again == end) && again.state != State::kError) {
        end = failed("html/template:" + described + ": cannot compute output context for template " +
                     name);
      } else {
        end = again;
      }
    }
    if (end.state == State::kError) {
      ends_[key] = end;
      return {end, key};
    }
    ends_[key] = end;
    Tree copy{tree.name, tree.parse_name, tree.source, {}};
    (void)list(context, tree.body, tree, &copy.body);
    done_[key] = std::make_shared<const Tree>(std::move(copy));
    return {end, key};
  }

  Context assume(const Context& begin, const Context& end, const std::string& key,
                 const Tree& tree) {
    ends_[key] = end;
    called_.erase(key);
    Loop* const loop = std::exchange(loop_, nullptr);
    Context context = list(begin, tree.body, tree, nullptr);
    loop_ = loop;
    return context;
  }

  Context list(Context context, const Body& body, const Tree& tree, Body* out) {
    if (++depth_ > kDepthMax) {
      --depth_;
      return fail("statements within each other too deep", nullptr, nullptr);
    }
    for (const Statement& statement : body) {
      if (context.state == State::kError) break;
      Statement* copy = nullptr;
      if (out) {
        copy = &out->emplace_back();
        copy->kind = statement.kind;
        copy->position = statement.position;
        if (statement.pipe) copy->pipe = clone(*statement.pipe);
      }
      context = one(std::move(context), statement, tree, copy);
    }
    --depth_;
    return context;
  }

  Context one(Context context, const Statement& statement, const Tree& tree, Statement* copy) {
    switch (statement.kind) {
      case Statement::Kind::kText: return text(std::move(context), statement, tree, copy);
      case Statement::Kind::kAction: return action(std::move(context), statement, tree, copy);
      case Statement::Kind::kIf: return branch(context, "if", statement, tree, copy);
      case Statement::Kind::kWith: return branch(context, "with", statement, tree, copy);
      case Statement::Kind::kRange: return branch(context, "range", statement, tree, copy);
      case Statement::Kind::kTemplate: {
        auto [end, key] =
            call(context, statement.text, location(tree, statement.position));
        if (copy) copy->text = key;
        return end;
      }
      case Statement::Kind::kBreak:
      case Statement::Kind::kContinue: break;
    }
    if (loop_) loop_->leaves.push_back(context);
    Context dead;
    dead.state = State::kDead;
    return dead;
  }

  Context text(Context context, const Statement& statement, const Tree& tree, Statement* copy) {
    std::string_view rest = statement.text;
    std::string out;
    while (!rest.empty() && context.state != State::kDead) {
      Step step = after_text(context, rest);
      if (step.context.state == State::kError) {
        return fail(step.context.error, &tree, &statement);
      }
      append_piece(rest.substr(0, step.size), context, step.context, out);
      context = std::move(step.context);
      rest.remove_prefix(step.size);
    }
    if (copy) copy->text = std::move(out);
    return context;
  }

  Context branch(const Context& context, const std::string& word, const Statement& statement,
                 const Tree& tree, Statement* copy) {
    Loop loop;
    Loop* const outer = loop_;
    const bool range = statement.kind == Statement::Kind::kRange;
    if (range) loop_ = &loop;
    Context first = list(context, statement.body, tree, copy ? &copy->body : nullptr);
    if (range && first.state != State::kError) {
      first = with_leaves(std::move(first), loop, statement, tree);
      // Twice around must come to the same as once.
      if (first.state != State::kError) {
        loop.leaves.clear();
        Context second = list(first, statement.body, tree, nullptr);
        first = join(first, second, word, statement, tree);
        if (first.state != State::kError) {
          first = with_leaves(std::move(first), loop, statement, tree);
        }
        if (first.state == State::kError) {
          first.error = fail_on_reentry(first.error);
        }
      }
    }
    loop_ = outer;
    if (first.state == State::kError) return first;
    const Context second =
        list(context, statement.otherwise, tree, copy ? &copy->otherwise : nullptr);
    return join(first, second, word, statement, tree);
  }

  static std::string fail_on_reentry(const std::string& error) {
    return error.find("on range loop re-entry: ") == std::string::npos
               ? reentry(error)
               : error;
  }
  static std::string reentry(const std::string& error) {
    // Behind "html/template:place: ".
    const size_t at = error.find(": ");
    return error.substr(0, at + 2) + "on range loop re-entry: " + error.substr(at + 2);
  }

  Context with_leaves(Context context, const Loop& loop, const Statement& statement,
                      const Tree& tree) const {
    for (const Context& leave : loop.leaves) {
      context = join(context, leave, "range", statement, tree);
      if (context.state == State::kError) break;
    }
    return context;
  }

  Context join(const Context& a, const Context& b, const std::string& word,
               const Statement& statement, const Tree& tree) const {
    Context joint = joined(a, b, word);
    const bool fresh = joint.state == State::kError && a.state != State::kError &&
                       b.state != State::kError;
    return fresh ? fail(joint.error, &tree, &statement) : joint;
  }

  // --- actions

  Context action(Context context, const Statement& statement, const Tree& tree, Statement* copy) {
    if (!statement.pipe->names.empty() || context.state == State::kDead) return context;
    context = nudged(std::move(context));
    std::vector<Escaper> escapers;
    std::string error;
    context = choose(std::move(context), statement, escapers, error);
    if (!error.empty()) return fail(error, &tree, &statement);
    const std::string predefined = predefined_at_wrong_place(context, *statement.pipe);
    if (!predefined.empty()) {
      return fail("predefined escaper " + quote(predefined) + " disallowed in template", &tree,
                  &statement);
    }
    if (copy) {
      merge_predefined(*copy->pipe, escapers);
      copy->escapers = std::move(escapers);
    }
    return context;
  }

  static Context choose(Context context, const Statement& statement,
                        std::vector<Escaper>& escapers, std::string& error) {
    const std::string shown = to_text(statement);
    switch (context.state) {
      case State::kTag:
      case State::kAttrName:
        context.state = State::kAttrName;
        escapers.push_back(Escaper::kHtmlName);
        break;
      case State::kUrl:
      case State::kMetaContentUrl:
      case State::kCssDqStr:
      case State::kCssSqStr:
      case State::kCssDqUrl:
      case State::kCssSqUrl:
      case State::kCssUrl: choose_for_url(context, shown, escapers, error); break;
      case State::kJs:
        escapers.push_back(Escaper::kJsValue);
        context.js_slash = JsSlash::kDivOp;
        break;
      case State::kJsDqStr:
      case State::kJsSqStr: escapers.push_back(Escaper::kJsString); break;
      case State::kJsTmplLit: escapers.push_back(Escaper::kJsTemplate); break;
      case State::kJsRegexp: escapers.push_back(Escaper::kJsRegexp); break;
      case State::kCss: escapers.push_back(Escaper::kCssValue); break;
      case State::kText: escapers.push_back(Escaper::kHtml); break;
      case State::kRcdata: escapers.push_back(Escaper::kRcdata); break;
      case State::kSrcset: escapers.push_back(Escaper::kSrcset); break;
      case State::kAttr:
      case State::kMetaContent: break;
      default: escapers.push_back(Escaper::kComment); break;
    }
    if (context.delimiter == Delimiter::kSpaceOrTagEnd) {
      escapers.push_back(Escaper::kHtmlNospace);
    } else if (context.delimiter != Delimiter::kNone) {
      escapers.push_back(Escaper::kAttribute);
    }
    return context;
  }

  static void choose_for_url(const Context& context, const std::string& shown,
                             std::vector<Escaper>& escapers, std::string& error) {
    const bool string = context.state == State::kCssDqStr || context.state == State::kCssSqStr;
    switch (context.url_part) {
      case UrlPart::kNone: escapers.push_back(Escaper::kUrlFilter); [[fallthrough]];
      case UrlPart::kPreQuery:
        escapers.push_back(string ? Escaper::kCssString : Escaper::kUrlNormalize);
        return;
      case UrlPart::kQueryOrFrag: escapers.push_back(Escaper::kUrlQuery); return;
      case UrlPart::kUnknown: error = shown + " appears in an ambiguous context within a URL";
    }
  }

  static std::string identifier_of(const Expr& command) {
    const Expr& first = *command.children[0];
    return first.kind == Expr::Kind::kIdentifier ? first.names[0] : "";
  }

  // "html" and "urlquery" may only come last, and "html" not into a value without quotes.
  static std::string predefined_at_wrong_place(const Context& context, const Expr& pipe) {
    for (size_t i = 0; i < pipe.children.size(); ++i) {
      std::string name = identifier_of(*pipe.children[i]);
      if (name != "html" && name != "urlquery") continue;
      const bool last = i + 1 == pipe.children.size();
      const bool unquoted = context.state == State::kAttr && name == "html" &&
                            context.delimiter == Delimiter::kSpaceOrTagEnd;
      if (!last || unquoted) return name;
    }
    return "";
  }

  // A pipeline that ends in "html" or "urlquery" where its like comes anyway is escaped once.
  static void merge_predefined(Expr& pipe, std::vector<Escaper>& escapers) {
    Expr& last = *pipe.children.back();
    const std::string name = identifier_of(last);
    if (name != "html" && name != "urlquery") return;
    bool merged = false;
    for (Escaper& escaper : escapers) {
      const bool html = escaper == Escaper::kHtml || escaper == Escaper::kAttribute ||
                        escaper == Escaper::kRcdata;
      const bool query = escaper == Escaper::kUrlQuery || escaper == Escaper::kUrlNormalize;
      if (!(name == "html" ? html : query)) continue;
      merged = true;
      if (name == "html") escaper = Escaper::kHtmlFunction;
      if (name == "urlquery") escaper = Escaper::kQueryFunction;
    }
    if (!merged) return;
    if (pipe.children.size() > 1) {
      pipe.children.pop_back();
    } else if (last.children.size() > 1) {
      last.children[0]->names[0] = "print";
    }
  }

  const Trees& trees_;
  std::string name_;
  std::map<std::string, Context> ends_;  // of each copy; assumed while it is being walked
  std::set<std::string> called_;
  Trees done_;
  Loop* loop_ = nullptr;
  int depth_ = 0;
};

}  // namespace

Result<std::shared_ptr<const Trees>> escape_trees(const Trees& trees, std::string_view name) {
  return Walk(trees).run(name);
}

}  // namespace gatehouse::gotemplate::html
