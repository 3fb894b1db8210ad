#include "lang/gotemplate/parser.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "lang/gotemplate/lexer.h"
#include "lang/gotemplate/number.h"
#include "lang/gotemplate/quote.h"

namespace gatehouse::gotemplate {
namespace {

using Kind = TokenKind;

class Parser {
 public:
  Parser(std::string_view name, std::shared_ptr<const std::string> source,
         const std::function<bool(std::string_view)>& is_function)
      : name_(name),
        source_(std::move(source)),
        is_function_(is_function),
        tokens_(lex(*source_)) {}

  Result<std::vector<Tree>> run() {
    Body body;
    while (peek().kind != Kind::kEnd) {
      if (peek().kind == Kind::kLeftDelimiter) {
        const size_t start = at_++;
        if (is_keyword(next_non_space(), "define")) {
          RETURN_IF_ERROR(definition());
          continue;
        }
        at_ = start;
      }
      ASSIGN_OR_RETURN(const Stop stop, statement(body));
      if (stop != Stop::kNone) return failure("unexpected " + text_of(stop));
    }
    RETURN_IF_ERROR(add(std::string(name_), std::move(body)));
    // The text's own template last, wherever a definition of its name stood.
    std::stable_partition(trees_.begin(), trees_.end(),
                          [&](const Tree& tree) { return tree.name != name_; });
    return std::move(trees_);
  }

 private:
  // What ended a body.
  enum class Stop { kNone, kEnd, kElse };
  static std::string text_of(Stop stop) {
    return stop == Stop::kEnd ? "{{end}}" : stop == Stop::kElse ? "{{else}}" : "EOF";
  }

  // Go names the line of the token that was looked at last.
  Status failure(const std::string& message) const {
    const size_t position = tokens_[std::min(seen_, tokens_.size() - 1)].position;
    const auto line =
        1 + std::count(source_->begin(), source_->begin() + static_cast<ptrdiff_t>(position), '\n');
    return invalid_argument("template: " + std::string(name_) + ":" + std::to_string(line) + ": " +
                            message);
  }
  Status unexpected(const Token& token, std::string_view context) const {
    if (token.kind == Kind::kError) return failure(token.error);
    return failure("unexpected " + describe(token) + " in " + std::string(context));
  }

  const Token& token_at(size_t index) {
    const size_t kept = std::min(index, tokens_.size() - 1);
    seen_ = std::max(seen_, kept);
    return tokens_[kept];
  }
  const Token& peek() { return token_at(at_); }
  const Token& next() { return token_at(at_++); }
  const Token& peek_non_space() {
    while (peek().kind == Kind::kSpace) ++at_;
    return peek();
  }
  const Token& next_non_space() {
    peek_non_space();
    return next();
  }
  static bool is_keyword(const Token& token, std::string_view word) {
    return token.kind == Kind::kKeyword && token.text == word;
  }

  Status add(std::string name, Body body) {
    const auto known = std::find_if(trees_.begin(), trees_.end(),
                                    [&](const Tree& tree) { return tree.name == name; });
    if (known == trees_.end()) {
      trees_.push_back({std::move(name), std::string(name_), source_, std::move(body)});
      return {};
    }
    if (blank(known->body)) {
      known->body = std::move(body);
      return {};
    }
    if (blank(body)) return {};
    return failure("template: multiple definition of template " + quote(name));
  }

  Result<std::string> template_name(std::string_view context) {
    const Token& token = next_non_space();
    if (token.kind != Kind::kString && token.kind != Kind::kRawString) {
      return unexpected(token, context);
    }
    auto name = unquote(token.text);
    if (!name) return failure("invalid syntax");
    return std::move(*name);
  }

  Status expect_right_delimiter(std::string_view context) {
    const Token& token = next_non_space();
    if (token.kind != Kind::kRightDelimiter) return unexpected(token, context);
    return {};
  }

  // A body whose variables are its own, up to {{end}}.
  Result<Body> own_body(std::string_view context) {
    std::vector<std::string> outer = std::exchange(variables_, {"$"});
    const int loops = std::exchange(loops_, 0);
    Body body;
    ASSIGN_OR_RETURN(const Stop stop, statements(body));
    if (stop != Stop::kEnd) {
      return failure("unexpected " + text_of(stop) + " in " + std::string(context));
    }
    variables_ = std::move(outer);
    loops_ = loops;
    return body;
  }

  Status definition() {
    ASSIGN_OR_RETURN(std::string name, template_name("define clause"));
    RETURN_IF_ERROR(expect_right_delimiter("define clause"));
    ASSIGN_OR_RETURN(Body body, own_body("define clause"));
    return add(std::move(name), std::move(body));
  }

  // kNone: the text ended.
  Result<Stop> statements(Body& body) {
    if (++nesting_ > kSyntaxNestingMax) return failure("blocks within each other too deep");
    while (peek_non_space().kind != Kind::kEnd) {
      ASSIGN_OR_RETURN(const Stop stop, statement(body));
      if (stop == Stop::kNone) continue;
      --nesting_;
      return stop;
    }
    return failure("unexpected EOF");
  }

  Result<Stop> statement(Body& body) {
    const Token& token = next_non_space();
    if (token.kind == Kind::kText) {
      Statement& text = body.emplace_back();
      text.kind = Statement::Kind::kText;
      text.position = token.position;
      text.text = std::string(token.text);
      return Stop::kNone;
    }
    if (token.kind != Kind::kLeftDelimiter) return unexpected(token, "input");
    const size_t start = at_;
    const Token& word = next_non_space();
    if (word.kind == Kind::kKeyword) {
      if (word.text == "end") {
        RETURN_IF_ERROR(expect_right_delimiter("end"));
        return Stop::kEnd;
      }
      if (word.text == "else") return else_clause();
      ASSIGN_OR_RETURN(const bool known, keyword_statement(word, body));
      if (known) return Stop::kNone;
    }
    at_ = start;
    const size_t position = peek_non_space().position;
    ASSIGN_OR_RETURN(ExprPtr pipe, pipeline("command", Kind::kRightDelimiter));
    Statement& action = body.emplace_back();
    action.kind = Statement::Kind::kAction;
    action.position = position;
    action.pipe = std::move(pipe);
    return Stop::kNone;
  }

  Result<Stop> else_clause() {
    // "else if" and "else with" are read by the statement that they belong to.
    const Token& token = peek_non_space();
    if (is_keyword(token, "if") || is_keyword(token, "with")) return Stop::kElse;
    RETURN_IF_ERROR(expect_right_delimiter("else"));
    return Stop::kElse;
  }

  Result<bool> keyword_statement(const Token& word, Body& body) {
    using K = Statement::Kind;
    const size_t variables = variables_.size();
    Status status;
    if (word.text == "if") {
      status = control(K::kIf, word, body);
    } else if (word.text == "with") {
      status = control(K::kWith, word, body);
    } else if (word.text == "range") {
      status = control(K::kRange, word, body);
    } else if (word.text == "template") {
      status = template_call(body);
    } else if (word.text == "block") {
      status = block(body);
    } else if (word.text == "break" || word.text == "continue") {
      status = leave_loop(word, body);
    } else {
      return false;
    }
    RETURN_IF_ERROR(status);
    variables_.resize(std::min(variables, variables_.size()));
    return true;
  }

  Status leave_loop(const Token& word, Body& body) {
    const Token& token = next_non_space();
    if (token.kind != Kind::kRightDelimiter)
      return unexpected(token, "{{" + std::string(word.text) + "}}");
    if (loops_ == 0) return failure("{{" + std::string(word.text) + "}} outside {{range}}");
    Statement& statement = body.emplace_back();
    statement.kind = word.text == "break" ? Statement::Kind::kBreak : Statement::Kind::kContinue;
    statement.position = word.position;
    return {};
  }

  Status template_call(Body& body) {
    Statement call;
    call.kind = Statement::Kind::kTemplate;
    call.position = peek_non_space().position;
    ASSIGN_OR_RETURN(call.text, template_name("template clause"));
    if (peek_non_space().kind == Kind::kRightDelimiter) {
      ++at_;
    } else {
      ASSIGN_OR_RETURN(call.pipe, pipeline("template clause", Kind::kRightDelimiter));
    }
    body.push_back(std::move(call));
    return {};
  }

  Status block(Body& body) {
    Statement call;
    call.kind = Statement::Kind::kTemplate;
    call.position = peek_non_space().position;
    ASSIGN_OR_RETURN(call.text, template_name("block clause"));
    ASSIGN_OR_RETURN(call.pipe, pipeline("block clause", Kind::kRightDelimiter));
    ASSIGN_OR_RETURN(Body defined, own_body("block clause"));
    RETURN_IF_ERROR(add(call.text, std::move(defined)));
    body.push_back(std::move(call));
    return {};
  }

  Status control(Statement::Kind kind, const Token& word, Body& body) {
    if (++nesting_ > kSyntaxNestingMax) return failure("blocks within each other too deep");
    const size_t variables = variables_.size();
    const std::string context(word.text);
    Statement made;
    made.kind = kind;
    made.position = word.position;
    ASSIGN_OR_RETURN(made.pipe, pipeline(context, Kind::kRightDelimiter));
    if (kind == Statement::Kind::kRange) ++loops_;
    ASSIGN_OR_RETURN(Stop stop, statements(made.body));
    if (kind == Statement::Kind::kRange) --loops_;
    if (stop == Stop::kElse) {
      const Token& token = peek();
      if (kind != Statement::Kind::kRange && is_keyword(token, word.text)) {
        ++at_;
        RETURN_IF_ERROR(control(kind, token, made.otherwise));
      } else {
        ASSIGN_OR_RETURN(stop, statements(made.otherwise));
        if (stop != Stop::kEnd) return failure("expected end; found " + text_of(stop));
      }
    }
    variables_.resize(std::min(variables, variables_.size()));
    --nesting_;
    body.push_back(std::move(made));
    return {};
  }

  // Whether declarations go on ("range $i, $e := ...").
  Result<bool> declaration(Expr& pipe, std::string_view context) {
    const Token& variable = peek_non_space();
    if (variable.kind != Kind::kVariable) return false;
    const size_t start = at_++;
    const Token& follower = peek_non_space();
    if (follower.kind == Kind::kAssign || follower.kind == Kind::kDeclare) {
      ++at_;
      pipe.assigns = follower.kind == Kind::kAssign;
      pipe.names.emplace_back(variable.text);
      declared_.emplace_back(variable.text);
      return false;
    }
    if (follower.kind != Kind::kChar || follower.text != ",") {
      at_ = start;
      return false;
    }
    ++at_;
    pipe.names.emplace_back(variable.text);
    declared_.emplace_back(variable.text);
    if (context != "range" || pipe.names.size() >= 2) {
      return failure("too many declarations in " + std::string(context));
    }
    const Kind kind = peek_non_space().kind;
    if (kind == Kind::kVariable || kind == Kind::kRightDelimiter ||
        kind == Kind::kRightParenthesis) {
      return true;
    }
    return failure("range can only initialize variables");
  }

  Result<ExprPtr> pipeline(std::string_view context, Kind end) {
    if (++nesting_ > kSyntaxNestingMax) return failure("expressions within each other too deep");
    auto pipe = std::make_unique<Expr>();
    pipe->kind = Expr::Kind::kPipe;
    pipe->position = peek_non_space().position;
    const size_t first_declared = declared_.size();
    for (bool more = true; more;) {
      ASSIGN_OR_RETURN(more, declaration(*pipe, context));
    }
    for (size_t i = first_declared; i < declared_.size(); ++i) variables_.push_back(declared_[i]);
    declared_.resize(first_declared);
    while (true) {
      const Token& token = peek_non_space();
      if (token.kind == end) break;
      if (!begins_operand(token)) {
        ++at_;
        return unexpected(token, context);
      }
      ASSIGN_OR_RETURN(ExprPtr made, command());
      pipe->children.push_back(std::move(made));
    }
    ++at_;
    RETURN_IF_ERROR(check_pipeline(*pipe, context));
    --nesting_;
    return pipe;
  }

  static bool begins_operand(const Token& token) {
    switch (token.kind) {
      case Kind::kBool:
      case Kind::kCharConstant:
      case Kind::kDot:
      case Kind::kField:
      case Kind::kIdentifier:
      case Kind::kNumber:
      case Kind::kRawString:
      case Kind::kString:
      case Kind::kVariable:
      case Kind::kLeftParenthesis: return true;
      default: return is_keyword(token, "nil");
    }
  }

  Status check_pipeline(const Expr& pipe, std::string_view context) {
    if (pipe.children.empty()) return failure("missing value for " + std::string(context));
    for (size_t i = 1; i < pipe.children.size(); ++i) {
      switch (pipe.children[i]->children[0]->kind) {
        case Expr::Kind::kDot:
        case Expr::Kind::kNil:
        case Expr::Kind::kConstant:
          return failure("non executable command in pipeline stage " + std::to_string(i + 1));
        default: break;
      }
    }
    return {};
  }

  Result<ExprPtr> command() {
    auto made = std::make_unique<Expr>();
    made->kind = Expr::Kind::kCommand;
    made->position = peek_non_space().position;
    while (true) {
      peek_non_space();
      ASSIGN_OR_RETURN(ExprPtr word, operand());
      if (word) made->children.push_back(std::move(word));
      const Token& token = next();
      if (token.kind == Kind::kSpace) continue;
      if (token.kind == Kind::kRightDelimiter || token.kind == Kind::kRightParenthesis) {
        --at_;
      } else if (token.kind != Kind::kPipe) {
        return unexpected(token, "operand");
      }
      break;
    }
    if (made->children.empty()) return failure("empty command");
    return made;
  }

  // A term and the fields that follow it; null: no term stands here.
  Result<ExprPtr> operand() {
    ASSIGN_OR_RETURN(ExprPtr made, term());
    if (!made || peek().kind != Kind::kField) return made;
    const size_t position = peek().position;
    std::vector<std::string> fields;
    while (peek().kind == Kind::kField) fields.emplace_back(next().text.substr(1));
    switch (made->kind) {
      case Expr::Kind::kField:
      case Expr::Kind::kVariable:
        made->position = position;
        for (std::string& field : fields) made->names.push_back(std::move(field));
        return made;
      case Expr::Kind::kDot:
      case Expr::Kind::kNil:
      case Expr::Kind::kConstant:
        return failure("unexpected . after term " + quote(to_text(*made)));
      default: break;
    }
    auto chain = std::make_unique<Expr>();
    chain->kind = Expr::Kind::kChain;
    chain->position = position;
    chain->names = std::move(fields);
    chain->children.push_back(std::move(made));
    return chain;
  }

  Result<ExprPtr> term() {
    const Token& token = next_non_space();
    auto made = std::make_unique<Expr>();
    made->position = token.position;
    made->source = std::string(token.text);
    switch (token.kind) {
      case Kind::kIdentifier:
        if (!is_function_(token.text)) {
          return failure("function " + quote(token.text) + " not defined");
        }
        made->kind = Expr::Kind::kIdentifier;
        made->names.emplace_back(token.text);
        return made;
      case Kind::kDot: return made;
      case Kind::kVariable:
        if (std::find(variables_.begin(), variables_.end(), token.text) == variables_.end()) {
          return failure("undefined variable " + quote(token.text));
        }
        made->kind = Expr::Kind::kVariable;
        made->names.emplace_back(token.text);
        return made;
      case Kind::kField:
        made->kind = Expr::Kind::kField;
        made->names.emplace_back(token.text.substr(1));
        return made;
      case Kind::kBool: made->constant = Value(token.text == "true"); break;
      case Kind::kCharConstant:
      case Kind::kNumber: {
        auto number = parse_constant(token.text);
        if (!number.ok()) return failure(number.status().message());
        made->constant = std::move(*number);
        break;
      }
      case Kind::kString:
      case Kind::kRawString: {
        auto text = unquote(token.text);
        if (!text) return failure("invalid syntax");
        made->constant = Value(std::move(*text));
        break;
      }
      case Kind::kLeftParenthesis:
        return pipeline("parenthesized pipeline", Kind::kRightParenthesis);
      default:
        if (is_keyword(token, "nil")) {
          made->kind = Expr::Kind::kNil;
          return made;
        }
        --at_;
        return ExprPtr();
    }
    made->kind = Expr::Kind::kConstant;
    return made;
  }

  std::string_view name_;
  std::shared_ptr<const std::string> source_;
  const std::function<bool(std::string_view)>& is_function_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  size_t seen_ = 0;
  int nesting_ = 0;
  int loops_ = 0;
  std::vector<std::string> variables_ = {"$"};
  std::vector<std::string> declared_;  // of the pipelines being read
  std::vector<Tree> trees_;
};

}  // namespace

Result<std::vector<Tree>> parse_trees(std::string_view name, std::string_view text,
                                      const std::function<bool(std::string_view)>& is_function) {
  if (text.size() > kSourceBytesMax) {
    return invalid_argument("template: " + std::string(name) + ": the text is longer than " +
                            std::to_string(kSourceBytesMax) + " bytes");
  }
  return Parser(name, std::make_shared<const std::string>(text), is_function).run();
}

}  // namespace gatehouse::gotemplate
