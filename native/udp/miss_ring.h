// Queries that the cache could not answer, on their way to JavaScript and back. Queries for a key already under way
// join its flight here, so that a stampede reaches JavaScript once.
//
// Bounds: `flights` keys under way, `waiters` queries waiting for them, of which one flight has at most a quarter, one
// client its share of both and more only while as much is free (ClientShares), and clients of no known tenant together
// half of the flights, since their addresses may be made up. All memory is taken at construction. A full ring says so;
// it never blocks and never grows.
#pragma once
#include <memory>
#include <vector>

#include "base/guarded.h"
#include "gate/client_address.h"
#include "udp/client_shares.h"
#include "udp/responder.h"

namespace shardns::udp {

// Where a query came from, kept to answer it. Plain octets of the socket structures.
struct Peer {
  uint8_t address[28];  // sockaddr_in or sockaddr_in6
  uint8_t address_length = 0;
  uint8_t local_length = 0;  // in_pktinfo or in6_pktinfo; 0 = bound to one address
  uint16_t receiver = 0;
  uint8_t local[20];
};

// kAuthority: transfers, notifications, updates, signed queries, those for the time until a zone expires: each is a
// flight of its own, which nobody joins.
enum class FlightKind : uint8_t { kMiss = 0, kRefresh = 1, kOtherClass = 2, kAuthority = 3 };

// How a flight crosses into JavaScript: the first query that waits for it. Its packet follows, padded to 4.
//  0        4      5        6      8         24       26         28       32
//  | ticket | kind | family | port | address | length | receiver | tenant |
struct FlightRecord {
  uint32_t ticket = 0;
  FlightKind kind = FlightKind::kMiss;
  uint8_t family = 0;  // 4 or 6; 0 where the client has no address
  uint16_t port = 0;
  uint8_t address[16] = {};  // IPv4 in the first four octets
  uint16_t length = 0;       // of the packet
  uint16_t receiver = 0;
  uint32_t tenant = 0;
};
static_assert(sizeof(FlightRecord) == 32);

inline constexpr size_t kKeptPacket = 512;
inline constexpr size_t kMaxKeptCookie = 40;  // RFC 7873 section 4

struct Waiter {
  uint32_t next;
  uint16_t packet_length;
  bool wants_reply;
  uint32_t client;  // its place in the shares
  Peer peer;
  uint64_t received_us;
  uint8_t packet[kKeptPacket];
};

struct JoinArgs {
  const wire::Query& query;
  const Peer& peer;
  FlightKind kind = FlightKind::kMiss;
  uint32_t tenant = 0;
  // Whether clients' subnets go upstream: only then do they tell questions apart.
  bool by_subnet = false;
  uint64_t now_us = 0;
  uint32_t generation = 0;  // of the cache
};

struct MissRingCounters {
  Counter flights;
  Counter joined;
  Counter full;
  Counter over_share;
  Counter refreshes;
};

class MissRing {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  // kQueued: a new flight, JavaScript has to be woken. kOverShare: there may be room, but not for this client.
  enum class Joined : uint8_t { kQueued, kJoined, kFull, kOverShare };

  // `share`: what one client may hold in any case; more while as much is free (ClientShares).
  MissRing(uint32_t flights, uint32_t waiters, const HashSecret& secret,
           Holding share = {.flights = UINT32_MAX, .waiters = UINT32_MAX});

  // One flight for all that differs only in what is not sent upstream (RFC 5452 section 5): the key is the name, type,
  // class, tenant, RD, CD, DO, AD where DO is clear (it asks for AD by itself, RFC 6840 section 5.7), and the subnet
  // where it is forwarded. lib/resolve/flight-key.ts makes the same one.
  // Queries of unknown clients (gate::kUnknownTag) never share a flight: who they are decides what they get.
  Joined Join(const JoinArgs& args);

  // Copies up to `most` waiting flights into `out` as FlightRecords. Returns how many; `*left` says whether more wait.
  uint32_t Drain(MutableBytes out, uint32_t most, bool* left);

  // Flights under way are joined no more: what they find may be what holds no more. So it is too where something has
  // been forgotten in the cache since they began, by whomever.
  void Outdate() { ++state_.Lock()->epoch; }

  // Leaves a drained flight its first waiter only, whom nobody joins any more: what he gets is not for the others. They
  // become a flight of their own, which waits to be drained. False when there is no room for it, or for an unknown
  // ticket.
  bool Part(uint32_t ticket);

  // A flight that was drained: who began it, until it ends.
  struct Drained {
    const Waiter* first = nullptr;  // null for an unknown ticket
    uint32_t tenant = 0;
    bool outdated = false;  // what it finds may hold no more
  };
  // `generation`: of the cache, now.
  Drained Look(uint32_t ticket, uint32_t generation);
  // The ticket of the drained flight that these would join; kNone if there is none.
  uint32_t Find(const JoinArgs& args);
  // The record of a drained flight once more; false for an unknown ticket.
  bool Recall(uint32_t ticket, MutableBytes out);

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
    uint16_t asked = 0;  // bits of the query's header that tell flights apart
    uint16_t dns_class = 0;
    uint32_t tenant = 0;
    uint32_t epoch = 0;  // EpochAt when it began
    answers::Key key;
  };
  struct State {
    State(uint32_t clients, Holding share) : shares(clients, share) {}

    std::vector<uint32_t> buckets;
    uint32_t free_flight = kNone;
    uint32_t free_waiter = kNone;
    uint32_t pending_first = kNone;
    uint32_t pending_last = kNone;
    uint32_t unknown_flights = 0;  // of clients whose tenant is not known
    uint32_t epoch = 0;
    // Flights of another one are not joined. Both only grow: their sum is the same where neither has.
    uint32_t EpochAt(uint32_t generation) const { return epoch + generation; }
    ClientShares shares;
  };

  static constexpr uint32_t kSerialShift = 16;  // tickets: serial << 16 | place; at most 65536 flights

  struct Keep {
    const JoinArgs& args;
    const ClientKey& client;
    bool begins_flight;
  };
  // Under the lock, as what is under way changes there only.
  Holding Free() const {
    return {.flights = static_cast<uint32_t>(flights_.size()) - in_flight(), .waiters = waiter_count_ - waiting()};
  }
  // What of a query tells flights apart.
  struct Asked {
    answers::Key key;
    uint16_t bits;  // of the query's header
  };
  void MakeAsked(const JoinArgs& args, Asked* asked) const;
  uint32_t FindOpen(const State& state, const JoinArgs& args, const Asked& asked) const;
  // Its place; kNone for an unknown ticket.
  uint32_t PlaceOf(uint32_t ticket) const;
  size_t WriteRecord(uint32_t place, MutableBytes out) const;
  uint32_t KeepPacket(State& state, const Keep& keep);
  void Unchain(State& state, uint32_t place);
  void Enqueue(State& state, uint32_t place);

  const HashSecret secret_;
  const uint32_t waiters_per_flight_;
  std::vector<Flight> flights_;
  std::unique_ptr<Waiter[]> waiters_;
  uint32_t waiter_count_;
  size_t shares_bytes_;
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
    state->shares.EndFlight(waiters_[first].client);
    if (flight.tenant == gate::kUnknownTag) --state->unknown_flights;
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
    for (uint32_t w = first; w != kNone; w = waiters_[w].next) state->shares.EndWaiter(waiters_[w].client);
    waiters_[last].next = state->free_waiter;
    state->free_waiter = first;
    waiting_.Subtract(count);
  }
  return true;
}

}  // namespace shardns::udp
