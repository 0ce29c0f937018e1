// What each client holds of the miss ring, so that none takes it all: IPv4 clients are told apart by address, IPv6
// clients by /56 (what one household or one rented server is given, RFC 6177 section 2).
//
// A client may hold its share, and beyond it as much as is still free (the dynamic threshold of Choudhury and Hahne,
// 1998): a single one, such as a front proxy by which everybody comes, at most half of the ring; of k that take all
// they can get each has one part of k + 1, and the last part is free for those who come.
//
// Bound: a record for each client that holds something, of which there are never more than `clients`; all memory is
// taken at construction. Not thread-safe: it lives under the ring's lock.
#pragma once
#include <memory>
#include <vector>

#include "base/hash.h"

namespace shardns::udp {

struct Peer;

// Whom a packet counts for: the same for every address of one /56.
struct ClientKey {
  uint64_t prefix = 0;  // 0 = nobody, who may hold everything: no packet came from there
  uint64_t hash = 0;
};
ClientKey ClientOf(const Peer& peer, const HashSecret& secret);

struct Holding {
  uint32_t flights = 0;
  uint32_t waiters = 0;
};

class ClientShares {
 public:
  static constexpr uint32_t kNobody = UINT32_MAX;

  // `share`: what one client may hold in any case.
  ClientShares(uint32_t clients, Holding share);

  // Whether the client may have one more waiter, and a flight where it begins one, of what is `free`.
  bool Allows(const ClientKey& client, bool with_flight, const Holding& free) const;
  // Takes them. Returns the client's place, which the waiter keeps; kNobody for nobody.
  uint32_t Take(const ClientKey& client, bool with_flight);
  // One flight more for a place that has a waiter.
  void BeginFlight(uint32_t place);
  // A place is given back with its last waiter: its flights go before.
  void EndFlight(uint32_t place);
  void EndWaiter(uint32_t place);

  uint32_t clients() const { return clients_; }
  size_t memory_bytes() const { return records_count_ * sizeof(Record) + buckets_.size() * sizeof(uint32_t); }

 private:
  struct Record {
    ClientKey key;
    uint32_t next;  // of the same bucket, or the next free
    Holding holding;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  uint32_t Find(const ClientKey& client) const;

  const Holding share_;
  const uint32_t records_count_;
  std::unique_ptr<Record[]> records_;
  std::vector<uint32_t> buckets_;
  uint32_t free_ = kNone;   // given back
  uint32_t untouched_ = 0;  // from here on none has been used: their pages neither
  uint32_t clients_ = 0;
};

}  // namespace shardns::udp
