// Flights and waiters.
#include "udp/miss_ring.h"

#include <netinet/in.h>

#include <algorithm>

namespace shardns::udp {

namespace {
constexpr uint32_t kMaxFlights = 65536;
}

MissRing::MissRing(uint32_t flights, uint32_t waiters, const HashSecret& secret, Holding share)
    : secret_(secret),
      waiters_per_flight_(std::max(1u, waiters / 4)),
      flights_(std::min(flights, kMaxFlights)),
      // Not value-initialised: pages are touched as they are needed.
      waiters_(new Waiter[waiters]),
      waiter_count_(waiters),
      state_(waiters, share) {
  auto state = state_.Lock();
  shares_bytes_ = state->shares.memory_bytes();
  size_t buckets = 1;
  while (buckets < flights_.size()) buckets *= 2;
  state->buckets.assign(buckets, kNone);
  for (uint32_t i = static_cast<uint32_t>(flights_.size()); i-- > 0;) {
    flights_[i].chain = state->free_flight;
    state->free_flight = i;
  }
  for (uint32_t i = waiters; i-- > 0;) {
    waiters_[i].next = state->free_waiter;
    state->free_waiter = i;
  }
}

size_t MissRing::memory_bytes() const {
  return flights_.size() * sizeof(Flight) + size_t{waiter_count_} * sizeof(Waiter) + shares_bytes_;
}

uint32_t MissRing::KeepPacket(State& state, const Keep& keep) {
  const wire::Query& query = keep.args.query;
  const uint32_t place = state.free_waiter;
  Waiter& waiter = waiters_[place];
  state.free_waiter = waiter.next;
  waiter.next = kNone;
  waiter.wants_reply = keep.args.kind != FlightKind::kRefresh;
  waiter.client = state.shares.Take(keep.client, keep.begins_flight);
  waiter.peer = keep.args.peer;
  waiter.received_us = keep.args.now_us;
  if (query.message.size() <= kKeptPacket) {
    std::memcpy(waiter.packet, query.message.data(), query.message.size());
    waiter.packet_length = static_cast<uint16_t>(query.message.size());
  } else {
    // Padding and the like: what a reply depends on is kept, the other options are not.
    std::memcpy(waiter.packet, query.message.data(), query.question_end);
    std::memset(waiter.packet + 6, 0, 6);
    size_t length = query.question_end;
    if (query.edns.present) {
      Store16(waiter.packet + 10, 1);
      const wire::ClientSubnet* subnet = query.edns.subnet.family != 0 ? &query.edns.subnet : nullptr;
      // A cookie that is too long for one is FORMERR where cookies are on, and nobody's where they are not.
      const Bytes cookie = query.edns.cookie_bytes().first(std::min(query.edns.cookie_bytes().size(), kMaxKeptCookie));
      length += wire::WriteOpt({.udp_size = query.edns.udp_size,
                                .dnssec_ok = query.edns.dnssec_ok,
                                .subnet = subnet,
                                .cookie = cookie,
                                .asks_nsid = query.edns.wants_nsid},
                               waiter.packet + length);
    }
    waiter.packet_length = static_cast<uint16_t>(length);
  }
  waiting_.Add();
  return place;
}

void MissRing::MakeAsked(const JoinArgs& args, Asked* asked) const {
  const wire::Query& query = args.query;
  wire::ClientSubnet subnet;
  if (args.by_subnet && query.edns.subnet.family != 0) {
    subnet = query.edns.subnet;
    subnet.scope_prefix = subnet.source_prefix;
  }
  answers::MakeKey(secret_, query.name(), query.type,
                   {.dnssec_ok = query.edns.dnssec_ok,
                    .checking_disabled = (query.flags & wire::flag::kCd) != 0,
                    .failure = false,
                    .tenant = args.tenant,
                    .scope = subnet},
                   &asked->key);
  asked->bits =
      static_cast<uint16_t>(query.flags & (wire::flag::kRd | (query.edns.dnssec_ok ? uint16_t{0} : wire::flag::kAd)));
}

uint32_t MissRing::FindOpen(const State& state, const JoinArgs& args, const Asked& asked) const {
  const answers::Key& key = asked.key;
  if (args.tenant == gate::kUnknownTag || args.kind == FlightKind::kAuthority) return kNone;
  uint32_t place = state.buckets[key.hash & (state.buckets.size() - 1)];
  for (; place != kNone; place = flights_[place].chain) {
    const Flight& flight = flights_[place];
    if (flight.key.hash == key.hash && flight.key.type == key.type && flight.key.flags == key.flags &&
        flight.epoch == state.EpochAt(args.generation) && flight.asked == asked.bits &&
        flight.dns_class == args.query.dns_class && flight.key.name_length == key.name_length &&
        flight.key.extra_length == key.extra_length && std::memcmp(flight.key.name, key.name, key.name_length) == 0 &&
        std::memcmp(flight.key.extra, key.extra, key.extra_length) == 0) {
      break;
    }
  }
  return place;
}

uint32_t MissRing::PlaceOf(uint32_t ticket) const {
  const uint32_t place = ticket & ((1u << kSerialShift) - 1);
  if (place >= flights_.size()) return kNone;
  const Flight& flight = flights_[place];
  return flight.open && (flight.serial & 0xFFFF) == ticket >> kSerialShift ? place : kNone;
}

MissRing::Drained MissRing::Look(uint32_t ticket, uint32_t generation) {
  auto state = state_.Lock();
  const uint32_t place = PlaceOf(ticket);
  if (place == kNone) return {};
  const Flight& flight = flights_[place];
  return {.first = &waiters_[flight.first],
          .tenant = flight.tenant,
          .outdated = flight.epoch != state->EpochAt(generation)};
}

uint32_t MissRing::Find(const JoinArgs& args) {
  Asked asked;
  MakeAsked(args, &asked);
  auto state = state_.Lock();
  const uint32_t place = FindOpen(*state, args, asked);
  return place == kNone ? kNone : (flights_[place].serial & 0xFFFF) << kSerialShift | place;
}

bool MissRing::Recall(uint32_t ticket, MutableBytes out) {
  auto state = state_.Lock();
  const uint32_t place = PlaceOf(ticket);
  return place != kNone && WriteRecord(place, out) != 0;
}

MissRing::Joined MissRing::Join(const JoinArgs& args) {
  const FlightKind kind = args.kind;
  const uint32_t tenant = args.tenant;
  Asked asked;
  MakeAsked(args, &asked);
  const ClientKey client = ClientOf(args.peer, secret_);
  auto state = state_.Lock();
  if (const uint32_t open = FindOpen(*state, args, asked); open != kNone) {
    Flight& flight = flights_[open];
    if (kind == FlightKind::kRefresh) return Joined::kJoined;
    if (state->free_waiter == kNone || flight.count >= waiters_per_flight_) {
      counters_.full.Add();
      return Joined::kFull;
    }
    if (!state->shares.Allows(client, false, Free())) {
      counters_.over_share.Add();
      return Joined::kOverShare;
    }
    const uint32_t waiter = KeepPacket(*state, {.args = args, .client = client, .begins_flight = false});
    waiters_[flight.last].next = waiter;
    flight.last = waiter;
    ++flight.count;
    counters_.joined.Add();
    return Joined::kJoined;
  }
  if (state->free_flight == kNone || state->free_waiter == kNone) {
    counters_.full.Add();
    return Joined::kFull;
  }
  if (!state->shares.Allows(client, true, Free()) ||
      (tenant == gate::kUnknownTag && state->unknown_flights >= std::max<size_t>(1, flights_.size() / 2))) {
    counters_.over_share.Add();
    return Joined::kOverShare;
  }
  const uint32_t place = state->free_flight;
  Flight& flight = flights_[place];
  state->free_flight = flight.chain;
  flight.first = flight.last = KeepPacket(*state, {.args = args, .client = client, .begins_flight = true});
  if (tenant == gate::kUnknownTag) ++state->unknown_flights;
  flight.count = 1;
  flight.open = true;
  flight.kind = kind;
  flight.asked = asked.bits;
  flight.dns_class = args.query.dns_class;
  flight.tenant = tenant;
  flight.epoch = state->EpochAt(args.generation);
  flight.key = asked.key;
  if (kind == FlightKind::kAuthority) flight.key.type = 0;  // which no query has: nobody joins it
  uint32_t& bucket = state->buckets[flight.key.hash & (state->buckets.size() - 1)];
  flight.chain = bucket;
  bucket = place;
  Enqueue(*state, place);
  in_flight_.Add();
  (kind == FlightKind::kRefresh ? counters_.refreshes : counters_.flights).Add();
  return Joined::kQueued;
}

void MissRing::Unchain(State& state, uint32_t place) {
  uint32_t* at = &state.buckets[flights_[place].key.hash & (state.buckets.size() - 1)];
  while (*at != place) at = &flights_[*at].chain;
  *at = flights_[place].chain;
}

bool MissRing::Part(uint32_t ticket) {
  const uint32_t place = ticket & ((1u << kSerialShift) - 1);
  auto state = state_.Lock();
  if (place >= flights_.size()) return false;
  Flight& flight = flights_[place];
  if (!flight.open || (flight.serial & 0xFFFF) != ticket >> kSerialShift) return false;
  const uint16_t type = flight.key.type;
  flight.key.type = 0;  // which no query has: it stays in its bucket, where Finish looks for it, and matches nothing
  if (flight.count == 1) return true;
  if (state->free_flight == kNone) return false;
  const uint32_t others = state->free_flight;
  Flight& rest = flights_[others];
  state->free_flight = rest.chain;
  rest.first = waiters_[flight.first].next;
  rest.last = flight.last;
  rest.count = flight.count - 1;
  state->shares.BeginFlight(waiters_[rest.first].client);  // it waits already: this may be more than its share
  rest.open = true;
  rest.kind = flight.kind;
  rest.asked = flight.asked;
  rest.dns_class = flight.dns_class;
  rest.tenant = flight.tenant;
  rest.epoch = flight.epoch;
  rest.key = flight.key;
  rest.key.type = type;
  uint32_t& bucket = state->buckets[rest.key.hash & (state->buckets.size() - 1)];
  rest.chain = bucket;
  bucket = others;
  waiters_[flight.first].next = kNone;
  flight.last = flight.first;
  flight.count = 1;
  Enqueue(*state, others);
  in_flight_.Add();
  counters_.flights.Add();
  return true;
}

void MissRing::Enqueue(State& state, uint32_t place) {
  flights_[place].pending = kNone;
  (state.pending_last != kNone ? flights_[state.pending_last].pending : state.pending_first) = place;
  state.pending_last = place;
}

uint32_t MissRing::Drain(MutableBytes out, uint32_t most, bool* left) {
  auto state = state_.Lock();
  uint32_t drained = 0;
  size_t at = 0;
  while (state->pending_first != kNone && drained < most) {
    const Flight& flight = flights_[state->pending_first];
    const size_t octets = WriteRecord(state->pending_first, out.subspan(at));
    if (octets == 0) break;
    at += octets;
    ++drained;
    state->pending_first = flight.pending;
    if (state->pending_first == kNone) state->pending_last = kNone;
  }
  *left = state->pending_first != kNone;
  return drained;
}

// 0: there is no room.
size_t MissRing::WriteRecord(uint32_t place, MutableBytes out) const {
  const Flight& flight = flights_[place];
  const Waiter& waiter = waiters_[flight.first];
  const size_t octets = (sizeof(FlightRecord) + waiter.packet_length + 3u) / 4 * 4;
  if (out.size() < octets) return 0;
  FlightRecord record = {.ticket = (flight.serial & 0xFFFF) << kSerialShift | place,
                         .kind = flight.kind,
                         .length = waiter.packet_length,
                         .receiver = waiter.peer.receiver,
                         .tenant = flight.tenant};
  if (waiter.peer.address_length == sizeof(sockaddr_in)) {
    record.family = 4;
    sockaddr_in address;
    std::memcpy(&address, waiter.peer.address, sizeof address);
    record.port = ntohs(address.sin_port);
    std::memcpy(record.address, &address.sin_addr, sizeof address.sin_addr);
  } else if (waiter.peer.address_length == sizeof(sockaddr_in6)) {
    record.family = 6;
    sockaddr_in6 address;
    std::memcpy(&address, waiter.peer.address, sizeof address);
    record.port = ntohs(address.sin6_port);
    std::memcpy(record.address, &address.sin6_addr, sizeof address.sin6_addr);
  }
  std::memcpy(out.data(), &record, sizeof record);
  std::memcpy(out.data() + sizeof record, waiter.packet, waiter.packet_length);
  return octets;
}

}  // namespace shardns::udp
