// A set-associative table; one short lock a set.
#include "udp/tenant_table.h"

#include <bit>

namespace shardns::udp {

namespace {
bool Same(const ClientAddress& a, const ClientAddress& b) { return std::memcmp(a.octets, b.octets, 16) == 0; }
}  // namespace

ClientAddress AddressOf(Bytes octets) {
  SHARDNS_CHECK(octets.size() == 4 || octets.size() == 16);
  ClientAddress address = {};
  if (octets.size() == 4) std::memcpy(address.octets, kMappedPrefix, sizeof kMappedPrefix);
  std::memcpy(address.octets + 16 - octets.size(), octets.data(), octets.size());
  return address;
}

ClientAddress AddressOf(const sockaddr* peer) {
  if (peer->sa_family == AF_INET6) {
    return AddressOf(Bytes(reinterpret_cast<const sockaddr_in6*>(peer)->sin6_addr.s6_addr, 16));
  }
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(peer);
  return AddressOf(Bytes(reinterpret_cast<const uint8_t*>(&v4->sin_addr), 4));
}

TenantTable::TenantTable(uint32_t clients, const HashSecret& secret)
    : secret_(secret), sets_(std::bit_ceil((size_t{clients} + 3) / 4)), table_(new Set4[sets_]) {}

TenantTable::Set4& TenantTable::SetOf(const ClientAddress& client) const {
  return table_[KeyedHash(secret_, client.octets, sizeof client.octets, 2) & (sets_ - 1)];
}

void TenantTable::Set(const ClientAddress& client, uint32_t tenant, Ticks until) {
  auto set = SetOf(client).Lock();
  Client* place = nullptr;
  for (Client& one : set->places) {
    if (one.tenant != kUnknownTenant && Same(one.address, client)) {
      place = &one;
      break;
    }
    if (place != nullptr && place->tenant == kUnknownTenant) continue;
    if (place == nullptr || one.tenant == kUnknownTenant || TicksUntil(one.until, place->until) < 0) place = &one;
  }
  *place = {.address = client, .tenant = tenant, .until = until};
}

uint32_t TenantTable::Find(const ClientAddress& client, Ticks now) const {
  auto set = SetOf(client).Lock();
  for (const Client& one : set->places) {
    if (one.tenant != kUnknownTenant && Same(one.address, client)) {
      return TicksUntil(one.until, now) > 0 ? one.tenant : kUnknownTenant;
    }
  }
  return kUnknownTenant;
}

void TenantTable::Clear() {
  for (size_t i = 0; i < sets_; ++i) *table_[i].Lock() = Clients4{};
}

}  // namespace shardns::udp
