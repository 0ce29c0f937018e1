// Sending, receiving and matching.
#include "udp/asker.h"

#include <unistd.h>

#include <cerrno>

namespace shardns::udp {

namespace {

// 28 bits less those of the id and of the choice of a socket.
constexpr uint32_t kMinLetters = 28 - 16 - 6;
static_assert(kSharedPerServer == 1 << 6);

// The longest datagram, and a cache line more: buffers that began at the same place of a page would share cache sets.
constexpr size_t kStride = 65'536 + 64;

HashSecret DrawSecret(RandomWords* random, int* error) {
  *error = random->Prepare();
  return ExpandSeed(*error == 0 ? uint64_t{random->Next()} << 32 | random->Next() : 0);
}

}  // namespace

std::unique_ptr<Asker> Asker::Create(const AskerOptions& options, int* error) {
  const int watcher = OpenWatcher();
  if (watcher < 0) {
    *error = -watcher;
    return nullptr;
  }
  std::unique_ptr<Asker> asker(new Asker(options, watcher, error));
  return *error == 0 ? std::move(asker) : nullptr;
}

Asker::Asker(const AskerOptions& options, int watcher, int* error)
    : watcher_(watcher),
      completion_(options.completion),
      random_(options.fill_random, options.random_context),
      sockets_(watcher, DrawSecret(&random_, error), &random_, options.local),
      in_data_(new uint8_t[kReceiveBatch * kStride]) {
  std::memset(out_headers_, 0, sizeof out_headers_);
  std::memset(in_headers_, 0, sizeof in_headers_);
  for (size_t i = 0; i < kBatch; ++i) {
    out_headers_[i].msg_hdr.msg_iov = &out_vectors_[i];
    out_headers_[i].msg_hdr.msg_iovlen = 1;
  }
  for (size_t i = 0; i < kReceiveBatch; ++i) {
    in_vectors_[i] = {.iov_base = in_data_.get() + i * kStride, .iov_len = 65'535};
    in_headers_[i].msg_hdr.msg_iov = &in_vectors_[i];
    in_headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

Asker::~Asker() { close(watcher_); }

bool Asker::MayAsk(uint32_t number) {
  const WaitingQuery* slot = queries_.Slot(number);
  return slot != nullptr && slot->state == WaitingQuery::State::kFree;
}

void Asker::Ask(const NewQuery& query) {
  WaitingQuery* slot = queries_.Slot(query.number);
  SHARDNS_CHECK(slot != nullptr && slot->state == WaitingQuery::State::kFree);
  ++under_way_;
  const size_t length = QuestionLength(query.message);
  slot->serial = query.serial;
  slot->token = query.token;
  slot->letters = query.letters;
  slot->began_ms = query.now_ms;
  slot->notice = WaitingQuery::Notice::kNothing;
  slot->cookie_length = 0;
  slot->socket = kNone;
  if (length == 0 || (query.server.family != 4 && query.server.family != 6)) {
    Fail(query.number, kMalformed);
    return;
  }
  const MutableBytes question = query.message.subspan(wire::kHeaderSize, length);
  const uint32_t letters =
      query.letters == Letters::kDrawn ? DrawLetters(question.first(question.size() - 4), &random_) : 0;
  int32_t failure = 0;
  const uint32_t socket = SocketFor(query, query.guarded && letters < kMinLetters, &failure);
  if (socket == kNone) {
    Fail(query.number, failure);
    return;
  }
  std::memcpy(slot->question, question.data(), length);
  slot->question_length = static_cast<uint16_t>(length);
  slot->flags = wire::Flags(query.message.data());
  uint16_t id = static_cast<uint16_t>(random_.Next());
  while (queries_.FindById(socket, id) != kNone) id = static_cast<uint16_t>(id + 1 + (random_.Next() & 0xff));
  Store16(query.message.data(), id);
  slot->id = id;
  slot->socket = socket;
  slot->state = WaitingQuery::State::kWaiting;
  queries_.LinkById(query.number);
  AskerSocket& own = sockets_[socket];
  queries_.Append(&own.queries, query.number, &WaitingQuery::of_socket);
  ++own.used;
  sockets_.Hold(socket);
  ++stats_.sent;
  outgoing_[outgoing_count_] = {
      .number = query.number, .socket = socket, .before = own.sending, .message = query.message};
  own.sending = static_cast<uint32_t>(outgoing_count_++);
  slot->sending = true;
  if (outgoing_count_ == kBatch) Flush();
}

void Asker::AskWritten(const NewQuery& query, uint16_t udp_size, Bytes cookie) {
  SHARDNS_CHECK(cookie.size() <= kMaxSentCookie);
  const MutableBytes room = written_[outgoing_count_];
  size_t length =
      completion_ == nullptr ? 0 : completion_->WriteQuery(query.token, udp_size, room.first(kWrittenQuery));
  const bool has_cookie = !cookie.empty() && length > wire::kBareOptSize;
  if (has_cookie) {
    uint8_t* at = room.data() + length;
    Store16(at - 2, static_cast<uint16_t>(4 + cookie.size()));
    Store16(at, wire::kOptionCookie);
    Store16(at + 2, static_cast<uint16_t>(cookie.size()));
    std::memcpy(at + 4, cookie.data(), cookie.size());
    length += 4 + cookie.size();
  }
  NewQuery whole = query;
  whole.message = room.first(length);
  const uint32_t number = query.number;
  Ask(whole);
  if (!has_cookie) return;
  // It stays with the query: whatever is sent in between, this is what its response has to have.
  WaitingQuery& slot = queries_[number];
  slot.cookie_length = static_cast<uint8_t>(cookie.size());
  std::memcpy(slot.cookie, cookie.data(), cookie.size());
}

// Whether the Completion has taken it.
bool Asker::Complete(const WaitingQuery& query, Bytes packet, Completion::Taken* taken) {
  if (query.token == 0 || completion_ == nullptr) return false;
  if (query.cookie_length == 0) return completion_->OnResponse(query.token, packet, taken);
  const size_t option = 4u + query.cookie_length, size = wire::kBareOptSize + option;
  if (packet.size() < wire::kHeaderSize + size) return false;
  // Of memory of our own.
  auto* const opt = const_cast<uint8_t*>(packet.data() + packet.size() - size);
  if (opt[0] != 0 || Load16(opt + 1) != wire::type::kOpt || Load16(opt + 9) != option ||
      Load16(opt + 11) != wire::kOptionCookie || Load16(opt + 13) != query.cookie_length ||
      std::memcmp(opt + 15, query.cookie, query.cookie_length) != 0) {
    return false;
  }
  Store16(opt + 9, 0);
  const bool done = completion_->OnResponse(query.token, packet.first(packet.size() - option), taken);
  // The caller sees it as it came.
  Store16(opt + 9, static_cast<uint16_t>(option));
  return done;
}

void Asker::TakeOver(uint32_t number, uint32_t serial) {
  WaitingQuery* query = queries_.Find(number);
  if (query != nullptr && query->serial == serial) query->token = 0;
}

uint32_t Asker::SocketFor(const NewQuery& query, bool alone, int32_t* failure) {
  if (alone) return sockets_.Alone(query.server, failure);
  for (;;) {
    const uint32_t socket = sockets_.Shared(query.server, query.now_ms, batch_, failure);
    // Servers that never answer would hold a socket each until the deadline, however many they are.
    if (socket != kNone || *failure != kCrowded) return socket;
    FailAllOf(sockets_.Crowded(), kEvicted);
  }
}

void Asker::CallOff(uint32_t number, uint32_t serial, uint32_t now_ms) {
  WaitingQuery* query = queries_.Find(number);
  if (query == nullptr || query->state == WaitingQuery::State::kFree || query->serial != serial) return;
  const uint32_t age = now_ms - query->began_ms;
  // Whatever it was that swallowed it, the path of this socket or what stands on it, the next one may not have it.
  if (query->state == WaitingQuery::State::kWaiting && age >= kSilenceMs && age < UINT32_MAX / 2) {
    sockets_.Retire(query->socket);
  }
  End(number);
}

void Asker::LetGo(uint32_t number) {
  WaitingQuery& query = queries_[number];
  if (query.state != WaitingQuery::State::kWaiting) return;
  if (query.sending) {
    size_t at = outgoing_count_;
    while (outgoing_[--at].number != number) {
    }
    outgoing_[at].number = kNone;
    query.sending = false;
  }
  queries_.UnlinkById(number);
  const uint32_t socket = query.socket;
  queries_.Remove(&sockets_[socket].queries, number, &WaitingQuery::of_socket);
  query.socket = kNone;
  sockets_.Release(socket);
}

void Asker::End(uint32_t number) {
  LetGo(number);
  Unnotify(number);
  queries_[number].state = WaitingQuery::State::kFree;
  --under_way_;
}

void Asker::Fail(uint32_t number, int32_t failure) {
  LetGo(number);
  queries_[number].state = WaitingQuery::State::kFailed;
  queries_[number].failure = failure;
  Notify(number, WaitingQuery::Notice::kFailure);
}

void Asker::FailAllOf(uint32_t socket, int32_t failure) {
  sockets_.Retire(socket);
  // The last of them closes it.
  for (uint32_t number; (number = sockets_[socket].queries.first) != kNone;) Fail(number, failure);
}

void Asker::Notify(uint32_t number, WaitingQuery::Notice notice) {
  WaitingQuery& query = queries_[number];
  if (query.notice == WaitingQuery::Notice::kNothing) queries_.Append(&notices_, number, &WaitingQuery::of_notices);
  query.notice = notice;
}

void Asker::Unnotify(uint32_t number) {
  WaitingQuery& query = queries_[number];
  if (query.notice == WaitingQuery::Notice::kNothing) return;
  queries_.Remove(&notices_, number, &WaitingQuery::of_notices);
  query.notice = WaitingQuery::Notice::kNothing;
}

void Asker::Flush() {
  for (size_t i = 0; i < outgoing_count_; ++i) {
    if (const uint32_t socket = outgoing_[i].socket; sockets_[socket].sending != kNone) SendAllOf(socket);
  }
  outgoing_count_ = 0;
  ++batch_;
}

void Asker::SendAllOf(uint32_t socket) {
  uint32_t numbers[kBatch];
  size_t first = kBatch;
  for (uint32_t at = std::exchange(sockets_[socket].sending, kNone); at != kNone; at = outgoing_[at].before) {
    const uint32_t number = outgoing_[at].number;
    if (number == kNone) continue;
    queries_[number].sending = false;
    numbers[--first] = number;
    out_vectors_[first] = {.iov_base = outgoing_[at].message.data(), .iov_len = outgoing_[at].message.size()};
  }
  const int fd = sockets_[socket].fd;
  while (first < kBatch) {
    ++stats_.send_calls;
    const int sent = SendMany(fd, out_headers_ + first, static_cast<unsigned>(kBatch - first));
    if (sent > 0) {
      first += static_cast<size_t>(sent);
    } else if (const int error = errno; error == EMSGSIZE || IsOurOwn(error)) {
      Fail(numbers[first++], error);
    } else if (error != EINTR) {
      // Of those that were sent before, perhaps: nobody is there, or no way.
      Broken(socket, error);
      return;
    }
  }
}

void Asker::Broken(uint32_t socket, int error) {
  const uint32_t generation = sockets_[socket].generation;
  if (!IsOurOwn(error) && error != ECONNREFUSED) sockets_.RetireAllOf(sockets_[socket].server);
  if (sockets_.Find(socket, generation) != nullptr) FailAllOf(socket, error);
}

bool Asker::Receive(EventBuffer* events) {
  if (in_at_ == in_count_ && ready_at_ == ready_count_) {
    packets_left_ = kPacketsAtOnce;
    in_socket_ = kNone;
    ready_at_ = 0;
    ready_count_ = ListReady(watcher_, ready_);
    if (ready_count_ < 0) ready_count_ = 0;
  }
  bool more = false;
  do {
    more = TellNotices(events) || TellPackets(events);
  } while (!more && (ReceiveBatch() || has_notices()));
  if (completion_ != nullptr) completion_->Flush();
  return more;
}

bool Asker::ReceiveBatch() {
  in_at_ = in_count_ = 0;
  while (packets_left_ > 0) {
    if (in_socket_ == kNone) {
      if (ready_at_ == ready_count_) return false;
      const uint64_t mark = MarkOf(ready_[ready_at_++]);
      in_socket_ = static_cast<uint32_t>(mark);
      in_generation_ = static_cast<uint32_t>(mark >> 32);
    }
    const AskerSocket* socket = sockets_.Find(in_socket_, in_generation_);
    if (socket == nullptr) {
      in_socket_ = kNone;
      continue;
    }
    ++stats_.receive_calls;
    const int count = ReceiveMany(socket->fd, in_headers_, kReceiveBatch, true);
    if (count < 0) {
      if (errno == EINTR) continue;
      const uint32_t broken = std::exchange(in_socket_, kNone);
      if (errno == EAGAIN) continue;
      Broken(broken, errno);
      return true;
    }
    in_count_ = static_cast<uint32_t>(count);
    packets_left_ -= std::min(packets_left_, in_count_);
    return true;
  }
  // The rest is ready still when we are asked again.
  ready_at_ = ready_count_ = 0;
  in_socket_ = kNone;
  return false;
}

bool Asker::TellNotices(EventBuffer* events) {
  while (!notices_.empty()) {
    if (!events->HasRoom(0)) return true;
    const uint32_t number = notices_.first;
    const WaitingQuery& query = queries_[number];
    if (query.notice == WaitingQuery::Notice::kFailure) {
      events->Add(AskEvent::kFailed, number, query.serial, query.failure);
      End(number);
    } else {
      events->Add(AskEvent::kDoubtFlood, number, query.serial, 0);
      Unnotify(number);
    }
  }
  return false;
}

bool Asker::TellPackets(EventBuffer* events) {
  for (; in_at_ < in_count_; ++in_at_) {
    const Bytes packet{in_data_.get() + in_at_ * kStride, in_headers_[in_at_].msg_len};
    // In the order in which it happened.
    if (TellNotices(events) || !events->HasRoom(packet.size())) return true;
    if (sockets_.Find(in_socket_, in_generation_) != nullptr) {
      TakePacket(in_socket_, packet, events);
    } else {
      ++stats_.unknown_id;
    }
  }
  // Fewer than fit: there are no more.
  if (in_count_ > 0 && in_count_ < kReceiveBatch) in_socket_ = kNone;
  return false;
}

void Asker::TakePacket(uint32_t socket, Bytes packet, EventBuffer* events) {
  const uint32_t number = packet.size() < 2 ? kNone : queries_.FindById(socket, wire::Id(packet.data()));
  if (number != kNone) {
    const WaitingQuery& query = queries_[number];
    if (Matches(packet, query.asked(), query.letters)) {
      ++stats_.received;
      Completion::Taken taken;
      if (Complete(query, packet, &taken)) {
        events->Add(AskEvent::kCompleted, number, query.serial, taken.result, taken.with_response ? packet : Bytes());
      } else {
        events->Add(AskEvent::kAnswered, number, query.serial, 0, packet);
      }
      End(number);
      return;
    }
  }
  ++(number == kNone ? stats_.unknown_id : stats_.wrong_question);
  if (++sockets_[socket].mismatched == kFlood) {
    // Another port for what comes next, and another way for what is under way.
    for (uint32_t at = sockets_[socket].queries.first; at != kNone; at = queries_[at].of_socket.after) {
      Notify(at, WaitingQuery::Notice::kFlood);
    }
    sockets_.Retire(socket);
  } else if (number != kNone) {
    const WaitingQuery& query = queries_[number];
    if (IsBareError(packet, query.asked())) {
      events->Add(AskEvent::kDoubtQuestion, number, query.serial, 0);
    } else if (Matches(packet, query.asked(), Letters::kKept)) {
      events->Add(AskEvent::kDoubtLetters, number, query.serial, 0);
    }
  }
}

void Asker::CheckInvariants() {
  uint32_t under_way = 0;
  uint32_t waiting = 0;
  queries_.ForEach([&](uint32_t number, const WaitingQuery& query) {
    if (query.state == WaitingQuery::State::kFree) return;
    ++under_way;
    SHARDNS_CHECK((query.state == WaitingQuery::State::kFailed) == (query.notice == WaitingQuery::Notice::kFailure));
    if (query.state != WaitingQuery::State::kWaiting) return;
    ++waiting;
    SHARDNS_CHECK(queries_.FindById(query.socket, query.id) == number);
    SHARDNS_CHECK(sockets_[query.socket].fd >= 0);
  });
  SHARDNS_CHECK(under_way == under_way_);
  SHARDNS_CHECK(waiting == sockets_.CheckInvariants());
}

}  // namespace shardns::udp
