// Prefix match.
#include "udp/access_list.h"

namespace shardns::udp {

bool AccessList::Allows(const sockaddr* peer) const {
  if (prefixes_.empty()) return true;
  const bool v6 = peer->sa_family == AF_INET6;
  const uint8_t* address = v6 ? reinterpret_cast<const sockaddr_in6*>(peer)->sin6_addr.s6_addr
                              : reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in*>(peer)->sin_addr);
  for (const Prefix& prefix : prefixes_) {
    if (prefix.v6 != v6) continue;
    const size_t whole = prefix.length / 8;
    if (std::memcmp(prefix.address, address, whole) != 0) continue;
    const uint8_t mask = static_cast<uint8_t>(0xFF00u >> (prefix.length % 8));
    if (prefix.length % 8 == 0 || ((prefix.address[whole] ^ address[whole]) & mask) == 0) return true;
  }
  return false;
}

}  // namespace shardns::udp
