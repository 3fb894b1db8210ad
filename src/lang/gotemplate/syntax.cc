#include "lang/gotemplate/syntax.h"

#include <algorithm>
#include <string_view>

#include "lang/gotemplate/quote.h"

namespace gatehouse::gotemplate {
namespace {

void append_fields(const Expr& expr, size_t from, std::string& out) {
  for (size_t i = from; i < expr.names.size(); ++i) out.append(".").append(expr.names[i]);
}

void append_text(const Expr& expr, std::string& out);

void append_word(const Expr& expr, std::string& out) {
  const bool nested = expr.kind == Expr::Kind::kPipe;
  if (nested) out += '(';
  append_text(expr, out);
  if (nested) out += ')';
}

void append_pipe(const Expr& expr, std::string& out) {
  for (size_t i = 0; i < expr.names.size(); ++i) {
    if (i > 0) out += ", ";
    out += expr.names[i];
  }
  if (!expr.names.empty()) out += expr.assigns ? " = " : " := ";
  for (size_t i = 0; i < expr.children.size(); ++i) {
    if (i > 0) out += " | ";
    append_text(*expr.children[i], out);
  }
}

void append_text(const Expr& expr, std::string& out) {
  switch (expr.kind) {
    case Expr::Kind::kPipe: return append_pipe(expr, out);
    case Expr::Kind::kCommand:
      for (size_t i = 0; i < expr.children.size(); ++i) {
        if (i > 0) out += ' ';
        append_word(*expr.children[i], out);
      }
      return;
    case Expr::Kind::kDot: out += '.'; return;
    case Expr::Kind::kNil: out += "nil"; return;
    case Expr::Kind::kConstant: out += expr.source; return;
    case Expr::Kind::kField: return append_fields(expr, 0, out);
    case Expr::Kind::kVariable: out += expr.names[0]; return append_fields(expr, 1, out);
    case Expr::Kind::kChain:
      append_word(*expr.children[0], out);
      return append_fields(expr, 0, out);
    case Expr::Kind::kIdentifier: out += expr.names[0]; return;
  }
}

}  // namespace

std::string to_text(const Expr& expr) {
  std::string out;
  append_text(expr, out);
  return out;
}

std::string to_text(const Statement& statement) {
  const std::string pipe = statement.pipe ? to_text(*statement.pipe) : "";
  switch (statement.kind) {
    case Statement::Kind::kText: return statement.text;
    case Statement::Kind::kAction: return "{{" + pipe + "}}";
    case Statement::Kind::kIf: return "{{if " + pipe + "}}";
    case Statement::Kind::kWith: return "{{with " + pipe + "}}";
    case Statement::Kind::kRange: return "{{range " + pipe + "}}";
    case Statement::Kind::kTemplate:
      return "{{template " + quote(statement.text) + (pipe.empty() ? "" : " " + pipe) + "}}";
    case Statement::Kind::kBreak: return "{{break}}";
    case Statement::Kind::kContinue: return "{{continue}}";
  }
  return "";
}

ExprPtr clone(const Expr& expr) {
  auto copy = std::make_unique<Expr>();
  copy->kind = expr.kind;
  copy->assigns = expr.assigns;
  copy->position = expr.position;
  copy->names = expr.names;
  copy->constant = expr.constant;
  copy->source = expr.source;
  for (const ExprPtr& child : expr.children) copy->children.push_back(clone(*child));
  return copy;
}

Body clone(const Body& body) {
  Body copies;
  copies.reserve(body.size());
  for (const Statement& statement : body) {
    Statement& copy = copies.emplace_back();
    copy.kind = statement.kind;
    copy.position = statement.position;
    copy.text = statement.text;
    if (statement.pipe) copy.pipe = clone(*statement.pipe);
    copy.body = clone(statement.body);
    copy.otherwise = clone(statement.otherwise);
    copy.escapers = statement.escapers;
  }
  return copies;
}

bool blank(const Body& body) {
  return std::all_of(body.begin(), body.end(), [](const Statement& statement) {
    return statement.kind == Statement::Kind::kText &&
           statement.text.find_first_not_of(" \t\r\n") == std::string::npos;
  });
}

std::string location(const Tree& tree, size_t position) {
  const std::string_view before = std::string_view(*tree.source).substr(0, position);
  const size_t newline = before.rfind('\n');
  const size_t column = newline == std::string_view::npos ? position : position - newline - 1;
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  return tree.parse_name + ":" + std::to_string(line) + ":" + std::to_string(column);
}

}  // namespace gatehouse::gotemplate
