// Embedded by the assembler (.incbin), so that it needs no file beside the program.
#include "rules/builtin_rules.h"

#include <cstddef>

__asm__(
    ".pushsection .rodata\n"
    ".globl gatehouse_ai_rules_begin\n"
    "gatehouse_ai_rules_begin:\n"
    ".incbin \"" GATEHOUSE_AI_RULES_FILE
    "\"\n"
    ".globl gatehouse_ai_rules_end\n"
    "gatehouse_ai_rules_end:\n"
    ".popsection\n");

extern "C" {
extern const char gatehouse_ai_rules_begin[];
extern const char gatehouse_ai_rules_end[];
}

namespace gatehouse::rules {

std::string_view builtin_rules() {
  return {gatehouse_ai_rules_begin,
          static_cast<size_t>(gatehouse_ai_rules_end - gatehouse_ai_rules_begin)};
}

}  // namespace gatehouse::rules
