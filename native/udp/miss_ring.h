// Queries that the cache could not answer, on their way to JavaScript and back. Queries for a key already under way
// join its flight here, so that a stampede reaches JavaScript once.
//
// Bounds: `flights` keys under way, `waiters` queries waiting for them, of which one flight has at most three quarters;
// all memory is taken at construction. A full ring says so; it never blocks and never grows.
#pragma once
#include <memory>
#include <vector>

#include "base/guarded.h"
#include "udp/responder.h"
#include "udp/tenant_table.h"

namespace shardns::udp {

// Where a query came from, kept to answer it. Plain octets of the socket structures.
struct Peer {
  uint8_t address[28];  // sockaddr_in or sockaddr_in6
  uint8_t address_length = 0;
  uint8_t local_length = 0;  // in_pktinfo or in6_pktinfo; 0 = bound to one address
  uint16_t receiver = 0;
  uint8_t local[20];
};

enum class FlightKind : uint8_t { kMiss = 0, kRefresh = 1, kOtherClass = 2 };

inline constexpr size_t kKeptPacket = 512;

struct Waiter {
  uint32_t next;
  uint16_t packet_length;
  bool wants_reply;
  Peer peer;
  uint64_t received_us;
  uint8_t packet[kKeptPacket];
};

struct JoinArgs {
  const wire::Query& query;
  const Peer& peer;
  FlightKind kind = FlightKind::kMiss;
  uint32_t tenant = 0;
  uint64_t now_us = 0;
};

struct MissRingCounters {
  Counter flights;
  Counter joined;
  Counter full;
  Counter refreshes;
};

class MissRing {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  // kQueued: a new flight, JavaScript has to be woken.
  enum class Joined : uint8_t { kQueued, kJoined, kFull };

  MissRing(uint32_t flights, uint32_t waiters, const HashSecret& secret);

  // Queries of unknown clients (kUnknownTenant) never share a flight: who they are decides what they get.
  Joined Join(const JoinArgs& args);

  // Copies up to `most` waiting flights into `out` as records (kRecordHeader octets, then the packet, padded to 4).
  // Returns how many; `*left` says whether more wait.
  //  0        4      5        6      8        24       26      28
  //  | ticket | kind | family | port | address | length | local |     then the tenant, 4 octets
  static constexpr size_t kRecordHeader = 32;
  uint32_t Drain(MutableBytes out, uint32_t most, bool* left);

  // Leaves a drained flight its first waiter only, whom nobody joins any more: what he gets is not for the others. They
  // become a flight of their own, which waits to be drained. False when there is no room for it, or for an unknown
  // ticket.
  bool Part(uint32_t ticket);

  // Ends a flight. Its waiters, first to last, are handed to `visit(const Waiter&)`; false for an unknown ticket.
  template <typename Visit>
  bool Finish(uint32_t ticket, Visit visit);

  uint32_t in_flight() const { return static_cast<uint32_t>(in_flight_.Get()); }
  uint32_t waiting() const { return static_cast<uint32_t>(waiting_.Get()); }
  const MissRingCounters& counters() const { return counters_; }
  size_t memory_bytes() const;

 private:
  struct Flight {
    uint32_t serial = 0;       // makes an old ticket differ from a new one in the same place
    uint32_t chain = kNone;    // next flight of the same hash bucket, or next free
    uint32_t pending = kNone;  // next flight not yet drained
    uint32_t first = kNone;
    uint32_t last = kNone;
    uint32_t count = 0;
    bool open = false;
    FlightKind kind = FlightKind::kMiss;
    bool recursion_desired = true;
    uint16_t dns_class = 0;
    uint32_t tenant = 0;
    cache::Key key;
  };
  struct State {
    std::vector<uint32_t> buckets;
    uint32_t free_flight = kNone;
    uint32_t free_waiter = kNone;
    uint32_t pending_first = kNone;
    uint32_t pending_last = kNone;
  };

  static constexpr uint32_t kSerialShift = 16;  // tickets: serial << 16 | place; at most 65536 flights

  uint32_t KeepPacket(State& state, const wire::Query& query, const Peer& peer, bool wants_reply, uint64_t now_us);
  void Unchain(State& state, uint32_t place);
  void Enqueue(State& state, uint32_t place);

  const HashSecret secret_;
  const uint32_t waiters_per_flight_;
  std::vector<Flight> flights_;
  std::unique_ptr<Waiter[]> waiters_;
  uint32_t waiter_count_;
  Guarded<State> state_;
  MissRingCounters counters_;
  Counter in_flight_;
  Counter waiting_;
};

template <typename Visit>
bool MissRing::Finish(uint32_t ticket, Visit visit) {
  const uint32_t place = ticket & ((1u << kSerialShift) - 1);
  uint32_t first;
  {
    auto state = state_.Lock();
    if (place >= flights_.size()) return false;
    Flight& flight = flights_[place];
    if (!flight.open || (flight.serial & 0xFFFF) != ticket >> kSerialShift) return false;
    Unchain(*state, place);
    first = flight.first;
    flight.open = false;
    ++flight.serial;
    flight.chain = state->free_flight;
    state->free_flight = place;
    in_flight_.Subtract(1);
  }
  // The chain belongs to us now; nobody else can reach it.
  uint32_t last = kNone;
  uint32_t count = 0;
  for (uint32_t w = first; w != kNone; w = waiters_[w].next) {
    if (waiters_[w].wants_reply) visit(static_cast<const Waiter&>(waiters_[w]));
    last = w;
    ++count;
  }
  if (last != kNone) {
    auto state = state_.Lock();
    waiters_[last].next = state->free_waiter;
    state->free_waiter = first;
    waiting_.Subtract(count);
  }
  return true;
}

}  // namespace shardns::udp
