// The walk follows the documentation of text/template and, in what it says of errors, the
// wording and the places of Go's program: an error names the node that was looked at last
// (place_).
//
// Costs: a step for each statement and expression, and one for each kWeighedBytes of what
// an expression comes to. So neither time nor memory outgrows steps_max, though values that
// double themselves are easily written. Values that functions make are bounded in depth,
// too, as they are printed and freed by recursion.
#include "lang/gotemplate/executor.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "lang/gotemplate/builtins.h"
#include "lang/gotemplate/format.h"
#include "lang/gotemplate/go_time.h"
#include "lang/gotemplate/html/escape.h"
#include "lang/gotemplate/quote.h"

namespace gatehouse::gotemplate {
namespace {

constexpr size_t kWeighedBytes = 256;
constexpr size_t kElementBytes = 64;         // what a Value weighs beside its text
constexpr size_t kValueBytesMax = 64 << 20;  // queries give 5,000 series with their labels
constexpr int kValueDepthMax = 64;
// Of bodies and pipelines across calls, which the stack must hold: a frame takes some 2 KB.
constexpr int kNestingMax = 1'000;
constexpr int64_t kStepsPerClock = 256;  // steps between two looks at the clock

// Adds what a value weighs; false: more than it may, or too deep.
bool weigh(const Value& value, int depth, size_t& bytes) {
  bytes += kElementBytes;
  if (const std::string* text = text_of(value)) bytes += text->size();
  if (bytes > kValueBytesMax || depth > kValueDepthMax) return false;
  if (const auto* list = value.as<std::shared_ptr<const List>>()) {
    for (const Value& element : **list) {
      if (!weigh(element, depth + 1, bytes)) return false;
    }
  } else if (const auto* map = value.as<std::shared_ptr<const Map>>()) {
    for (const auto& [key, element] : **map) {
      bytes += key.size();
      if (!weigh(element, depth + 1, bytes)) return false;
    }
  }
  return true;
}

class Executor {
 public:
  Executor(const Program& program, const Limits& limits) : program_(program), limits_(limits) {}

  Result<std::string> run(const Tree& tree, const Value& data) {
    tree_ = &tree;
    variables_.push_back({"$", data});
    ASSIGN_OR_RETURN(const Flow flow, walk(tree.body, data));
    (void)flow;
    return std::move(out_);
  }

 private:
  enum class Flow { kGoOn, kBreak, kContinue };
  // Counts what is walked within each other, for as long as it lives.
  class Nesting {
   public:
    explicit Nesting(int& count) : count_(count) { ++count_; }
    ~Nesting() { --count_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    int& count_;
  };
  struct Variable {
    std::string name;
    Value value;
  };
  // Where errors are said to be.
  struct Place {
    size_t position = 0;
    const Expr* expr = nullptr;
    const Statement* statement = nullptr;
  };
  // The arguments of a field or function: the words behind it, and what the pipeline hands
  // on to its last command.
  struct Call {
    const Value& dot;
    const std::vector<ExprPtr>* words = nullptr;  // the first is the callee itself
    const Value* final = nullptr;

    bool has_arguments() const { return (words && words->size() > 1) || final; }
  };

  // --- errors and costs

  Status failure(std::string message) const {
    std::string context;
    if (place_.expr) context = to_text(*place_.expr);
    if (place_.statement) context = to_text(*place_.statement);
    return invalid_argument("template: " + location(*tree_, place_.position) + ": executing " +
                            quote(tree_->name) + " at <" + context + ">: " + message);
  }
  Status exceeded(Code code, std::string what) const {
    return {code, failure(std::move(what)).message()};
  }
  void at(const Expr& expr) { place_ = {expr.position, &expr, nullptr}; }
  void at(const Statement& statement) { place_ = {statement.position, nullptr, &statement}; }

  Status charge(int64_t steps) {
    steps_ += steps;
    if (steps_ > limits_.steps_max) {
      return exceeded(Code::kResourceExhausted,
                      "more than " + std::to_string(limits_.steps_max) + " steps");
    }
    if (steps_ < next_clock_) return {};
    next_clock_ = steps_ + kStepsPerClock;
    if (limits_.deadline_steady_ms == INT64_MAX) return {};
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    if (std::chrono::duration_cast<std::chrono::milliseconds>(now).count() <
        limits_.deadline_steady_ms) {
      return {};
    }
    return exceeded(Code::kDeadlineExceeded, "it took too long");
  }
  Status charge_text(const Value& value) {
    const std::string* text = text_of(value);
    if (!text || text->size() < kWeighedBytes) return {};
    return charge(static_cast<int64_t>(text->size() / kWeighedBytes));
  }
  // Of what functions and methods made.
  Status charge_made(const Value& value) {
    size_t bytes = 0;
    if (!weigh(value, 0, bytes)) {
      return exceeded(Code::kResourceExhausted, "a value is larger or deeper than it may be");
    }
    return charge(static_cast<int64_t>(bytes / kWeighedBytes));
  }
  Status print(std::string_view text) {
    if (text.size() > limits_.output_bytes_max - std::min(out_.size(), limits_.output_bytes_max)) {
      return exceeded(Code::kResourceExhausted,
                      "it writes more than " + std::to_string(limits_.output_bytes_max) + " bytes");
    }
    out_.append(text);
    return {};
  }

  // --- statements

  Result<Flow> walk(const Body& body, const Value& dot) {
    const Nesting nesting(nesting_);
    if (nesting_ > kNestingMax) {
      return exceeded(Code::kResourceExhausted, "statements within each other too deep");
    }
    for (const Statement& statement : body) {
      ASSIGN_OR_RETURN(const Flow flow, walk(statement, dot));
      if (flow != Flow::kGoOn) return flow;
    }
    return Flow::kGoOn;
  }

  Result<Flow> walk(const Statement& statement, const Value& dot) {
    at(statement);
    RETURN_IF_ERROR(charge(1));
    switch (statement.kind) {
      case Statement::Kind::kText: RETURN_IF_ERROR(print(statement.text)); return Flow::kGoOn;
      case Statement::Kind::kAction: RETURN_IF_ERROR(action(statement, dot)); return Flow::kGoOn;
      case Statement::Kind::kTemplate:
        RETURN_IF_ERROR(call_template(statement, dot));
        return Flow::kGoOn;
      case Statement::Kind::kBreak: return Flow::kBreak;
      case Statement::Kind::kContinue: return Flow::kContinue;
      case Statement::Kind::kRange: return range(statement, dot);
      case Statement::Kind::kIf:
      case Statement::Kind::kWith: break;
    }
    const size_t mark = variables_.size();
    ASSIGN_OR_RETURN(const Value value, pipeline(dot, *statement.pipe));
    const bool truth = value.truth();
    const bool with = statement.kind == Statement::Kind::kWith;
    auto flow = truth ? walk(statement.body, with ? value : dot) : walk(statement.otherwise, dot);
    variables_.resize(mark);
    return flow;
  }

  Status action(const Statement& statement, const Value& dot) {
    // Variables last to the end of what holds the action.
    ASSIGN_OR_RETURN(Value value, pipeline(dot, *statement.pipe));
    if (!statement.pipe->names.empty()) return {};
    if (!statement.escapers.empty()) {
      for (const Escaper escaper : statement.escapers) {
        auto escaped = html::escape(escaper, value);
        if (!escaped.ok()) return exceeded(escaped.status().code(), escaped.status().message());
        value = std::move(*escaped);
        RETURN_IF_ERROR(charge_text(value));
      }
    }
    at(statement);
    if (value.nil()) return print("<no value>");
    if (const std::string* text = text_of(value)) return print(*text);
    auto text = sprint({&value, 1});
    if (!text.ok()) return exceeded(text.status().code(), text.status().message());
    return print(*text);
  }

  Status call_template(const Statement& statement, const Value& dot) {
    const auto found = program_.trees->find(statement.text);
    if (found == program_.trees->end()) {
      return failure("template " + quote(statement.text) + " not defined");
    }
    Value data;
    const size_t mark = variables_.size();
    if (statement.pipe) {
      ASSIGN_OR_RETURN(data, pipeline(dot, *statement.pipe));
    }
    variables_.resize(mark);
    return execute_tree(*found->second, data);
  }

  Status execute_tree(const Tree& tree, const Value& data) {
    if (depth_ >= limits_.depth_max) {
      return exceeded(Code::kResourceExhausted, "exceeded maximum template depth (" +
                                                    std::to_string(limits_.depth_max) + ")");
    }
    const Tree* caller = std::exchange(tree_, &tree);
    std::vector<Variable> outer = std::exchange(variables_, {});
    variables_.push_back({"$", data});
    ++depth_;
    ASSIGN_OR_RETURN(const Flow flow, walk(tree.body, data));
    (void)flow;
    --depth_;
    variables_ = std::move(outer);
    tree_ = caller;
    return {};
  }

  Result<Flow> range(const Statement& statement, const Value& dot) {
    const size_t mark = variables_.size();
    ASSIGN_OR_RETURN(const Value value, pipeline(dot, *statement.pipe));
    const size_t inner = variables_.size();
    bool any = false;
    Flow flow = Flow::kGoOn;
    // Whether the loop goes on.
    const auto one = [&](const Value& index, const Value& element) -> Result<bool> {
      any = true;
      RETURN_IF_ERROR(charge(1));
      RETURN_IF_ERROR(set_loop_variables(*statement.pipe, inner, index, element));
      ASSIGN_OR_RETURN(flow, walk(statement.body, element));
      variables_.resize(inner);
      return flow != Flow::kBreak;
    };
    RETURN_IF_ERROR(each(statement, value, one));
    if (!any) {
      auto ended = walk(statement.otherwise, dot);
      variables_.resize(mark);
      return ended;
    }
    variables_.resize(mark);
    return Flow::kGoOn;
  }

  template <typename One>
  Status each(const Statement& statement, const Value& value, const One& one) {
    if (const auto* count = value.as<int64_t>()) {
      if (statement.pipe->names.size() > 1) {
        return failure("can't use " + std::to_string(*count) +
                       " to iterate over more than one variable");
      }
      for (int64_t i = 0; i < *count; ++i) {
        ASSIGN_OR_RETURN(const bool more, one(Value(i), Value(i)));
        if (!more) break;
      }
      return {};
    }
    if (const List* list = list_of(value)) {
      for (size_t i = 0; i < list->size(); ++i) {
        ASSIGN_OR_RETURN(const bool more, one(Value(static_cast<int64_t>(i)), (*list)[i]));
        if (!more) break;
      }
      return {};
    }
    if (const Map* map = map_of(value)) {
      for (const auto& [key, element] : *map) {
        ASSIGN_OR_RETURN(const bool more, one(Value(key), element));
        if (!more) break;
      }
      return {};
    }
    if (value.nil()) return {};
    return failure("range can't iterate over " + value.text());
  }

  // One variable is the element, two are the index and the element.
  Status set_loop_variables(const Expr& pipe, size_t inner, const Value& index,
                            const Value& element) {
    if (pipe.names.empty()) return {};
    const bool pair = pipe.names.size() > 1;
    if (pipe.assigns) {
      RETURN_IF_ERROR(assign(pipe.names[0], pair ? index : element));
      return pair ? assign(pipe.names[1], element) : Status();
    }
    // The pipeline declared them in its order.
    variables_[inner - pipe.names.size()].value = pair ? index : element;
    if (pair) variables_[inner - 1].value = element;
    return {};
  }

  // --- variables

  Status assign(const std::string& name, const Value& value) {
    for (auto variable = variables_.rbegin(); variable != variables_.rend(); ++variable) {
      if (variable->name != name) continue;
      variable->value = value;
      return {};
    }
    return failure("undefined variable: " + name);
  }

  Result<Value> variable(const std::string& name) const {
    for (auto found = variables_.rbegin(); found != variables_.rend(); ++found) {
      if (found->name == name) return found->value;
    }
    return failure("undefined variable: " + name);
  }

  // --- expressions

  Result<Value> pipeline(const Value& dot, const Expr& pipe) {
    at(pipe);
    RETURN_IF_ERROR(charge(1));
    const Nesting nesting(nesting_);
    if (nesting_ > kNestingMax) {
      return exceeded(Code::kResourceExhausted, "expressions within each other too deep");
    }
    Value value;
    for (size_t i = 0; i < pipe.children.size(); ++i) {
      const Value last = std::move(value);
      ASSIGN_OR_RETURN(value, command(dot, *pipe.children[i], i == 0 ? nullptr : &last));
    }
    for (const std::string& name : pipe.names) {
      if (pipe.assigns) {
        RETURN_IF_ERROR(assign(name, value));
      } else {
        variables_.push_back({name, value});
      }
    }
    return value;
  }

  Result<Value> command(const Value& dot, const Expr& expr, const Value* final) {
    RETURN_IF_ERROR(charge(1));
    const Expr& first = *expr.children[0];
    const Call call{dot, &expr.children, final};
    switch (first.kind) {
      case Expr::Kind::kField: return field(first, call);
      case Expr::Kind::kVariable: return variable_field(first, call);
      case Expr::Kind::kChain: return chain(first, call);
      case Expr::Kind::kIdentifier: return function(first, call, expr);
      case Expr::Kind::kPipe:
        RETURN_IF_ERROR(check_no_arguments(first, call));
        return pipeline(dot, first);
      default: break;
    }
    at(first);
    RETURN_IF_ERROR(check_no_arguments(first, call));
    if (first.kind == Expr::Kind::kDot) return dot;
    if (first.kind == Expr::Kind::kNil) return failure("nil is not a command");
    return first.constant;
  }

  Status check_no_arguments(const Expr& word, const Call& call) {
    if (!call.has_arguments()) return {};
    return failure("can't give argument to non-function " + to_text(word));
  }

  Result<Value> argument(const Value& dot, const Expr& expr) {
    RETURN_IF_ERROR(charge(1));
    at(expr);
    ASSIGN_OR_RETURN(Value value, word(dot, expr));
    RETURN_IF_ERROR(charge_text(value));
    return value;
  }

  Result<Value> word(const Value& dot, const Expr& expr) {
    const Call call{dot};
    switch (expr.kind) {
      case Expr::Kind::kDot: return dot;
      case Expr::Kind::kNil: return Value();
      case Expr::Kind::kConstant: return expr.constant;
      case Expr::Kind::kField: return field(expr, call);
      case Expr::Kind::kVariable: return variable_field(expr, call);
      case Expr::Kind::kChain: return chain(expr, call);
      case Expr::Kind::kIdentifier: return function(expr, call, expr);
      case Expr::Kind::kPipe: return pipeline(dot, expr);
      case Expr::Kind::kCommand: break;
    }
    return failure("can't handle " + to_text(expr));
  }

  Result<Value> field(const Expr& expr, const Call& call) {
    at(expr);
    return fields(call.dot, expr, 0, call);
  }

  Result<Value> variable_field(const Expr& expr, const Call& call) {
    at(expr);
    ASSIGN_OR_RETURN(const Value value, variable(expr.names[0]));
    if (expr.names.size() > 1) return fields(value, expr, 1, call);
    RETURN_IF_ERROR(check_no_arguments(expr, call));
    RETURN_IF_ERROR(charge_text(value));
    return value;
  }

  Result<Value> chain(const Expr& expr, const Call& call) {
    at(expr);
    const Expr& first = *expr.children[0];
    if (first.kind == Expr::Kind::kNil) {
      return failure("indirection through explicit nil in " + to_text(expr));
    }
    ASSIGN_OR_RETURN(const Value value, argument(call.dot, first));
    return fields(value, expr, 0, call);
  }

  // .a.b.c of a receiver; the arguments are of the last.
  Result<Value> fields(Value receiver, const Expr& expr, size_t from, const Call& call) {
    bool element = false;  // of a map that holds anything, whose type Go sees
    bool missing = receiver.nil() && from == 0;
    for (size_t i = from; i < expr.names.size(); ++i) {
      const bool last = i + 1 == expr.names.size();
      const std::string& name = expr.names[i];
      if (receiver.nil()) {
        if (!missing && element) {
          return failure("nil pointer evaluating interface {}." + name);
        }
        if (program_.missing_key == MissingKey::kError) {
          return failure("nil data; no entry for key " + quote(name));
        }
        return Value();
      }
      missing = false;
      ASSIGN_OR_RETURN(Value value, member(receiver, name, last ? call : Call{call.dot}, expr,
                                           element, missing));
      element = map_of(receiver) && receiver.type_name() != "map[string]string";
      receiver = std::move(value);
    }
    RETURN_IF_ERROR(charge_text(receiver));
    return receiver;
  }

  Result<std::vector<Value>> arguments(const Call& call) {
    std::vector<Value> values;
    if (call.words) {
      for (size_t i = 1; i < call.words->size(); ++i) {
        ASSIGN_OR_RETURN(Value value, argument(call.dot, *(*call.words)[i]));
        values.push_back(std::move(value));
      }
    }
    if (call.final) values.push_back(*call.final);
    return values;
  }

  // `element`: the receiver came from a map that holds anything.
  Result<Value> member(const Value& receiver, const std::string& name, const Call& call,
                       const Expr& expr, bool element, bool& missing) {
    const auto* object = receiver.as<std::shared_ptr<const Object>>();
    const auto* time = receiver.as<Time>();
    const auto* duration = receiver.as<Duration>();
    if (object || time || duration) {
      ASSIGN_OR_RETURN(const std::vector<Value> values, arguments(call));
      at(expr);
      std::optional<Result<Value>> found;
      if (object && *object) found = (*object)->member(name, values);
      if (time) found = time_member(*time, name, values);
      if (duration) found = duration_member(*duration, name, values);
      if (found) {
        if (!found->ok()) return called(name, found->status(), call, values);
        RETURN_IF_ERROR(charge_made(**found));
        return std::move(*found);
      }
    }
    const Map* map = map_of(receiver);
    if (map) {
      if (call.has_arguments()) {
        return failure(name + " is not a method but has arguments");
      }
      const auto entry = map->find(name);
      if (entry != map->end()) return entry->second;
      missing = true;
      if (program_.missing_key == MissingKey::kZero) return Value("");
      if (program_.missing_key == MissingKey::kError) {
        return failure("map has no entry for key " + quote(name));
      }
      return Value();
    }
    return failure("can't evaluate field " + name + " in type " +
                   (element ? "interface {}" : std::string(receiver.type_name())));
  }

  // An error of what was called, but for errors of the call and of the bounds.
  Status called(const std::string& name, const Status& status, const Call& call,
                const std::vector<Value>& values) {
    if (is_call_error(status)) return misfit(status.message(), call, values);
    constexpr std::string_view kNoFunction = "non-function of type";
    if (status.message().starts_with(kNoFunction) && call.words && call.words->size() > 1) {
      return failure("error calling call: non-function " + to_text(*(*call.words)[1]) +
                     status.message().substr(kNoFunction.size() - 8));
    }
    const bool bound =
        status.code() == Code::kResourceExhausted || status.code() == Code::kDeadlineExceeded;
    return exceeded(bound ? status.code() : Code::kInvalidArgument,
                    "error calling " + name + ": " + status.message());
  }

  // "wrong type for value; expected string; got int" is said of the argument, which is the
  // first of that type.
  Status misfit(const std::string& message, const Call& call, const std::vector<Value>& values) {
    constexpr std::string_view kGot = "; got ";
    if (message.starts_with("wrong number") && call.words) at(*(*call.words)[0]);
    const size_t got = message.rfind(kGot);
    const bool missing = message.starts_with("invalid value");
    if (!call.words || (got == std::string::npos && !missing)) return failure(message);
    for (size_t i = 0; i + 1 < call.words->size() && i < values.size(); ++i) {
      if (missing ? !values[i].nil()
                  : values[i].type_name() != std::string_view(message).substr(got + kGot.size())) {
        continue;
      }
      const Expr& word = *(*call.words)[i + 1];
      at(word);
      if (missing || word.kind != Expr::Kind::kConstant) return failure(message);
      const size_t expected = message.find("expected ");
      return failure(message.substr(expected, got - expected) + "; found " + word.source);
    }
    return failure(message);
  }

  // `whole`: the command that the function leads, or the function alone.
  Result<Value> function(const Expr& expr, const Call& call, const Expr& whole) {
    at(expr);
    const std::string& name = expr.names[0];
    const auto own = program_.functions->find(name);
    if (own == program_.functions->end() && (name == "and" || name == "or")) {
      return logic(expr, call);
    }
    ASSIGN_OR_RETURN(const std::vector<Value> values, arguments(call));
    const auto& table = own == program_.functions->end() ? builtins() : *program_.functions;
    const auto found = own == program_.functions->end() ? table.find(name) : own;
    if (found == table.end()) return failure(quote(name) + " is not a defined function");
    const Place place = std::exchange(place_, {whole.position, &whole, nullptr});
    auto result = name == "tmpl" && own != program_.functions->end() ? captured(values)
                                                                     : found->second(values);
    if (!result.ok()) return called(name, result.status(), call, values);
    place_ = place;
    RETURN_IF_ERROR(charge_made(*result));
    return std::move(*result);
  }

  // Prometheus's "tmpl": what the template of a name that is computed prints.
  Result<Value> captured(const std::vector<Value>& values) {
    RETURN_IF_ERROR(check_count("tmpl", values, 2));
    ASSIGN_OR_RETURN(const std::string name, text_argument(values[0]));
    const auto found = program_.trees->find(name);
    if (found == program_.trees->end()) {
      return invalid_argument("template " + quote(name) + " not defined");
    }
    std::string outer = std::exchange(out_, {});
    const Place place = place_;
    RETURN_IF_ERROR(execute_tree(*found->second, values[1]));
    place_ = place;
    return Value(SafeText{SafeText::Kind::kHtml, std::exchange(out_, std::move(outer))});
  }

  // The first argument that decides; what follows it is not evaluated.
  Result<Value> logic(const Expr& expr, const Call& call) {
    const std::string& name = expr.names[0];
    const size_t words = call.words ? call.words->size() - 1 : 0;
    const size_t count = words + (call.final ? 1 : 0);
    if (count == 0) {
      return failure("wrong number of args for " + name + ": want at least 1 got 0");
    }
    Value value;
    for (size_t i = 0; i < count; ++i) {
      if (i < words) {
        ASSIGN_OR_RETURN(value, argument(call.dot, *(*call.words)[i + 1]));
      } else {
        value = *call.final;
      }
      if (value.truth() == (name == "or")) break;
    }
    return value;
  }

  const Program& program_;
  const Limits& limits_;
  const Tree* tree_ = nullptr;
  Place place_;
  std::string out_;
  std::vector<Variable> variables_;
  int64_t steps_ = 0;
  int64_t next_clock_ = 0;
  int depth_ = 1;
  int nesting_ = 0;
};

}  // namespace

Result<std::string> run_program(const Program& program, std::string_view name, const Value& data,
                                const Limits& limits) {
  return Executor(program, limits).run(*program.trees->find(name)->second, data);
}

}  // namespace gatehouse::gotemplate
