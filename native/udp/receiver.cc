// The receive loop.
#include "udp/receiver.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "udp/answering_ports.h"

namespace shardns::udp {

Receiver::Receiver(ReceiverShared* shared, int fd, const Endpoint& endpoint, uint16_t number)
    : shared_(shared),
      fd_(fd),
      endpoint_(endpoint),
      with_local_(endpoint.wildcard()),
      number_(number),
      rules_(shared->gate->rules()),
      responder_(shared->cache, shared->cache->NewReader()) {}

Receiver::~Receiver() {
  Stop();
  if (started_) pthread_join(thread_, nullptr);
  close(fd_);
  if (successor_fd_ >= 0) close(successor_fd_);
}

bool Receiver::Start(int cpu) {
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
  StopReceiving(fd_);
}

void Receiver::StopFor(int successor_fd) {
  successor_fd_ = fcntl(successor_fd, F_DUPFD_CLOEXEC, 0);
  LeaveToOthers(fd_, endpoint_);
  Stop();
}

void Receiver::Run() {
  for (;;) {
    const bool last = stopping_.load(std::memory_order_acquire);
    const int count = received_.Receive(fd_, with_local_, last);
    if (count > 0) {
      batch_us_ = MonotonicUs();
      answered_ = 0;
      Handle(count);
      durations_.Add(MonotonicUs() - batch_us_, answered_);
    } else if (last) {
      break;
    } else if (count < 0 && count != -EAGAIN && count != -EINTR && count != -ECONNREFUSED) {
      // Out of buffers, say. The socket stays good; do not spin on it.
      usleep(1000);
    }
  }
  // The number stays: whoever sends replies by it does not notice.
  if (successor_fd_ >= 0) dup3(successor_fd_, fd_, O_CLOEXEC);
  running_.store(false, std::memory_order_release);
}

void Receiver::HandleMiss(int packet, const wire::Query& query, uint32_t tenant, const Response& response, bool* wake) {
  const FlightKind kind =
      response.query_verdict == wire::QueryVerdict::kOtherClass ? FlightKind::kOtherClass : FlightKind::kMiss;
  switch (shared_->ring->Join({.query = query,
                               .peer = received_.peer(packet, number_),
                               .kind = kind,
                               .tenant = tenant,
                               .by_subnet = by_subnet(),
                               .now_us = batch_us_})) {
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
  if (response.answer.has_stale) {
    length = responder_.AnswerStale(query, tenant, shared_->cache->NowTicks(batch_us_ / 1000), out);
  }
  if (length == 0) length = responder_.Refuse(query, wire::rcode::kServFail, wire::kNoExtendedError, true, out);
  responder_.CountReply(out.data());
  Reply(packet, length);
}

void Receiver::Reply(int packet, size_t length) {
  ++answered_;
  replies_.AddAt(static_cast<size_t>(packet), length, received_.header(packet).msg_hdr, with_local_);
}

void Receiver::Handle(int count) {
  const auto rules = rules_.Take();
  const Ticks judged_at = shared_->gate->Now(batch_us_ / 1000);
  uint32_t tenants[Responder::kBatch] = {};
  const RespondArgs args = {
      .now = shared_->cache->NowTicks(batch_us_ / 1000), .tenants = rules ? tenants : nullptr, .resolves = true};
  bool wake = false;
  for (int from = 0; from < count; from += static_cast<int>(Responder::kBatch)) {
    const int size = std::min<int>(count - from, Responder::kBatch);
    Bytes packets[Responder::kBatch];
    int numbers[Responder::kBatch];
    MutableBytes outs[Responder::kBatch];
    size_t taken = 0;
    for (int i = from; i < from + size; ++i) {
      Bytes packet = received_.packet(i);
      // A query greater than any buffer of ours cannot be read whole: its header alone is a FORMERR.
      if (received_.cut_off(i)) packet = packet.first(std::min(packet.size(), wire::kHeaderSize));
      const auto* peer = static_cast<const sockaddr*>(received_.header(i).msg_hdr.msg_name);
      if (AnswersByItself(PortOf(peer))) [[unlikely]] {
        responder_.CountDropped();
        continue;
      }
      if (rules) {
        const gate::Judgement judgement = rules->Judge(AddressOf(peer), judged_at);
        if (!judgement.allowed) {
          RefusePacket(i, packet);
          continue;
        }
        tenants[taken] = judgement.tag;
      }
      packets[taken] = packet;
      numbers[taken] = i;
      outs[taken++] = replies_.At(static_cast<size_t>(i));
    }
    wire::Query queries[Responder::kBatch];
    Response responses[Responder::kBatch];
    responder_.RespondBatch({packets, taken}, args, queries, outs, responses);
    for (size_t i = 0; i < taken; ++i) {
      const Response& response = responses[i];
      if (response.verdict == Verdict::kDrop) continue;
      if (response.verdict == Verdict::kMiss) {
        HandleMiss(numbers[i], queries[i], tenants[i], response, &wake);
        continue;
      }
      Reply(numbers[i], response.length);
      if (!response.answer.refresh) continue;
      Peer nobody;
      nobody.receiver = number_;
      const JoinArgs refresh = {.query = queries[i],
                                .peer = nobody,
                                .kind = FlightKind::kRefresh,
                                .tenant = tenants[i],
                                .by_subnet = by_subnet(),
                                .now_us = batch_us_};
      wake |= shared_->ring->Join(refresh) == MissRing::Joined::kQueued;
    }
  }
  if (!replies_.empty()) replies_.Flush(fd_, &send_counters_);
  if (wake) shared_->wake(shared_->wake_context);
}

void Receiver::RefusePacket(int packet, Bytes octets) {
  wire::Query query;
  if (wire::ParseQuery(octets, &query) == wire::QueryVerdict::kDrop) return;
  refused_.Add();
  responder_.CountQuestion(query);
  const MutableBytes out = replies_.At(static_cast<size_t>(packet));
  const size_t length = responder_.Refuse(query, wire::rcode::kRefused, wire::ede::kProhibited, true, out);
  responder_.CountReply(out.data());
  Reply(packet, length);
}

}  // namespace shardns::udp
