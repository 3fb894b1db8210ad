#include "lang/gotemplate/html/escaper.h"

#include "lang/gotemplate/html/escape.h"

namespace gatehouse::gotemplate::html {

Result<std::shared_ptr<const Trees>> escape_trees(const Trees&, std::string_view) {
  return Status(Code::kUnimplemented, "html mode is not built yet");
}
Result<std::string> escape(Escaper, const Value&) {
  return Status(Code::kUnimplemented, "html mode is not built yet");
}

}  // namespace gatehouse::gotemplate::html
