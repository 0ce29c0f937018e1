// What belongs to the longest prefix that an address lies in: who may ask, and whose view a client has. Compiled from
// configuration, immutable, consulted before any lookup.
//
// Prefixes are laid out as the ranges of addresses that they leave to one another: a search for the last one that
// begins at or below an address, in ceil(log2(2n + 1)) steps, whatever the prefixes are.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "udp/socket.h"

namespace shardns::udp {

struct Prefix {
  uint8_t address[16];  // IPv4 in the first four octets
  uint8_t length;
  bool v6;
};

struct MappedPrefix {
  Prefix prefix;
  uint32_t value;
};

class PrefixMap {
 public:
  static constexpr size_t kMaxPrefixes = size_t{1} << 22;  // 1024 views of 4096 prefixes each

  // Addresses in none of them have the value `otherwise`; of equal prefixes the last one counts.
  PrefixMap(std::span<const MappedPrefix> prefixes, uint32_t otherwise);

  uint32_t Find(const sockaddr* peer) const;
  size_t memory_bytes() const { return (v4_.capacity() + v6_.capacity()) * sizeof(Range); }

 private:
  using Address = unsigned __int128;
  // From here to where the next one begins.
  struct Range {
    Address first;
    uint32_t value;
  };
  static std::vector<Range> Ranges(std::span<const MappedPrefix> prefixes, bool v6, uint32_t otherwise);

  std::vector<Range> v4_, v6_;
  const uint32_t otherwise_;
};

}  // namespace shardns::udp
