// One line of a list in each format but zone files: hosts, domains (with wildcards), and the syntax of ad blockers as
// AdGuard reads it for DNS (urlfilter's rules). What it means goes into the rules; what has no meaning for names alone
// is told as unsupported: cosmetic rules, paths, regular expressions, modifiers for some clients or types.
//
// A rule is never read as wider than it is written: `||name` without its end mark is the name and what lies below it,
// not all names that begin so.
#pragma once
#include "gate/list_rules.h"

namespace shardns::gate {

ListLine ReadHostsLine(std::string_view line, uint32_t number, ListRules& rules);
ListLine ReadDomainsLine(std::string_view line, uint32_t number, ListRules& rules);
ListLine ReadAdblockLine(std::string_view line, uint32_t number, ListRules& rules);

}  // namespace shardns::gate
