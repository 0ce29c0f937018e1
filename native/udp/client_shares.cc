// A table chained by bucket.
#include "udp/client_shares.h"

#include <netinet/in.h>

#include <algorithm>
#include <bit>

#include "udp/miss_ring.h"
#include "udp/socket.h"

namespace shardns::udp {

ClientKey ClientOf(const Peer& peer, const HashSecret& secret) {
  if (peer.address_length == 0) return {};
  sockaddr_in6 address = {};
  std::memcpy(&address, peer.address, peer.address_length);
  const auto client = gate::ClientAddress::Of(AddressOf(reinterpret_cast<const sockaddr*>(&address)));
  const bool v4 = std::memcmp(client.octets, gate::kMappedPrefix, sizeof gate::kMappedPrefix) == 0;
  uint8_t prefix[8] = {static_cast<uint8_t>(v4 ? 4 : 6)};
  if (v4) {
    std::memcpy(prefix + 1, client.octets + 12, 4);
  } else {
    std::memcpy(prefix + 1, client.octets, 7);
  }
  ClientKey key;
  std::memcpy(&key.prefix, prefix, sizeof prefix);
  key.hash = KeyedHash(secret, prefix, sizeof prefix, 3);
  return key;
}

ClientShares::ClientShares(uint32_t clients, Holding share)
    : share_(share),
      records_count_(clients),
      records_(new Record[clients]),
      buckets_(std::bit_ceil(size_t{clients} | 1), kNone) {}

uint32_t ClientShares::Find(const ClientKey& client) const {
  uint32_t place = buckets_[client.hash & (buckets_.size() - 1)];
  while (place != kNone && records_[place].key.prefix != client.prefix) place = records_[place].next;
  return place;
}

bool ClientShares::Allows(const ClientKey& client, bool with_flight, const Holding& free) const {
  const uint32_t place = client.prefix == 0 ? kNone : Find(client);
  if (place == kNone) return true;
  const Holding& held = records_[place].holding;
  return held.waiters < std::max(share_.waiters, free.waiters) &&
         (!with_flight || held.flights < std::max(share_.flights, free.flights));
}

uint32_t ClientShares::Take(const ClientKey& client, bool with_flight) {
  if (client.prefix == 0) return kNobody;
  uint32_t place = Find(client);
  if (place == kNone) {
    if (free_ != kNone) {
      place = free_;
      free_ = records_[place].next;
    } else {
      SHARDNS_CHECK(untouched_ < records_count_);
      place = untouched_++;
    }
    uint32_t& bucket = buckets_[client.hash & (buckets_.size() - 1)];
    records_[place] = {.key = client, .next = bucket, .holding = {}};
    bucket = place;
    ++clients_;
  }
  ++records_[place].holding.waiters;
  records_[place].holding.flights += with_flight;
  return place;
}

void ClientShares::BeginFlight(uint32_t place) {
  if (place != kNobody) ++records_[place].holding.flights;
}

void ClientShares::EndFlight(uint32_t place) {
  if (place != kNobody) --records_[place].holding.flights;
}

void ClientShares::EndWaiter(uint32_t place) {
  if (place == kNobody) return;
  Record& record = records_[place];
  if (--record.holding.waiters != 0) return;
  uint32_t* at = &buckets_[record.key.hash & (buckets_.size() - 1)];
  while (*at != place) at = &records_[*at].next;
  *at = record.next;
  record.next = free_;
  free_ = place;
  --clients_;
}

}  // namespace shardns::udp
