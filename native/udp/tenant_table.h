// Which tenant a client belongs to, as JavaScript has decided: read by receivers before every lookup, so that hits of
// tenants stay native.
//
// Bound: `clients` addresses, in sets of four, their number rounded up to a power of two; a full set forgets the one
// that would have expired first, and that client is simply unknown again. All memory is taken at construction.
#pragma once
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/hash.h"
#include "udp/socket.h"

namespace shardns::udp {

// Nothing is ever stored under this tag: a client that is not in the table misses whatever it asks.
inline constexpr uint32_t kUnknownTenant = UINT32_MAX;

// An address in 16 octets: IPv4 as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2).
struct ClientAddress {
  uint8_t octets[16];
};
inline constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
ClientAddress AddressOf(const sockaddr* peer);
ClientAddress AddressOf(Bytes octets);  // 4 or 16

class TenantTable {
 public:
  TenantTable(uint32_t clients, const HashSecret& secret);

  void Set(const ClientAddress& client, uint32_t tenant, Ticks until);
  uint32_t Find(const ClientAddress& client, Ticks now) const;
  void Clear();
  size_t memory_bytes() const { return sets_ * sizeof(Set4); }

 private:
  struct Client {
    ClientAddress address;
    uint32_t tenant = kUnknownTenant;  // kUnknownTenant: a free place
    Ticks until = 0;
  };
  struct Clients4 {
    Client places[4];
  };
  using Set4 = Guarded<Clients4>;

  Set4& SetOf(const ClientAddress& client) const;

  const HashSecret secret_;
  const size_t sets_;  // a power of two
  std::unique_ptr<Set4[]> table_;
};

}  // namespace shardns::udp
