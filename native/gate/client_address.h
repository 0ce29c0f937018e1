// A client's address as a key: 16 octets, IPv4 as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2). And the tag of clients
// that nobody has sorted yet.
#pragma once
#include "base/bytes.h"

namespace shardns::gate {

// Nothing is ever stored under this tag: a client that has it misses whatever it asks.
inline constexpr uint32_t kUnknownTag = UINT32_MAX;

inline constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

struct ClientAddress {
  uint8_t octets[16];

  // Of 4 or 16 octets.
  static ClientAddress Of(Bytes octets) {
    SHARDNS_CHECK(octets.size() == 4 || octets.size() == 16);
    ClientAddress address = {};
    if (octets.size() == 4) std::memcpy(address.octets, kMappedPrefix, sizeof kMappedPrefix);
    std::memcpy(address.octets + 16 - octets.size(), octets.data(), octets.size());
    return address;
  }
};

}  // namespace shardns::gate
