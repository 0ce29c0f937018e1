// Rules of prefixes from the input, judged at the edges of each against a search through all of them.
#include <algorithm>
#include <vector>

#include "gate/prefix_map.h"

using namespace shardns;
using gate::PrefixRule;

// From the outermost prefix in; of IPv4 for what it is, and for mapped addresses as 96 bits longer.
static uint32_t Naive(const std::vector<PrefixRule>& rules, Bytes address) {
  static const uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  const bool mapped = address.size() == 16 && std::memcmp(address.data(), kMapped, sizeof kMapped) == 0;
  uint32_t value = 0;
  for (int length = 0; length <= 128; ++length) {
    for (const bool v6 : {false, true}) {
      for (const PrefixRule& rule : rules) {
        const int as = rule.prefix.length + (mapped && !rule.prefix.v6 ? 96 : 0);
        const Bytes in = mapped && !rule.prefix.v6 ? address.subspan(12) : address;
        if (rule.prefix.v6 != v6 || as != length || in.size() != (v6 ? 16u : 4u)) continue;
        bool inside = true;
        for (int bit = 0; inside && bit < rule.prefix.length; ++bit) {
          inside = ((rule.prefix.address[bit / 8] ^ in[bit / 8]) >> (7 - bit % 8) & 1) == 0;
        }
        if (inside) value = (value & ~rule.mask) | (rule.value & rule.mask);
      }
    }
  }
  return value;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<PrefixRule> rules;
  // 18 octets a rule: family, length, address. At most as many as the search through all of them takes no time for.
  for (size_t at = 0; at + 18 <= size && rules.size() < 64; at += 18) {
    const bool v6 = (data[at] & 1) != 0;
    PrefixRule rule = {
        .prefix = {.address = {}, .length = static_cast<uint8_t>(data[at + 1] % (v6 ? 129 : 33)), .v6 = v6},
        .value = static_cast<uint32_t>(rules.size() + 1) * 0x10101,
        .mask = (data[at] & 2) != 0 ? gate::PrefixMap::kMaxValue : 0xFFu << (data[at] >> 3)};
    std::memcpy(rule.prefix.address, data + at + 2, 16);
    if (v6 && (data[at] & 4) != 0) {  // a mapped one
      std::memset(rule.prefix.address, 0, 10);
      rule.prefix.address[10] = rule.prefix.address[11] = 0xFF;
    }
    rule.mask &= gate::PrefixMap::kMaxValue;
    rule.value &= gate::PrefixMap::kMaxValue;
    rules.push_back(rule);
  }
  const gate::PrefixMap map(rules, 0);
  for (const PrefixRule& rule : rules) {
    const size_t octets = rule.prefix.v6 ? 16 : 4;
    for (int edge = 0; edge < 4; ++edge) {  // the first address, the last, and those beside them
      uint8_t address[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
      uint8_t* const own = address + 16 - octets;
      std::memcpy(own, rule.prefix.address, octets);
      for (size_t bit = rule.prefix.length; bit < octets * 8; ++bit) {
        const uint8_t one = static_cast<uint8_t>(0x80 >> bit % 8);
        own[bit / 8] = static_cast<uint8_t>((edge & 1) != 0 ? own[bit / 8] | one : own[bit / 8] & ~one);
      }
      for (size_t i = octets; (edge & 2) != 0 && i-- > 0;) {
        own[i] = static_cast<uint8_t>(own[i] + ((edge & 1) != 0 ? 1 : 0xFF));
        if (own[i] != ((edge & 1) != 0 ? 0 : 0xFF)) break;
      }
      SHARDNS_CHECK(map.Find({own, octets}) == Naive(rules, {own, octets}));
      SHARDNS_CHECK(map.Find({address, 16}) == Naive(rules, {address, 16}));
    }
  }
  return 0;
}
