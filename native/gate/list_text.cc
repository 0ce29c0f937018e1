// Text to names and addresses.
#include "gate/list_text.h"

#include <arpa/inet.h>

#include <cstdio>

namespace shardns::gate {

NameText ReadHostName(std::string_view text, WireName* name) {
  for (const char c : text) {
    if (static_cast<uint8_t>(c) >= 0x80) return NameText::kForeign;
  }
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  if (text.empty() || text.size() > wire::kMaxNameSize - 2) return NameText::kBroken;
  size_t label = 0;  // where its length stands
  size_t at = 1;
  bool number = true;  // the label so far
  for (const char c : text) {
    if (c == '.') {
      const size_t length = at - label - 1;
      if (length == 0 || length > wire::kMaxLabelSize) return NameText::kBroken;
      name->octets[label] = static_cast<uint8_t>(length);
      label = at++;
      number = true;
      continue;
    }
    const uint8_t octet = wire::FoldOctet(static_cast<uint8_t>(c));
    const bool digit = octet >= '0' && octet <= '9';
    if (!digit && !(octet >= 'a' && octet <= 'z') && octet != '-' && octet != '_') return NameText::kBroken;
    number &= digit;
    name->octets[at++] = octet;
  }
  const size_t length = at - label - 1;
  if (length == 0 || length > wire::kMaxLabelSize) return NameText::kBroken;
  if (number) return NameText::kAddress;
  name->octets[label] = static_cast<uint8_t>(length);
  name->octets[at++] = 0;
  name->size = at;
  return NameText::kName;
}

bool ReadZoneName(std::string_view text, const WireName& origin, WireName* name) {
  if (text.empty()) return false;
  if (text == "@") {
    *name = origin;
    return true;
  }
  if (text == ".") {
    name->octets[0] = 0;
    name->size = 1;
    return true;
  }
  size_t label = 0, at = 1;
  bool absolute = false;
  for (size_t i = 0; i < text.size(); ++i) {
    auto octet = static_cast<uint8_t>(text[i]);
    if (octet == '.') {
      const size_t length = at - label - 1;
      if (length == 0 || length > wire::kMaxLabelSize || at >= wire::kMaxNameSize) return false;
      name->octets[label] = static_cast<uint8_t>(length);
      if (i + 1 == text.size()) {
        absolute = true;
        break;
      }
      label = at++;
      continue;
    }
    if (octet == '\\') {
      uint32_t value;
      if (ReadNumber(text.substr(i + 1, 3), 255, &value) && text.size() - i > 3) {
        octet = static_cast<uint8_t>(value);
        i += 3;
      } else if (i + 1 < text.size() && (text[i + 1] < '0' || text[i + 1] > '9')) {
        octet = static_cast<uint8_t>(text[++i]);
      } else {
        return false;
      }
    }
    if (at >= wire::kMaxNameSize - 1) return false;
    name->octets[at++] = wire::FoldOctet(octet);
  }
  if (absolute) {
    name->octets[at++] = 0;
    name->size = at;
    return at <= wire::kMaxNameSize;
  }
  const size_t length = at - label - 1;
  if (length == 0 || length > wire::kMaxLabelSize || at + origin.size > wire::kMaxNameSize) return false;
  name->octets[label] = static_cast<uint8_t>(length);
  std::memcpy(name->octets + at, origin.octets, origin.size);
  name->size = at + origin.size;
  return true;
}

void AppendZoneName(Bytes name, std::string* out) {
  if (name.size() == 1) *out += '.';
  for (size_t at = 0; name[at] != 0;) {
    for (size_t end = at + 1 + name[at]; ++at < end;) {
      const uint8_t octet = name[at];
      if (octet <= ' ' || octet >= 0x7F) {
        char escaped[8];
        std::snprintf(escaped, sizeof escaped, "\\%03u", unsigned{octet});
        *out += escaped;
        continue;
      }
      if (std::string_view(".\\\"();@$").find(static_cast<char>(octet)) != std::string_view::npos) *out += '\\';
      *out += static_cast<char>(octet);
    }
    *out += '.';
  }
}

bool ReadAddress(std::string_view text, Prefix* address) {
  char copy[INET6_ADDRSTRLEN + 1];
  text = text.substr(0, text.find('%'));
  if (text.empty() || text.size() >= sizeof copy) return false;
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = 0;
  *address = {};
  if (inet_pton(AF_INET, copy, address->address) == 1) {
    address->length = 32;
    return true;
  }
  address->length = 128;
  address->v6 = true;
  return inet_pton(AF_INET6, copy, address->address) == 1;
}

bool ReadReversedPrefix(std::string_view labels, Prefix* prefix) {
  const size_t dot = labels.find('.');
  uint32_t length;
  if (dot == std::string_view::npos || !ReadNumber(labels.substr(0, dot), 128, &length)) return false;
  // Written forwards, it is an address as others.
  std::string_view rest = labels.substr(dot + 1);
  const std::string_view reversed = rest;
  std::string forwards;
  bool gap = false, v4 = true;
  size_t parts = 0;
  while (!rest.empty() || parts == 0) {
    const size_t last = rest.rfind('.');
    const std::string_view part = last == std::string_view::npos ? rest : rest.substr(last + 1);
    rest = last == std::string_view::npos ? std::string_view() : rest.substr(0, last);
    if (part.empty() || part.size() > 4 || ++parts > 8) return false;
    uint32_t octet;
    v4 &= ReadNumber(part, 255, &octet);
    if (EqualsIgnoringCase(part, "zz")) {
      if (gap) return false;
      gap = true;
      forwards += forwards.empty() ? "::" : ":";
    } else {
      forwards += part;
      if (!rest.empty()) forwards += ':';
    }
    if (rest.empty() && last != std::string_view::npos) return false;
  }
  v4 = v4 && parts == 4 && !gap && length <= 32;
  if (v4) {
    for (char& c : forwards) c = c == ':' ? '.' : c;
  } else if (gap && reversed.size() >= 2 && EqualsIgnoringCase(reversed.substr(0, 2), "zz") && forwards != "::" &&
             forwards.back() == ':' && forwards[forwards.size() - 2] != ':') {
    forwards += ':';
  }
  if (!ReadAddress(forwards, prefix) || prefix->v6 == v4) return false;
  const size_t octets = v4 ? 4 : 16;
  for (size_t bit = length; bit < octets * 8; ++bit) {
    if ((prefix->address[bit / 8] >> (7 - bit % 8) & 1) != 0) return false;
  }
  prefix->length = static_cast<uint8_t>(length);
  return true;
}

}  // namespace shardns::gate
