// Asks upstreams over UDP: queries leave and responses come back in batches, and are matched here. Hard to forge
// (RFC 5452): the id, the socket (its port drawn by the kernel) and the letter case of the name are unpredictable.
//
// Entropy: 16 bits of id + 6 bits for the choice of one of 64 sockets whose ports an attacker does not know (about 15
// when the socket is new) + one bit a letter. A name that does not come to 28 bits so gets a socket of its own: 16 bits
// of id + about 15 of port.
//
// Belongs to one thread, which waits for readiness_fd(): no locks. Time is passed in, milliseconds of any clock, which
// may wrap. Time-outs are the caller's. Bounds: kMaxQueries under way; of sockets and servers in asker_sockets.h;
// kBatch queries a flush, kReceiveBatch responses a system call, kPacketsAtOnce a wake-up. 1 MiB of buffers, of which
// only as much is touched as responses are long.
#pragma once
#include <memory>

#include "udp/asker_sockets.h"
#include "udp/event_buffer.h"
#include "udp/mmsg.h"
#include "udp/readiness.h"
#include "wire/edns.h"

namespace shardns::udp {

// Hears of responses to queries that have a token before the caller does, who is then told only that there was one.
// Must not call the asker.
class Completion {
 public:
  virtual ~Completion() = default;
  // Writes the query that the token stands for, without id. Returns its octets, at most kWrittenQuery; 0: there is
  // none.
  virtual size_t WriteQuery(uint64_t token, uint16_t udp_size, MutableBytes out) {
    (void)token, (void)udp_size, (void)out;
    return 0;
  }
  // True when nothing is left to be done with the response; `taken` is told in its place.
  struct Taken {
    int32_t result = 0;
    bool with_response = false;  // its octets are told beside it
  };
  virtual bool OnResponse(uint64_t token, Bytes response, Taken* taken) = 0;
  // Those of a wake-up have been heard of.
  virtual void Flush() {}
};
// Header, question, and an OPT without options.
inline constexpr size_t kWrittenQuery = wire::kHeaderSize + kMaxQuestion + wire::kBareOptSize;

struct AskerOptions {
  LocalAddresses local;
  Completion* completion = nullptr;
  FillRandom fill_random = FillFromSystem;
  void* random_context = nullptr;
};

struct NewQuery {
  uint32_t number;     // of the caller's choice, below kMaxQueries: no query under way may have it
  uint32_t serial;     // comes back with what is told of it
  uint64_t token = 0;  // for the Completion; 0: it hears nothing of it
  ServerAddress server;
  uint32_t now_ms;
  Letters letters = Letters::kDrawn;
  bool guarded = true;   // needs 28 unpredictable bits; else a shared socket and the id do
  MutableBytes message;  // its id and letters are overwritten; must stay until the next Flush
};

struct AskerStats {
  uint64_t sent = 0;
  uint64_t received = 0;
  // Packets that are no response to a query under way:
  uint64_t unknown_id = 0;      // late ones, and guesses
  uint64_t wrong_question = 0;  // in other letters, or another, or none
  uint64_t sockets_opened = 0;
  uint64_t send_calls = 0;
  uint64_t receive_calls = 0;
};

class Asker {
 public:
  static constexpr size_t kBatch = 64;
  static constexpr size_t kReceiveBatch = 16;
  static constexpr uint32_t kPacketsAtOnce = 512;
  // Packets that match nothing, after which somebody is guessing (BIND and PowerDNS count them too).
  static constexpr uint32_t kFlood = 100;
  // No server is given up sooner than this (UPSTREAM_LIMITS.tryTimeoutMs in lib/upstream/limits.ts).
  static constexpr uint32_t kSilenceMs = 400;

  // Null with a positive errno: no randomness, no descriptor left, or not Linux.
  static std::unique_ptr<Asker> Create(const AskerOptions& options, int* error);
  ~Asker();

  // Readable when there is something to Receive.
  int readiness_fd() const { return watcher_; }

  // Whether a number is one, and free.
  bool MayAsk(uint32_t number);
  // Never fails: that a query could not be sent is told by Receive. The query leaves with the next Flush, or sooner.
  void Ask(const NewQuery& query);
  // Nothing more is told of it. Its socket is not used again when it was silent for long.
  void CallOff(uint32_t number, uint32_t serial, uint32_t now_ms);
  // The same of the query that the Completion writes, by its token: one that it does not write has failed. `cookie`, of
  // at most kMaxSentCookie octets, is put into the OPT that ends it (RFC 7873); the Completion hears then of responses
  // only that have the same cookie in theirs and nothing else, and as if it was not there. All others are the caller's
  // to judge.
  void AskWritten(const NewQuery& query, uint16_t udp_size, Bytes cookie = {});
  // The Completion hears no more of it, but its caller does.
  void TakeOver(uint32_t number, uint32_t serial);
  // Null: none. It lives until the next one is set.
  void SetCompletion(Completion* completion) { completion_ = completion; }
  void Flush();
  // Tells what has happened, as much as there is room for; true when there is more. Room: EventBuffer::kLeast at least.
  bool Receive(EventBuffer* events);
  // Whether something is to be told although readiness_fd() says nothing.
  bool has_notices() const { return !notices_.empty(); }

  uint32_t sockets() const { return sockets_.size(); }
  uint32_t under_way() const { return under_way_; }
  AskerStats stats() const {
    AskerStats stats = stats_;
    stats.sockets_opened = sockets_.opened();
    return stats;
  }
  // Every list, count and table says the same. For tests.
  void CheckInvariants();

 private:
  struct Outgoing {
    uint32_t number;
    uint32_t socket;
    uint32_t before;  // of the same socket
    MutableBytes message;
  };

  Asker(const AskerOptions& options, int watcher, int* error);

  uint32_t SocketFor(const NewQuery& query, bool alone, int32_t* failure);
  void Fail(uint32_t number, int32_t failure);
  void FailAllOf(uint32_t socket, int32_t failure);
  void Notify(uint32_t number, WaitingQuery::Notice notice);
  void Unnotify(uint32_t number);
  // Out of everything but the notices; closes its socket if that waited for it alone.
  void LetGo(uint32_t number);
  void End(uint32_t number);
  void SendAllOf(uint32_t socket);
  void Broken(uint32_t socket, int error);
  bool ReceiveBatch();
  void TakePacket(uint32_t socket, Bytes packet, EventBuffer* events);
  bool Complete(const WaitingQuery& query, Bytes packet, Completion::Taken* taken);
  bool TellNotices(EventBuffer* events);
  bool TellPackets(EventBuffer* events);

  const int watcher_;
  Completion* completion_;
  RandomWords random_;
  AskerSockets sockets_;
  QueryTable queries_;
  List notices_;
  uint32_t under_way_ = 0;
  AskerStats stats_;

  size_t outgoing_count_ = 0;
  uint32_t batch_ = 1;
  Outgoing outgoing_[kBatch];
  Packet out_headers_[kBatch];
  iovec out_vectors_[kBatch];
  uint8_t written_[kBatch][kWrittenQuery + 4 + kMaxSentCookie];  // by the place among those that are going out

  // What has been received and not yet looked at.
  uint32_t in_socket_ = kNone;
  uint32_t in_generation_ = 0;
  uint32_t in_at_ = 0;
  uint32_t in_count_ = 0;
  uint32_t packets_left_ = 0;
  int ready_at_ = 0;
  int ready_count_ = 0;
  Ready ready_[kReadyAtOnce];
  std::unique_ptr<uint8_t[]> in_data_;
  Packet in_headers_[kReceiveBatch];
  iovec in_vectors_[kReceiveBatch];
};

}  // namespace shardns::udp
