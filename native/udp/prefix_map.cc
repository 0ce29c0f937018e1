// Nested prefixes to ranges, and the search.
#include "udp/prefix_map.h"

#include <algorithm>

namespace shardns::udp {

namespace {

unsigned __int128 Number(const uint8_t* octets, size_t count) {
  unsigned __int128 number = 0;
  for (size_t i = 0; i < count; ++i) number = number << 8 | octets[i];
  return number;
}

}  // namespace

std::vector<PrefixMap::Range> PrefixMap::Ranges(std::span<const MappedPrefix> prefixes, bool v6, uint32_t otherwise) {
  struct Block {
    Address first, last;
    uint32_t value;
  };
  const unsigned bits = v6 ? 128 : 32;
  const Address all = v6 ? ~Address{0} : Address{UINT32_MAX};
  std::vector<Block> blocks;
  for (const auto& [prefix, value] : prefixes) {
    if (prefix.v6 != v6) continue;
    const Address host = prefix.length == 0 ? all : (Address{1} << (bits - prefix.length)) - 1;
    const Address first = Number(prefix.address, bits / 8) & ~host;
    blocks.push_back({.first = first, .last = first | host, .value = value});
  }
  // Outer ones before those inside them; prefixes are nested or apart, never half.
  std::stable_sort(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) {
    return a.first != b.first ? a.first < b.first : a.last > b.last;
  });
  std::vector<Range> ranges;
  const auto begin = [&](Address first, uint32_t value) {
    if (!ranges.empty() && ranges.back().first == first) {
      ranges.back().value = value;
    } else {
      ranges.push_back({.first = first, .value = value});
    }
  };
  std::vector<Block> around;
  const auto leave_before = [&](Address first, bool every) {
    while (!around.empty() && (every || around.back().last < first)) {
      const Address last = around.back().last;
      around.pop_back();
      if (last != all) begin(last + 1, around.empty() ? otherwise : around.back().value);
    }
  };
  for (const Block& block : blocks) {
    leave_before(block.first, false);
    begin(block.first, block.value);
    around.push_back(block);
  }
  leave_before(0, true);
  ranges.shrink_to_fit();
  return ranges;
}

PrefixMap::PrefixMap(std::span<const MappedPrefix> prefixes, uint32_t otherwise)
    : v4_(Ranges(prefixes, false, otherwise)), v6_(Ranges(prefixes, true, otherwise)), otherwise_(otherwise) {}

uint32_t PrefixMap::Find(const sockaddr* peer) const {
  const bool v6 = peer->sa_family == AF_INET6;
  const Address address =
      v6 ? Number(reinterpret_cast<const sockaddr_in6*>(peer)->sin6_addr.s6_addr, 16)
         : Number(reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in*>(peer)->sin_addr), 4);
  const std::vector<Range>& ranges = v6 ? v6_ : v4_;
  const auto above = std::upper_bound(ranges.begin(), ranges.end(), address,
                                      [](Address one, const Range& range) { return one < range.first; });
  return above == ranges.begin() ? otherwise_ : std::prev(above)->value;
}

}  // namespace shardns::udp
