// The UDP plane: receivers on their sockets, the miss ring, and the way back for answers from JavaScript.
//
// Threads: Drain, Reply*, Flush belong to the one thread that owns the plane (JavaScript's). Receivers run on their
// own.
#pragma once
#include <string>
#include <vector>

#include "udp/receiver.h"

namespace shardns::udp {

struct PlaneOptions {
  std::vector<Endpoint> endpoints;
  uint32_t threads = 1;  // receivers per endpoint
  bool pin = false;      // one cpu a thread
  uint32_t flights = 4096;
  uint32_t waiters = 16384;
  Holding client_share = {.flights = 512, .waiters = 2048};  // what one client may hold of them in any case
  SocketOptions sockets;
  // Sockets that are bound already, each by the number of its endpoint. An endpoint that has some gets no others,
  // however many threads it should have: each is one receiver's.
  struct Adopted {
    uint32_t endpoint;
    int fd;
  };
  std::vector<Adopted> adopted;
  // Whose addresses it may have too, until that one yields to it.
  class Plane* predecessor = nullptr;
  // Whoever watches is told there of what is answered; null: nobody.
  std::shared_ptr<Tap> tap;
};

struct PlaneStats {
  uint64_t requests_v4, requests_v6, dropped, refused, sent, send_failed, flights, joined, full, over_share, refreshes,
      in_flight, waiting, copied, copies_dropped;
  uint64_t zone_answers[3];  // as ResponderCounters has them
  uint64_t responses_by_rcode[24];
  uint64_t requests_by_type_v4[257];
  uint64_t requests_by_type_v6[257];
  uint64_t durations[kDurationBuckets];
  uint64_t duration_sum_us;
};

class Plane {
 public:
  // The cache and the gate, by whose rules receivers judge, outlive it. Null on failure; `error` gets a negative errno
  // and `failed` the endpoint's number.
  static std::unique_ptr<Plane> Create(answers::Cache* cache, gate::Gate* gate, PlaneOptions options,
                                       void (*wake)(void*), void* wake_context, int* error, size_t* failed);
  ~Plane();

  // The endpoints with the ports that were bound.
  const std::vector<Endpoint>& endpoints() const { return endpoints_; }
  bool Start();
  // Receivers stop; flights under way can still be answered.
  void StopReceiving();
  // The same for one whose sockets share this one's addresses: it receives what this one does no more, and replies to
  // what is under way here leave by them. Where it has not the address of a socket, that socket stays for its replies.
  void YieldTo(const Plane& next);
  bool receiving() const;

  uint32_t Drain(MutableBytes out, uint32_t most, bool* left) { return ring_.Drain(out, most, left); }
  // Answers every waiter of the ticket from a raw response, cached or not. False: unknown ticket or unusable response.
  bool ReplyMessage(uint32_t ticket, const answers::PrepareArgs& message, uint16_t extended_error);
  bool ReplyError(uint32_t ticket, uint16_t rcode, wire::ErrorToTell error);
  // From what the cache has for the tenant, stale allowed; SERVFAIL where there is nothing.
  bool ReplyStale(uint32_t ticket, uint32_t tenant);
  // The same for every waiter from an image.
  bool ReplyImage(uint32_t ticket, const answers::EntryImage& image, uint16_t extended_error);
  // One waiter's reply as it is, to a query for an authority; nothing is added to it, as it may be signed. Of no
  // octets, or of more than a datagram may have: none is sent.
  bool ReplyOctets(uint32_t ticket, Bytes reply);
  bool Discard(uint32_t ticket);
  MissRing& ring() { return ring_; }
  // Questions that were answered, by receivers and from JavaScript.
  Copies& copies() { return copies_; }
  // See MissRing::Part.
  bool Part(uint32_t ticket) { return ring_.Part(ticket); }
  void Flush();

  // Queries under way are joined no more (MissRing::Outdate).
  void Outdate() { ring_.Outdate(); }
  uint32_t in_flight() const { return ring_.in_flight(); }
  size_t memory_bytes() const;
  void ReadStats(PlaneStats* stats) const;

 private:
  Plane(answers::Cache* cache, gate::Gate* gate, const PlaneOptions& options, void (*wake)(void*), void* wake_context);

  const Receiver* ReceiverAt(const Endpoint& endpoint) const;
  void AddReceiver(const ReceiverSocket& socket);
  // `by`: how they are answered, where nothing was noted of the flight (Tap::Recall); `build(query, out, &by)` may know
  // better.
  template <typename Build>
  bool AnswerWaiters(uint32_t ticket, AnsweredBy by, Build build);
  // Those whose answer a list puts an alias in the place of (Admitted::again): from the cache, or they wait once more.
  // Copies, as their places are others' by then.
  struct AskedAgain {
    Waiter waiter;
    uint32_t tag;
  };
  void AskAgain(const gate::Rules& rules, std::span<const AskedAgain> asked);
  // One who has waited, as the edge sees it.
  struct Waiting {
    sockaddr_in6 peer;
    Client client;
    Admitted admitted;
  };
  void Renew(const gate::Rules& rules, const Waiter& waiter, uint32_t tag, wire::Query* query, Waiting* waiting);

  // Of a reply to one who has waited, for those who watch.
  void Tell(const Waiter& waiter, Told told, Bytes reply);

  std::vector<Endpoint> endpoints_;
  const std::shared_ptr<Tap> tap_;
  bool pin_;
  MissRing ring_;
  Copies copies_;
  ReceiverShared shared_;
  std::vector<std::unique_ptr<Receiver>> receivers_;
  std::vector<std::unique_ptr<SendBatch>> replies_;  // one a receiver
  SendCounters send_counters_;
  gate::Gate* const gate_;
  Responder responder_;
  Admission admission_;
  DurationHistogram durations_;
  std::unique_ptr<answers::PrepareScratch> scratch_;
};

}  // namespace shardns::udp
