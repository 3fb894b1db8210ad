#include "lang/gotemplate/template.h"

#include <map>
#include <mutex>

#include "lang/gotemplate/builtins.h"
#include "lang/gotemplate/executor.h"
#include "lang/gotemplate/html/escaper.h"
#include "lang/gotemplate/parser.h"
#include "lang/gotemplate/quote.h"

namespace gatehouse::gotemplate {

struct Templates::State {
  std::shared_ptr<const Functions> functions;
  TemplateOptions options;
  Trees trees;
  // In HTML mode, what execution runs, made at the first execution of each name: contexts
  // follow calls, so that they are known only when all is parsed.
  struct Escaped {
    std::mutex mutex;
    std::map<std::string, Result<std::shared_ptr<const Trees>>, std::less<>> by_name;
  };
  std::unique_ptr<Escaped> escaped = std::make_unique<Escaped>();

  // Prometheus's "tmpl" executes templates whose names are computed.
  bool calls_by_name() const { return functions->contains("tmpl"); }
  bool is_function(std::string_view name) const {
    return name == "and" || name == "or" || builtins().contains(name) || functions->contains(name);
  }
};

namespace {

Status add_to(Trees& trees, std::string_view name, std::string_view text,
              const std::function<bool(std::string_view)>& is_function) {
  ASSIGN_OR_RETURN(std::vector<Tree> parsed, parse_trees(name, text, is_function));
  for (Tree& tree : parsed) {
    auto& place = trees[tree.name];
    // A blank text, as one that only defines others, replaces nothing.
    if (place && blank(tree.body)) continue;
    place = std::make_shared<const Tree>(std::move(tree));
  }
  return {};
}

}  // namespace

Templates::Templates(std::shared_ptr<const Functions> functions, TemplateOptions options)
    : state_(std::make_unique<State>()) {
  state_->functions = functions ? std::move(functions) : std::make_shared<const Functions>();
  state_->options = options;
}
Templates::~Templates() = default;
Templates::Templates(Templates&&) noexcept = default;
Templates& Templates::operator=(Templates&&) noexcept = default;

Status Templates::parse(std::string_view name, std::string_view text) {
  RETURN_IF_ERROR(add_to(state_->trees, name, text,
                         [this](std::string_view word) { return state_->is_function(word); }));
  state_->escaped->by_name.clear();
  return {};
}

bool Templates::has(std::string_view name) const { return state_->trees.contains(name); }

Result<std::string> Templates::execute(std::string_view name, const Value& data,
                                       const Limits& limits) const {
  if (!has(name)) {
    return not_found("template: no template " + quote(name) + " is defined");
  }
  Program program{&state_->trees, state_->functions.get(), state_->options.missing_key};
  if (state_->options.escape == Escape::kText) return run_program(program, name, data, limits);
  std::shared_ptr<const Trees> trees;
  {
    State::Escaped& escaped = *state_->escaped;
    const std::lock_guard lock(escaped.mutex);
    auto known = escaped.by_name.find(name);
    if (known == escaped.by_name.end()) {
      known = escaped.by_name
                  .emplace(std::string(name),
                           html::escape_trees(state_->trees, name, state_->calls_by_name()))
                  .first;
    }
    ASSIGN_OR_RETURN(trees, known->second);
  }
  program.trees = trees.get();
  return run_program(program, name, data, limits);
}

Result<std::string> Templates::execute_text(std::string_view text, const Value& data,
                                            const Limits& limits) const {
  Trees trees = state_->trees;
  constexpr std::string_view kName = "";
  trees.erase(std::string(kName));
  RETURN_IF_ERROR(add_to(trees, kName, text,
                         [this](std::string_view word) { return state_->is_function(word); }));
  Program program{&trees, state_->functions.get(), state_->options.missing_key};
  if (state_->options.escape == Escape::kText) return run_program(program, kName, data, limits);
  ASSIGN_OR_RETURN(const std::shared_ptr<const Trees> escaped,
                   html::escape_trees(trees, kName, state_->calls_by_name()));
  program.trees = escaped.get();
  return run_program(program, kName, data, limits);
}

}  // namespace gatehouse::gotemplate
