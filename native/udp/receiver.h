// One receiving thread on one socket: batch in, batch out, misses to the ring.
#pragma once
#include <pthread.h>

#include <atomic>
#include <memory>

#include "udp/admission.h"
#include "udp/copies.h"
#include "udp/packet_batch.h"
#include "udp/tap.h"

namespace shardns::udp {

// Durations in powers of two of microseconds: bucket i counts those below 2^i us; the last takes the rest.
inline constexpr size_t kDurationBuckets = 24;
struct DurationHistogram {
  Counter buckets[kDurationBuckets];
  Counter sum_us;
  void Add(uint64_t us, uint64_t n = 1) {
    size_t bucket = us == 0 ? 0 : 64 - static_cast<size_t>(__builtin_clzll(us));
    if (bucket >= kDurationBuckets) bucket = kDurationBuckets - 1;
    buckets[bucket].Add(n);
    sum_us.Add(us * n);
  }
};

struct ReceiverShared {
  answers::Cache* cache;
  MissRing* ring;
  gate::Gate* gate;
  Copies* copies;
  void (*wake)(void*);
  void* wake_context;
  Tap* tap = nullptr;  // null: nobody is told of what is answered
};

// What it receives from, and lets go of at its end.
struct ReceiverSocket {
  int fd;
  const Endpoint& endpoint;
  // Others have it too (AdoptSocket). When receiving ends, what it holds is left to whoever reads it next.
  bool adopted = false;
};

class Receiver {
 public:
  Receiver(ReceiverShared* shared, const ReceiverSocket& socket, uint16_t number);
  ~Receiver();

  // cpu: -1 = wherever the kernel likes. False when the thread could not be made.
  bool Start(int cpu);
  // Stops receiving; what a socket of its own holds already is still answered. Idempotent.
  void Stop();
  // The same, and then, where the socket is its own, its replies go by a socket of the same address that has taken its
  // place: its own is closed, so that the kernel gives it no more packets. To be called once, before Stop.
  void StopFor(int successor_fd);
  bool running() const { return running_.load(std::memory_order_acquire); }

  int fd() const { return fd_; }
  const Endpoint& endpoint() const { return endpoint_; }
  bool v6() const { return endpoint_.v6(); }
  const ResponderCounters& responder_counters() const { return responder_.counters(); }
  const SendCounters& send_counters() const { return send_counters_; }
  const DurationHistogram& durations() const { return durations_; }
  const Counter& refused() const { return refused_; }

 private:
  // What is told of the packets of a batch before they are looked up.
  struct Batch {
    Bytes packets[Responder::kBatch];
    int numbers[Responder::kBatch];  // of the packets received
    MutableBytes outs[Responder::kBatch];
    uint32_t tenants[Responder::kBatch];
    wire::Query queries[Responder::kBatch];
    Response responses[Responder::kBatch];
    // Where there is an edge.
    wire::QueryVerdict parsed[Responder::kBatch];
    Client clients[Responder::kBatch];
    Admitted admitted[Responder::kBatch];
    size_t taken;

    // Before it is judged.
    void Move(size_t from, size_t to) {
      packets[to] = packets[from];
      numbers[to] = numbers[from];
      outs[to] = outs[from];
      tenants[to] = tenants[from];
      queries[to] = queries[from];
      parsed[to] = parsed[from];
      clients[to] = clients[from];
      admitted[to].client = admitted[from].client;
    }
  };

  void Run();
  // Of an adopted socket: until it has a packet, or Stop is called.
  void Wait() const;
  void Handle(int count);
  // Parses the packets of the batch, and leaves in it those that are to be looked up.
  void Admit(const gate::Edge& edge, Batch* batch);
  // Once it is known what they come to.
  bool AdmitMiss(const gate::Edge& edge, size_t at, const Batch& batch);
  void ReplyAdmitted(const gate::Edge& edge, size_t at, Batch* batch, bool* wake);
  // A hit of the batch was chosen to refresh its entry, which is that of a tag.
  void Refresh(const wire::Query& query, uint32_t tenant, bool* wake);
  bool MayRefuse(const gate::Edge& edge, const gate::Judgement& judgement, Bytes address);
  // One of the batch that is not in the cache, or is asked again under another tag. `edge` may be null.
  struct Miss {
    size_t at;
    uint32_t tenant;
    const Response& response;
  };
  void HandleMiss(const gate::Edge* edge, const Miss& miss, Batch* batch, bool* wake);
  void Reply(int packet, size_t length, AnsweredBy by);
  // What nobody is told of need not be found out.
  AnsweredBy ByIfTold(const Response& response) const { return tap_.on() ? ByOf(response) : AnsweredBy::kHit; }
  // For those who watch.
  [[gnu::cold, gnu::noinline]] void Tell(int packet, size_t length, AnsweredBy by);
  void RefusePacket(int packet, Bytes octets);
  Client ClientAt(Bytes address) const {
    return {.address = address, .now_us = shared_->gate->NowUs(batch_us_), .wall_s = wall_s_};
  }
  bool by_subnet() const { return shared_->cache->tunables().Is(answers::mode::kClientSubnet); }

  ReceiverShared* shared_;
  const int fd_;
  const bool adopted_;
  int stop_read_ = -1, stop_write_ = -1;  // a pipe that ends Wait
  int successor_fd_ = -1;                 // a descriptor of its own; written before `stopping_`
  const Endpoint endpoint_;
  const bool with_local_;
  const uint16_t number_;
  Responder responder_;
  Admission admission_;
  ReceiveBatch received_;
  SendBatch replies_;
  SendCounters send_counters_;
  Batch batch_;
  DurationHistogram durations_;
  Counter refused_;
  uint64_t batch_us_ = 0;
  // Of the batch; misses are timed when they are answered, by the plane.
  uint64_t answered_ = 0;
  TapSettings tap_;      // of the batch, beside what each reply writes
  uint32_t wall_s_ = 0;  // of the batch, where there is an edge
  std::atomic<bool> stopping_{false};
  std::atomic<bool> running_{false};
  bool started_ = false;
  pthread_t thread_;
  const std::shared_ptr<TapWriter> tap_writer_;  // null where there is no tap
};

}  // namespace shardns::udp
