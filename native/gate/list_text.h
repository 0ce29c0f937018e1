// What the formats of lists have in common: names and addresses as text. Never allocates.
#pragma once
#include <string>
#include <string_view>

#include "gate/prefix_map.h"
#include "wire/name.h"

namespace shardns::gate {

struct WireName {
  uint8_t octets[wire::kMaxNameSize];
  size_t size = 0;
  Bytes bytes() const { return {octets, size}; }
};

enum class NameText : uint8_t {
  kName,
  kForeign,  // letters outside ASCII: a name once they are made A-labels (RFC 5891)
  kAddress,  // ends in a number, as addresses do and no name of a host
  kBroken,
};
// Folded. Names of hosts: letters, digits, hyphens and underscores, perhaps with a dot at the end.
NameText ReadHostName(std::string_view text, WireName* name);
// Of a zone file: any octets, \X and \DDD (RFC 1035 section 5.1), "@" and relative names below the origin, which may be
// the root. False when it is none.
bool ReadZoneName(std::string_view text, const WireName& origin, WireName* name);
// As a zone file writes it, with a dot at the end; at most 4 octets for each of the name's.
void AppendZoneName(Bytes name, std::string* out);

// An IPv4 or IPv6 address alone, a scope allowed; of full length.
bool ReadAddress(std::string_view text, Prefix* address);
// The owner of a trigger without its last label: prefix length, then the address's parts, the last first
// (draft-vixie-dnsop-dns-rpz section 4.1.1). False also where bits behind the prefix are set.
bool ReadReversedPrefix(std::string_view labels, Prefix* prefix);

inline std::string_view Trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}
// Up to the next blank, which is gone with it; empty at the end.
inline std::string_view NextWord(std::string_view* text) {
  *text = Trim(*text);
  size_t end = 0;
  while (end < text->size() && (*text)[end] != ' ' && (*text)[end] != '\t') ++end;
  const std::string_view word = text->substr(0, end);
  text->remove_prefix(end);
  return word;
}
inline bool EqualsIgnoringCase(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (wire::FoldOctet(static_cast<uint8_t>(a[i])) != static_cast<uint8_t>(lower[i])) return false;
  }
  return true;
}
// At most `most`; false for anything but digits.
inline bool ReadNumber(std::string_view text, uint32_t most, uint32_t* out) {
  if (text.empty() || text.size() > 10) return false;
  uint64_t number = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + static_cast<uint64_t>(c - '0');
  }
  *out = static_cast<uint32_t>(number);
  return number <= most;
}

}  // namespace shardns::gate
