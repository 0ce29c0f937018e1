// The receive loop.
#include "udp/receiver.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "udp/answering_ports.h"

namespace shardns::udp {

Receiver::Receiver(ReceiverShared* shared, const ReceiverSocket& socket, uint16_t number)
    : shared_(shared),
      fd_(socket.fd),
      adopted_(socket.adopted),
      endpoint_(socket.endpoint),
      with_local_(socket.endpoint.wildcard()),
      number_(number),
      responder_(shared->cache, shared->cache->NewReader()),
      admission_(shared->gate, &responder_),
      tap_writer_(shared->tap == nullptr ? nullptr : shared->tap->NewWriter()) {}

Receiver::~Receiver() {
  Stop();
  if (started_) pthread_join(thread_, nullptr);
  for (const int fd : {fd_, successor_fd_, stop_read_, stop_write_}) {
    if (fd >= 0) close(fd);
  }
}

bool Receiver::Start(int cpu) {
  if (adopted_) {
    int ends[2];
    if (pipe(ends) != 0) return false;
    for (const int fd : ends) fcntl(fd, F_SETFD, FD_CLOEXEC);
    stop_read_ = ends[0];
    stop_write_ = ends[1];
  }
  running_.store(true, std::memory_order_release);
  const auto run = [](void* self) -> void* {
    static_cast<Receiver*>(self)->Run();
    return nullptr;
  };
  if (pthread_create(&thread_, nullptr, run, this) != 0) {
    running_.store(false, std::memory_order_release);
    return false;
  }
  started_ = true;
#ifdef __linux__
  char name[16];
  std::snprintf(name, sizeof name, "shardns-udp%u", number_ % 1000u);
  pthread_setname_np(thread_, name);
  if (cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu % CPU_SETSIZE, &set);
    pthread_setaffinity_np(thread_, sizeof set, &set);
  }
#endif
  return true;
}

void Receiver::Stop() {
  if (stopping_.exchange(true)) return;
  if (!adopted_) return StopReceiving(fd_);
  // There is room for one octet. Without a pipe nothing runs that could wait.
  const char octet = 0;
  if (stop_write_ >= 0) (void)!write(stop_write_, &octet, sizeof octet);
}

void Receiver::Wait() const {
  pollfd both[] = {{.fd = fd_, .events = POLLIN, .revents = 0}, {.fd = stop_read_, .events = POLLIN, .revents = 0}};
  (void)poll(both, 2, -1);
}

void Receiver::StopFor(int successor_fd) {
  if (adopted_) return Stop();
  successor_fd_ = fcntl(successor_fd, F_DUPFD_CLOEXEC, 0);
  LeaveToOthers(fd_, endpoint_);
  Stop();
}

void Receiver::Run() {
  for (;;) {
    const bool last = stopping_.load(std::memory_order_acquire);
    if (last && adopted_) break;
    const int count = received_.Receive(fd_, with_local_, last || adopted_);
    if (count > 0) {
      batch_us_ = MonotonicUs();
      answered_ = 0;
      Handle(count);
      durations_.Add(MonotonicUs() - batch_us_, answered_);
    } else if (last) {
      break;
    } else if (adopted_ && count == -EAGAIN) {
      Wait();
    } else if (count < 0 && count != -EAGAIN && count != -EINTR && count != -ECONNREFUSED) {
      // Out of buffers, say. The socket stays good; do not spin on it.
      usleep(1000);
    }
  }
  // The number stays: whoever sends replies by it does not notice.
  if (successor_fd_ >= 0) dup3(successor_fd_, fd_, O_CLOEXEC);
  running_.store(false, std::memory_order_release);
}

void Receiver::HandleMiss(const gate::Edge* edge, const Miss& miss, Batch* batch, bool* wake) {
  const auto& [at, tenant, response] = miss;
  const int packet = batch->numbers[at];
  const wire::Query& query = batch->queries[at];
  FlightKind kind = FlightKind::kMiss;
  if (response.query_verdict == wire::QueryVerdict::kOtherClass) kind = FlightKind::kOtherClass;
  if (wire::IsForAuthority(response.query_verdict)) [[unlikely]] {
    kind = FlightKind::kAuthority;
    // All of it is needed: what is not kept whole is to come over TCP.
    if (query.message.size() > kKeptPacket) {
      const MutableBytes out = replies_.At(static_cast<size_t>(packet));
      const size_t length = responder_.Truncate(query, true, out);
      responder_.CountReply(out.data());
      return Reply(packet, length, AnsweredBy::kZone);
    }
  }
  switch (shared_->ring->Join({.query = query,
                               .peer = received_.peer(packet, number_),
                               .kind = kind,
                               .tenant = tenant,
                               .by_subnet = by_subnet(),
                               .now_us = batch_us_,
                               .generation = shared_->cache->generation()})) {
    case MissRing::Joined::kQueued:
      *wake = true;
      return;
    case MissRing::Joined::kJoined:
      return;
    case MissRing::Joined::kFull:
    case MissRing::Joined::kOverShare:
      break;
  }
  // Rather old than nothing; rather nothing than waiting.
  const MutableBytes out = replies_.At(static_cast<size_t>(packet));
  size_t length = 0;
  AnsweredBy by = AnsweredBy::kStale;
  if (response.answer.has_stale) {
    length = responder_.AnswerStale(query, tenant, shared_->cache->NowTicks(batch_us_ / 1000), out);
  }
  if (length != 0 && edge != nullptr) {
    length = admission_.Reply(*edge, batch->clients[at], &batch->admitted[at], query, out, length);
    if (length == 0 && batch->admitted[at].again == 0) return responder_.CountDropped();
    by = batch->admitted[at].By(by);
  }
  if (length == 0) {
    length = responder_.Refuse(query, wire::rcode::kServFail, wire::kNoExtendedError, true, out);
    by = AnsweredBy::kFailed;
  }
  responder_.CountReply(out.data());
  Reply(packet, length, by);
}

void Receiver::Reply(int packet, size_t length, AnsweredBy by) {
  ++answered_;
  if (shared_->copies->Wants()) [[unlikely]] {
    shared_->copies->Offer(received_.packet(packet), replies_.At(static_cast<size_t>(packet)).first(length),
                           MonotonicUs() - batch_us_);
  }
  replies_.AddAt(static_cast<size_t>(packet), length, received_.header(packet).msg_hdr, with_local_);
  if (tap_.on()) [[unlikely]]
    Tell(packet, length, by);
}

void Receiver::Tell(int packet, size_t length, AnsweredBy by) {
  const auto* peer = static_cast<const sockaddr*>(received_.header(packet).msg_hdr.msg_name);
  tap_writer_->Sample(tap_, {.address = AddressOf(peer), .port = PortOf(peer), .by = by, .began_us = batch_us_},
                      replies_.At(static_cast<size_t>(packet)).first(length));
}

void Receiver::Admit(const gate::Edge& edge, Batch* batch) {
  for (size_t i = 0; i < batch->taken; ++i) {
    const Bytes packet = batch->packets[i];
    wire::Query& query = batch->queries[i];
    batch->parsed[i] = wire::ParsePlainQuery(packet, &query) || wire::ParseCookieQuery(packet, &query)
                           ? wire::QueryVerdict::kAnswer
                           : wire::ParseAnyQuery(packet, &query);
    const bool named = batch->parsed[i] == wire::QueryVerdict::kAnswer;
    edge.Prefetch(batch->admitted[i].client, batch->clients[i].address, named ? query.name() : Bytes());
  }
  size_t taken = 0;
  for (size_t i = 0; i < batch->taken; ++i) {
    // Of those that are answered here the others take the places.
    if (taken != i) [[unlikely]]
      batch->Move(i, taken);
    // Responses, and what is no message, are counted by the responder.
    if (batch->parsed[taken] == wire::QueryVerdict::kDrop) {
      ++taken;
      continue;
    }
    size_t length = 0;
    const Admission::Said said =
        admission_.Judge(edge, batch->clients[taken], batch->parsed[taken], &batch->queries[taken],
                         &batch->admitted[taken], batch->outs[taken], &length);
    if (said == Admission::Said::kReply) {
      Reply(batch->numbers[taken], length, batch->admitted[taken].By(AnsweredBy::kRefused));
    }
    if (said == Admission::Said::kGoOn) {
      batch->tenants[taken] = batch->admitted[taken].client.tag;
      ++taken;
    }
  }
  batch->taken = taken;
}

bool Receiver::MayRefuse(const gate::Edge& edge, const gate::Judgement& judgement, Bytes address) {
  if (admission_.MayRefuse(edge, ClientAt(address), judgement)) return true;
  responder_.CountDropped();
  return false;
}

void Receiver::Handle(int count) {
  const auto rules = admission_.rules().Take();
  const gate::Edge* const edge = rules ? rules->edge() : nullptr;
  const Ticks judged_at = shared_->gate->Now(batch_us_ / 1000);
  if (edge != nullptr) wall_s_ = shared_->gate->WallSeconds();
  if (shared_->tap != nullptr) tap_ = shared_->tap->settings();
  Batch& batch = batch_;
  const RespondArgs args = {.now = shared_->cache->NowTicks(batch_us_ / 1000),
                            .tenants = rules ? batch.tenants : nullptr,
                            .parsed = edge == nullptr ? nullptr : batch.parsed,
                            .resolves = true,
                            .authority = shared_->cache->tunables().Is(answers::mode::kAuthority)};
  bool wake = false;
  for (int from = 0; from < count; from += static_cast<int>(Responder::kBatch)) {
    const int size = std::min<int>(count - from, Responder::kBatch);
    batch.taken = 0;
    for (int i = from; i < from + size; ++i) {
      Bytes packet = received_.packet(i);
      // A query greater than any buffer of ours cannot be read whole: its header alone is a FORMERR.
      if (received_.cut_off(i)) packet = packet.first(std::min(packet.size(), wire::kHeaderSize));
      const auto* peer = static_cast<const sockaddr*>(received_.header(i).msg_hdr.msg_name);
      if (AnswersByItself(PortOf(peer))) [[unlikely]] {
        responder_.CountDropped();
        continue;
      }
      batch.packets[batch.taken] = packet;
      batch.numbers[batch.taken] = i;
      batch.outs[batch.taken] = replies_.At(static_cast<size_t>(i));
      batch.tenants[batch.taken] = 0;
      if (rules) {
        const gate::Judgement judgement = rules->Judge(AddressOf(peer), judged_at);
        if (!judgement.allowed) {
          if (edge == nullptr || MayRefuse(*edge, judgement, AddressOf(peer))) RefusePacket(i, packet);
          continue;
        }
        batch.tenants[batch.taken] = judgement.tag;
        if (edge != nullptr) {
          batch.clients[batch.taken] = ClientAt(AddressOf(peer));
          batch.admitted[batch.taken].client = judgement;
        }
      }
      ++batch.taken;
    }
    if (edge != nullptr) Admit(*edge, &batch);
    responder_.RespondBatch({batch.packets, batch.taken}, args, batch.queries, batch.outs, batch.responses);
    for (size_t i = 0; i < batch.taken; ++i) {
      const Response& response = batch.responses[i];
      const wire::Query& query = batch.queries[i];
      if (response.verdict == Verdict::kDrop) continue;
      if (response.verdict == Verdict::kMiss) {
        if (edge == nullptr || AdmitMiss(*edge, i, batch)) {
          HandleMiss(edge, {.at = i, .tenant = batch.tenants[i], .response = response}, &batch, &wake);
        }
        continue;
      }
      if (edge == nullptr) [[likely]] {
        Reply(batch.numbers[i], response.length, ByIfTold(response));
      } else {
        ReplyAdmitted(*edge, i, &batch, &wake);
      }
      if (response.answer.refresh) Refresh(query, batch.tenants[i], &wake);
    }
  }
  if (!replies_.empty()) replies_.Flush(fd_, &send_counters_);
  if (wake) shared_->wake(shared_->wake_context);
}

bool Receiver::AdmitMiss(const gate::Edge& edge, size_t at, const Batch& batch) {
  size_t length = 0;
  const Admission::Said said =
      admission_.Miss(edge, batch.clients[at], batch.admitted[at], batch.queries[at], batch.outs[at], &length);
  if (said == Admission::Said::kReply) Reply(batch.numbers[at], length, AnsweredBy::kRefused);
  return said == Admission::Said::kGoOn;
}

void Receiver::ReplyAdmitted(const gate::Edge& edge, size_t at, Batch* batch, bool* wake) {
  const MutableBytes out = batch->outs[at];
  wire::Query& query = batch->queries[at];
  Admitted& admitted = batch->admitted[at];
  const size_t length =
      admission_.ReplyCounted(edge, batch->clients[at], &admitted, query, out, batch->responses[at].length);
  if (length != 0) return Reply(batch->numbers[at], length, admitted.By(ByIfTold(batch->responses[at])));
  if (admitted.again == 0) [[likely]]
    return;
  const uint32_t tag = admitted.client.tag = std::exchange(admitted.again, 0);
  const Response again = responder_.Respond(batch->packets[at],
                                            {.now = shared_->cache->NowTicks(batch_us_ / 1000),
                                             .tenant = tag,
                                             .parsed = &batch->parsed[at],
                                             .counting = Counting::kReply,
                                             .other_tag = true,
                                             .resolves = true},
                                            &query, out);
  if (again.verdict == Verdict::kReply) {
    // Judged as the first: lists say nothing of it, rates do.
    const size_t sent = admission_.ReplyCounted(edge, batch->clients[at], &admitted, query, out, again.length);
    if (sent != 0) Reply(batch->numbers[at], sent, AnsweredBy::kBlocked);
    if (again.answer.refresh) Refresh(query, tag, wake);
  } else if (AdmitMiss(edge, at, *batch)) {
    HandleMiss(&edge, {.at = at, .tenant = tag, .response = again}, batch, wake);
  }
}

void Receiver::Refresh(const wire::Query& query, uint32_t tenant, bool* wake) {
  Peer nobody;
  nobody.receiver = number_;
  const JoinArgs refresh = {.query = query,
                            .peer = nobody,
                            .kind = FlightKind::kRefresh,
                            .tenant = tenant,
                            .by_subnet = by_subnet(),
                            .now_us = batch_us_,
                            .generation = shared_->cache->generation()};
  *wake |= shared_->ring->Join(refresh) == MissRing::Joined::kQueued;
}

void Receiver::RefusePacket(int packet, Bytes octets) {
  wire::Query query;
  if (wire::ParseQuery(octets, &query) == wire::QueryVerdict::kDrop) return;
  refused_.Add();
  responder_.CountQuestion(query);
  const MutableBytes out = replies_.At(static_cast<size_t>(packet));
  const size_t length = responder_.Refuse(query, wire::rcode::kRefused, wire::ede::kProhibited, true, out);
  responder_.CountReply(out.data());
  Reply(packet, length, AnsweredBy::kRefused);
}

}  // namespace shardns::udp
