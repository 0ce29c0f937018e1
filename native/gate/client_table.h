// The tag that each client was given one by one, by a hook in JavaScript, until its time is over: read before every
// lookup, on every way in.
//
// Bound: `clients` addresses, in sets of four, their number rounded up to a power of two; a full set forgets the one
// that would have expired first, and that client is simply unknown again. All memory, 25 octets a client, is taken at
// construction.
#pragma once
#include <memory>

#include "base/clock.h"
#include "base/counters.h"
#include "base/guarded.h"
#include "base/hash.h"
#include "gate/client_address.h"

namespace shardns::gate {

class ClientTable {
 public:
  ClientTable(uint32_t clients, const HashSecret& secret);

  // One thread at a time; the others may read meanwhile.
  void Set(const ClientAddress& client, uint32_t tag, Ticks until);
  void Clear();
  // kUnknownTag: of nobody who was told, or not any more.
  uint32_t Find(const ClientAddress& client, Ticks now) const;
  // Clients that have a place, expired ones too.
  uint32_t size() const { return size_.load(std::memory_order_relaxed); }
  size_t memory_bytes() const { return sets_ * sizeof(Set4); }

 private:
  struct Client {
    ClientAddress address;
    uint32_t tag = kUnknownTag;  // kUnknownTag: a free place
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
  std::atomic<uint32_t> size_{0};
};

}  // namespace shardns::gate
