// Lines to rules.
#include "gate/list_formats.h"

#include <arpa/inet.h>

#include <algorithm>

namespace shardns::gate {

namespace {

ListLine LineOf(NameText text) { return text == NameText::kForeign ? ListLine::kForeign : ListLine::kBroken; }

std::string AddressText(const Prefix& address) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(address.v6 ? AF_INET6 : AF_INET, address.address, text, sizeof text);
  return (address.v6 ? "AAAA " : "A ") + std::string(text);
}

// 0.0.0.0, 127.0.0.0/8, :: and ::1: hosts files block by them.
bool IsBlocking(const Prefix& address) {
  if (!address.v6) {
    const uint32_t number = Load32(address.address);
    return number == 0 || number >> 24 == 127;
  }
  return std::all_of(address.address, address.address + 15, [](uint8_t octet) { return octet == 0; }) &&
         address.address[15] <= 1;
}

// Names that every hosts file gives this host.
bool IsOwnName(std::string_view name) {
  constexpr std::string_view kNames[] = {"localhost",     "localhost.localdomain", "local",        "broadcasthost",
                                         "ip6-localhost", "ip6-loopback",          "ip6-localnet", "ip6-mcastprefix",
                                         "ip6-allnodes",  "ip6-allrouters",        "ip6-allhosts", "0.0.0.0"};
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [&](std::string_view one) { return EqualsIgnoringCase(name, one); });
}

RuleSays Plain(const ListRules& rules) {
  return {.action = rules.source().allows ? ListAction::kPass : rules.source().block};
}

std::string Octets(const WireName& name) { return std::string(reinterpret_cast<const char*>(name.octets), name.size); }

// The address's names; all of them are looked at before one counts, so that a line is read again as a whole.
ListLine ReadHostNames(const Prefix& address, std::string_view names, uint32_t number, ListRules& rules) {
  ListLine result = ListLine::kNothing;
  WireName name;
  for (std::string_view rest = names;;) {
    const std::string_view word = NextWord(&rest);
    if (word.empty()) break;
    const NameText text = ReadHostName(word, &name);
    if (text == NameText::kForeign) return ListLine::kForeign;
    if (text != NameText::kName && !IsOwnName(word)) return ListLine::kBroken;
    result = ListLine::kRule;
  }
  if (result == ListLine::kNothing) return ListLine::kBroken;
  result = ListLine::kNothing;
  for (std::string_view rest = names;;) {
    const std::string_view word = NextWord(&rest);
    if (word.empty()) return result;
    if (IsOwnName(word) || ReadHostName(word, &name) != NameText::kName) continue;
    result = IsBlocking(address) || rules.source().allows
                 ? rules.Name(name, NameKind::kExact, Plain(rules), number)
                 : rules.Record({.trigger = Trigger::kQuestion, .octets = Octets(name)}, AddressText(address), number);
    if (result == ListLine::kFull) return result;
  }
}

// The pattern of an ad blocker's rule as a name and a kind.
ListLine ReadPattern(std::string_view pattern, WireName* name, NameKind* kind) {
  const bool anchored = pattern.starts_with("||");
  if (anchored) {
    pattern.remove_prefix(2);
  } else if (pattern.starts_with('|')) {
    pattern.remove_prefix(1);
  } else if (pattern.ends_with('|') && !pattern.ends_with("^|")) {
    return ListLine::kUnsupported;  // all names that end so
  }
  *kind = anchored ? NameKind::kSubtree : NameKind::kExact;
  if (pattern.ends_with('|')) pattern.remove_suffix(1);
  if (pattern.ends_with('^')) pattern.remove_suffix(1);
  if (pattern.starts_with("*.")) {
    pattern.remove_prefix(2);
    *kind = NameKind::kBelow;
  }
  if (pattern.find_first_of("/:*^|?=&[]()") != std::string_view::npos) return ListLine::kUnsupported;
  // What a name begins with.
  if (pattern.ends_with('.') || pattern.ends_with('-')) return ListLine::kUnsupported;
  const NameText text = ReadHostName(pattern, name);
  if (text == NameText::kAddress) return ListLine::kUnsupported;  // of an answer
  return text == NameText::kName ? ListLine::kRule : LineOf(text);
}

struct Modifiers {
  bool important = false, cancels = false;
  std::string_view rewrite = {};
  bool rewrites = false;
};

// False: one that a DNS server of this kind does not know, and a rule means nothing without.
bool ReadModifiers(std::string_view text, Modifiers* out) {
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view one = Trim(text.substr(0, comma));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (one == "important") {
      out->important = true;
    } else if (one == "badfilter") {
      out->cancels = true;
    } else if (one.starts_with("dnsrewrite=")) {
      out->rewrites = true;
      out->rewrite = one.substr(11);
    } else {
      return false;
    }
  }
  return true;
}

// $dnsrewrite: an rcode, an address or a name; or rcode;type;value.
ListLine Rewrite(const Modifiers& modifiers, const WireName& name, NameKind kind, uint32_t number, ListRules& rules) {
  const std::string_view text = modifiers.rewrite;
  std::string_view rcode = text, type, value;
  if (const size_t first = text.find(';'); first != std::string_view::npos) {
    const size_t second = text.find(';', first + 1);
    if (second == std::string_view::npos) return ListLine::kBroken;
    rcode = text.substr(0, first);
    type = text.substr(first + 1, second - first - 1);
    value = text.substr(second + 1);
  }
  RuleSays says = {.action = ListAction::kNxDomain, .important = modifiers.important};
  if (rcode == "NXDOMAIN") return rules.Name(name, kind, says, number);
  says.action = ListAction::kRefuse;
  if (rcode == "REFUSED") return rules.Name(name, kind, says, number);
  says.action = ListAction::kNoData;
  if (rcode == "NOERROR" && type.empty()) return rules.Name(name, kind, says, number);
  if (rcode == "NOERROR") {
    if (type != "A" && type != "AAAA" && type != "CNAME") return ListLine::kUnsupported;
  } else if (rcode != text || rcode == "SERVFAIL" || rcode == "FORMERR") {
    return ListLine::kUnsupported;
  } else {
    value = text;
  }
  const ListRules::Owner owner = {
      .trigger = Trigger::kQuestion, .kind = kind, .important = modifiers.important, .octets = Octets(name)};
  Prefix address;
  if (ReadAddress(value, &address)) {
    if (!type.empty() && (type == "AAAA") != address.v6) return ListLine::kBroken;
    return rules.Record(owner, AddressText(address), number);
  }
  WireName target;
  const NameText read = ReadHostName(value, &target);
  if (read != NameText::kName) return LineOf(read);
  if (!type.empty() && type != "CNAME") return ListLine::kBroken;
  std::string record = "CNAME ";
  AppendZoneName(target.bytes(), &record);
  return rules.Record(owner, std::move(record), number);
}

}  // namespace

ListLine ReadHostsLine(std::string_view line, uint32_t number, ListRules& rules) {
  line = Trim(line.substr(0, line.find('#')));
  if (line.empty() || line.front() == '!' || line.front() == '[') return ListLine::kNothing;
  std::string_view rest = line;
  const std::string_view first = NextWord(&rest);
  Prefix address;
  if (ReadAddress(first, &address)) return ReadHostNames(address, rest, number, rules);
  // Lists of both kinds are common; more than a name alone is neither.
  WireName name;
  const NameText text = ReadHostName(first, &name);
  if (text != NameText::kName || !Trim(rest).empty()) return LineOf(text);
  return IsOwnName(first) ? ListLine::kNothing : rules.Name(name, NameKind::kExact, Plain(rules), number);
}

ListLine ReadDomainsLine(std::string_view line, uint32_t number, ListRules& rules) {
  line = Trim(line.substr(0, line.find('#')));
  if (line.empty() || line.front() == '!' || line.front() == '[') return ListLine::kNothing;
  NameKind kind = rules.source().plain;
  if (line.starts_with("*.")) {
    line.remove_prefix(2);
    kind = rules.source().wildcard;
  } else if (line.front() == '.') {
    line.remove_prefix(1);
    kind = NameKind::kSubtree;
  }
  WireName name;
  const NameText text = ReadHostName(line, &name);
  if (text != NameText::kName) return LineOf(text);
  return IsOwnName(line) ? ListLine::kNothing : rules.Name(name, kind, Plain(rules), number);
}

ListLine ReadAdblockLine(std::string_view line, uint32_t number, ListRules& rules) {
  line = Trim(line);
  if (line.empty() || line.front() == '!' || line.front() == '[') return ListLine::kNothing;
  // ##selector, #@#, #?#, #$#, #%#: for browsers; any other # begins a comment.
  const size_t hash = line.find('#');
  if (hash != std::string_view::npos) {
    const char next = hash + 1 < line.size() ? line[hash + 1] : ' ';
    if (std::string_view("#@?$%").find(next) != std::string_view::npos) return ListLine::kUnsupported;
    if (hash == 0) return ListLine::kNothing;
    if (line[hash - 1] == ' ' || line[hash - 1] == '\t') line = Trim(line.substr(0, hash));
  }
  const bool allow = line.starts_with("@@");
  if (allow) line.remove_prefix(2);
  if (line.starts_with('/')) return ListLine::kUnsupported;
  std::string_view pattern = line.substr(0, line.find('$'));
  Modifiers modifiers;
  if (pattern.size() < line.size() && !ReadModifiers(line.substr(pattern.size() + 1), &modifiers)) {
    return ListLine::kUnsupported;
  }
  if (std::string_view rest = pattern; pattern.size() == line.size() && !allow) {
    Prefix address;
    const std::string_view first = NextWord(&rest);
    if (!rest.empty() && ReadAddress(first, &address)) return ReadHostNames(address, rest, number, rules);
  }
  WireName name;
  NameKind kind;
  if (const ListLine read = ReadPattern(pattern, &name, &kind); read != ListLine::kRule) return read;
  if (modifiers.rewrites) {
    // Exceptions from rewrites, and ends of them, are about other rules by their values.
    if (allow || modifiers.cancels) return ListLine::kUnsupported;
    return Rewrite(modifiers, name, kind, number, rules);
  }
  const RuleSays says = {.action = allow ? ListAction::kPass : rules.source().block, .important = modifiers.important};
  return modifiers.cancels ? rules.CancelName(name, kind, says, number) : rules.Name(name, kind, says, number);
}

}  // namespace shardns::gate
