// The addresses that may ask. Compiled from configuration, immutable, consulted before any lookup.
#pragma once
#include <cstdint>
#include <vector>

#include "udp/socket.h"

namespace shardns::udp {

struct Prefix {
  uint8_t address[16];  // IPv4 in the first four octets
  uint8_t length;
  bool v6;
};

class AccessList {
 public:
  static constexpr size_t kMaxPrefixes = 4096;
  explicit AccessList(std::vector<Prefix> prefixes) : prefixes_(std::move(prefixes)) {}
  bool Allows(const sockaddr* peer) const;

 private:
  std::vector<Prefix> prefixes_;  // empty: everybody
};

}  // namespace shardns::udp
