// Life cycle of the receivers; replies to waiters.
#include "udp/plane.h"

#include <unistd.h>

#include <algorithm>

namespace shardns::udp {

namespace {

// Address, port and interface.
bool IsSame(const Endpoint& one, const Endpoint& other) {
  const auto address = [](const Endpoint& at) { return AddressOf(reinterpret_cast<const sockaddr*>(&at.address)); };
  if (one.address.ss_family != other.address.ss_family || one.port() != other.port()) return false;
  if (!one.v6()) return std::ranges::equal(address(one), address(other));
  const auto scope = [](const Endpoint& at) {
    return reinterpret_cast<const sockaddr_in6*>(&at.address)->sin6_scope_id;
  };
  return std::ranges::equal(address(one), address(other)) && scope(one) == scope(other);
}

}  // namespace

Plane::Plane(answers::Cache* cache, gate::Gate* gate, const PlaneOptions& options, void (*wake)(void*),
             void* wake_context)
    : endpoints_(options.endpoints),
      tap_(options.tap),
      pin_(options.pin),
      ring_(options.flights, options.waiters, cache->secret(), options.client_share),
      shared_{.cache = cache,
              .ring = &ring_,
              .gate = gate,
              .copies = &copies_,
              .wake = wake,
              .wake_context = wake_context,
              .tap = tap_.get()},
      gate_(gate),
      responder_(cache, cache->NewReader()),
      admission_(gate, &responder_),
      scratch_(new answers::PrepareScratch) {}

std::unique_ptr<Plane> Plane::Create(answers::Cache* cache, gate::Gate* gate, PlaneOptions options, void (*wake)(void*),
                                     void* wake_context, int* error, size_t* failed) {
  std::unique_ptr<Plane> plane(new Plane(cache, gate, options, wake, wake_context));
  for (size_t e = 0; e < plane->endpoints_.size(); ++e) {
    const Endpoint& at = plane->endpoints_[e];
    const auto fail = [&](int fd) {
      *error = fd;
      *failed = e;
      return nullptr;
    };
    bool has_adopted = false;
    for (const PlaneOptions::Adopted& one : options.adopted) {
      if (one.endpoint != e) continue;
      const int fd = AdoptSocket(one.fd, at);
      if (fd < 0) return fail(fd);
      plane->AddReceiver({.fd = fd, .endpoint = at, .adopted = true});
      has_adopted = true;
    }
    if (has_adopted) continue;
    bool joins = false;
    if (options.predecessor != nullptr) {
      for (const auto& other : options.predecessor->receivers_) {
        joins |= IsSame(other->endpoint(), plane->endpoints_[e]) && LetShare(other->fd());
      }
    }
    for (uint32_t t = 0; t < options.threads; ++t) {
      // The first bind may choose the port; the others follow it.
      options.sockets.sharing = joins || t != 0        ? Sharing::kNext
                                : options.threads == 1 ? Sharing::kAlone
                                                       : Sharing::kFirst;
      const int fd = OpenSocket(&plane->endpoints_[e], options.sockets);
      if (fd < 0) return fail(fd);
      plane->AddReceiver({.fd = fd, .endpoint = at});
    }
  }
  return plane;
}

void Plane::AddReceiver(const ReceiverSocket& socket) {
  const uint16_t number = static_cast<uint16_t>(receivers_.size());
  receivers_.push_back(std::make_unique<Receiver>(&shared_, socket, number));
  replies_.push_back(std::make_unique<SendBatch>());
}

Plane::~Plane() {
  StopReceiving();
  receivers_.clear();  // joins
}

bool Plane::Start() {
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  for (size_t i = 0; i < receivers_.size(); ++i) {
    if (!receivers_[i]->Start(pin_ ? static_cast<int>(i % static_cast<size_t>(cpus > 0 ? cpus : 1)) : -1)) return false;
  }
  return true;
}

void Plane::StopReceiving() {
  for (auto& receiver : receivers_) receiver->Stop();
}

const Receiver* Plane::ReceiverAt(const Endpoint& endpoint) const {
  for (const auto& receiver : receivers_) {
    if (IsSame(receiver->endpoint(), endpoint)) return receiver.get();
  }
  return nullptr;
}

void Plane::YieldTo(const Plane& next) {
  for (auto& receiver : receivers_) {
    const Receiver* successor = next.ReceiverAt(receiver->endpoint());
    if (successor != nullptr) {
      receiver->StopFor(successor->fd());
    } else {
      receiver->Stop();
    }
  }
}

bool Plane::receiving() const {
  for (const auto& receiver : receivers_) {
    if (receiver->running()) return true;
  }
  return false;
}

void Plane::Tell(const Waiter& waiter, Told told, Bytes reply) {
  sockaddr_in6 peer;
  std::memcpy(&peer, waiter.peer.address, sizeof peer);
  told.address = AddressOf(reinterpret_cast<const sockaddr*>(&peer));
  told.port = PortOf(reinterpret_cast<const sockaddr*>(&peer));
  told.began_us = waiter.received_us;
  tap_->main().Write(tap_->settings(), told, reply);
}

template <typename Build>
bool Plane::AnswerWaiters(uint32_t ticket, AnsweredBy by, Build build) {
  const uint64_t now_us = MonotonicUs();
  const auto rules = admission_.rules().Take();
  const gate::Edge* const edge = rules ? rules->edge() : nullptr;
  const uint32_t generation = shared_.cache->generation();
  const uint32_t tag = edge == nullptr ? 0 : ring_.Look(ticket, generation).tenant;
  std::vector<AskedAgain> again;
  const bool tells = tap_ != nullptr && tap_->settings().on();
  Told told = {.by = by, .began_us = now_us};
  if (tells) tap_->Recall(ticket, &told);
  const bool known = ring_.Finish(ticket, [&](const Waiter& waiter) {
    SendBatch& batch = *replies_[waiter.peer.receiver];
    wire::Query query;
    wire::ParseQuery({waiter.packet, waiter.packet_length}, &query);
    Waiting waiting;
    if (edge != nullptr) Renew(*rules, waiter, tag, &query, &waiting);
    Told one = told;
    size_t length = build(query, batch.Next(), &one.by);
    if (length != 0 && edge != nullptr) {
      length = admission_.Reply(*edge, waiting.client, &waiting.admitted, query, batch.Next(), length);
      if (waiting.admitted.again != 0) {
        again.push_back({.waiter = waiter, .tag = waiting.admitted.again});
        return;
      }
    }
    if (length == 0) return;
    responder_.CountReply(batch.Next().data());
    if (copies_.Wants()) [[unlikely]] {
      copies_.Offer({waiter.packet, waiter.packet_length}, batch.Next().first(length), now_us - waiter.received_us);
    }
    if (tells) {
      one.by = waiting.admitted.By(one.by);
      Tell(waiter, one, batch.Next().first(length));
    }
    batch.Add(length, waiter.peer);
    durations_.Add(now_us - waiter.received_us);
    if (batch.full()) batch.Flush(receivers_[waiter.peer.receiver]->fd(), &send_counters_);
  });
  if (!again.empty()) AskAgain(*rules, again);
  return known;
}

// What the edge says now of one who has waited, and what its reply's OPT has: `query` points into `waiting` then.
void Plane::Renew(const gate::Rules& rules, const Waiter& waiter, uint32_t tag, wire::Query* query, Waiting* waiting) {
  const uint64_t now_us = MonotonicUs();
  static_assert(sizeof waiting->peer == sizeof waiter.peer.address);
  std::memcpy(&waiting->peer, waiter.peer.address, sizeof waiting->peer);
  waiting->client = {.address = AddressOf(reinterpret_cast<const sockaddr*>(&waiting->peer)),
                     .now_us = gate_->NowUs(now_us),
                     .wall_s = gate_->WallSeconds()};
  waiting->admitted.client = rules.Judge(waiting->client.address, gate_->Now(now_us / 1000));
  admission_.Renew(*rules.edge(), waiting->client, tag, query, &waiting->admitted);
}

void Plane::AskAgain(const gate::Rules& rules, std::span<const AskedAgain> asked) {
  const gate::Edge& edge = *rules.edge();
  bool wake = false;
  for (const AskedAgain& one : asked) {
    const Waiter& waiter = one.waiter;
    const uint32_t tag = one.tag;
    SendBatch& batch = *replies_[waiter.peer.receiver];
    const MutableBytes out = batch.Next();
    wire::Query query;
    const Bytes packet = {waiter.packet, waiter.packet_length};
    const wire::QueryVerdict parsed = wire::ParseQuery(packet, &query);
    Waiting waiting;
    Renew(rules, waiter, tag, &query, &waiting);
    const Ticks now = shared_.cache->NowTicks(MonotonicMs());
    const Response response = responder_.Respond(packet,
                                                 {.now = now,
                                                  .tenant = tag,
                                                  .parsed = &parsed,
                                                  .counting = Counting::kReply,
                                                  .other_tag = true,
                                                  .resolves = true},
                                                 &query, out);
    const auto join = [&](const Peer& peer, FlightKind kind) {
      const MissRing::Joined joined =
          ring_.Join({.query = query,
                      .peer = peer,
                      .kind = kind,
                      .tenant = tag,
                      .by_subnet = shared_.cache->tunables().Is(answers::mode::kClientSubnet),
                      .now_us = waiter.received_us,
                      .generation = shared_.cache->generation()});
      wake |= joined == MissRing::Joined::kQueued;
      return joined == MissRing::Joined::kQueued || joined == MissRing::Joined::kJoined;
    };
    // Judged as a first look-up is: by the rates of what it comes to, and for a refresh.
    size_t length = 0;
    if (response.verdict == Verdict::kReply) {
      length = admission_.ReplyCounted(edge, waiting.client, &waiting.admitted, query, out, response.length);
      Peer nobody;
      nobody.receiver = waiter.peer.receiver;
      if (response.answer.refresh) join(nobody, FlightKind::kRefresh);
    } else if (response.verdict == Verdict::kMiss) {
      const Admission::Said said = admission_.Miss(edge, waiting.client, waiting.admitted, query, out, &length);
      if (said == Admission::Said::kGoOn) {
        if (join(waiter.peer, FlightKind::kMiss)) continue;
        // Rather old than nothing.
        if (response.answer.has_stale) length = responder_.AnswerStale(query, tag, now, out);
        if (length == 0) length = responder_.Refuse(query, wire::rcode::kServFail, wire::kNoExtendedError, true, out);
        responder_.CountReply(out.data());
      }
    }
    if (length == 0) continue;
    if (tap_ != nullptr && tap_->settings().on()) {
      Tell(waiter, {.by = AnsweredBy::kBlocked, .began_us = waiter.received_us}, out.first(length));
    }
    batch.Add(length, waiter.peer);
    durations_.Add(MonotonicUs() - waiter.received_us);
    if (batch.full()) batch.Flush(receivers_[waiter.peer.receiver]->fd(), &send_counters_);
  }
  if (wake) shared_.wake(shared_.wake_context);
}

bool Plane::ReplyMessage(uint32_t ticket, const answers::PrepareArgs& message, uint16_t extended_error) {
  answers::EntryImage image;
  return answers::Sendable(answers::Prepare(message, scratch_.get(), &image)) &&
         ReplyImage(ticket, image, extended_error);
}

bool Plane::ReplyImage(uint32_t ticket, const answers::EntryImage& image, uint16_t extended_error) {
  return AnswerWaiters(ticket, AnsweredBy::kUpstream, [&](const wire::Query& query, MutableBytes out, AnsweredBy*) {
    return responder_.FinishImage(query, image, extended_error, true, out);
  });
}

bool Plane::ReplyError(uint32_t ticket, uint16_t rcode, wire::ErrorToTell error) {
  return AnswerWaiters(ticket, AnsweredBy::kFailed, [&](const wire::Query& query, MutableBytes out, AnsweredBy*) {
    return responder_.Refuse(query, rcode, error, true, out);
  });
}

bool Plane::ReplyStale(uint32_t ticket, uint32_t tenant) {
  const Ticks now = responder_.cache()->NowTicks(MonotonicMs());
  return AnswerWaiters(ticket, AnsweredBy::kHit, [&](const wire::Query& query, MutableBytes out, AnsweredBy* by) {
    const size_t length = responder_.AnswerStale(query, tenant, now, out, by);
    if (length != 0) return length;
    *by = AnsweredBy::kFailed;
    return responder_.Refuse(query, wire::rcode::kServFail, wire::kNoExtendedError, true, out);
  });
}

bool Plane::ReplyOctets(uint32_t ticket, Bytes reply) {
  const uint64_t now_us = MonotonicUs();
  return ring_.Finish(ticket, [&](const Waiter& waiter) {
    if (reply.size() < wire::kHeaderSize || reply.size() > kMaxUdpReply) return;
    SendBatch& batch = *replies_[waiter.peer.receiver];
    std::memcpy(batch.Next().data(), reply.data(), reply.size());
    responder_.CountReply(batch.Next().data());
    if (tap_ != nullptr && tap_->settings().on()) {
      Tell(waiter, {.by = AnsweredBy::kZone, .began_us = waiter.received_us}, reply);
    }
    batch.Add(reply.size(), waiter.peer);
    durations_.Add(now_us - waiter.received_us);
    if (batch.full()) batch.Flush(receivers_[waiter.peer.receiver]->fd(), &send_counters_);
  });
}

bool Plane::Discard(uint32_t ticket) {
  return ring_.Finish(ticket, [](const Waiter&) {});
}

void Plane::Flush() {
  for (size_t i = 0; i < replies_.size(); ++i) {
    if (!replies_[i]->empty()) replies_[i]->Flush(receivers_[i]->fd(), &send_counters_);
  }
}

size_t Plane::memory_bytes() const {
  return ring_.memory_bytes() + receivers_.size() * (sizeof(Receiver) + 2 * sizeof(SendBatch) +
                                                     kBatchPackets * (kReceiveStride + 2 * kSendStride));
}

void Plane::ReadStats(PlaneStats* stats) const {
  *stats = PlaneStats{};
  const auto add_responder = [&](const ResponderCounters& counters) {
    stats->dropped += counters.dropped.Get();
    for (size_t i = 0; i < 24; ++i) stats->responses_by_rcode[i] += counters.responses_by_rcode[i].Get();
    for (size_t i = 0; i < 3; ++i) stats->zone_answers[i] += counters.zone_answers[i].Get();
  };
  const auto add_durations = [&](const DurationHistogram& durations) {
    for (size_t i = 0; i < kDurationBuckets; ++i) stats->durations[i] += durations.buckets[i].Get();
    stats->duration_sum_us += durations.sum_us.Get();
  };
  for (const auto& receiver : receivers_) {
    (receiver->v6() ? stats->requests_v6 : stats->requests_v4) += receiver->responder_counters().requests.Get();
    add_responder(receiver->responder_counters());
    uint64_t* by_type = receiver->v6() ? stats->requests_by_type_v6 : stats->requests_by_type_v4;
    for (size_t i = 0; i < 257; ++i) by_type[i] += receiver->responder_counters().requests_by_type[i].Get();
    add_durations(receiver->durations());
    stats->refused += receiver->refused().Get();
    stats->sent += receiver->send_counters().sent.Get();
    stats->send_failed += receiver->send_counters().failed.Get();
  }
  add_durations(durations_);
  for (size_t i = 0; i < 24; ++i) stats->responses_by_rcode[i] += responder_.counters().responses_by_rcode[i].Get();
  stats->sent += send_counters_.sent.Get();
  stats->send_failed += send_counters_.failed.Get();
  stats->flights = ring_.counters().flights.Get();
  stats->joined = ring_.counters().joined.Get();
  stats->full = ring_.counters().full.Get();
  stats->over_share = ring_.counters().over_share.Get();
  stats->refreshes = ring_.counters().refreshes.Get();
  stats->in_flight = ring_.in_flight();
  stats->waiting = ring_.waiting();
  stats->copied = copies_.copied();
  stats->copies_dropped = copies_.dropped();
}

}  // namespace shardns::udp
