// The cache as a JavaScript object. Its methods are functions of their own that carry the pointer: a call costs a
// third of an unwrapped method's.
#pragma once
#include <cstring>
#include <memory>

#include "addon/contract.h"
#include "addon/object.h"
#include "udp/admission.h"

namespace shardns::addon {

class CacheObject {
 public:
  using CacheType = answers::Cache;
  // Of control: where list() says how to go on, and how many buckets there are.
  static constexpr size_t kNextBucketWord = control::kNextBucket, kBucketsWord = control::kBuckets;
  // The object behind the value that Create returned; null for others.
  static CacheObject* From(napi_env env, napi_value object);

  const std::shared_ptr<answers::Cache>& cache() const { return cache_; }
  const answers::TtlPolicy& ttl() const { return ttl_; }
  // `memory`: kept alive as long as the object; null for none.
  static napi_value Wrap(napi_env env, std::shared_ptr<answers::Cache> cache, napi_value memory);
  uint32_t* control(napi_env env) { return control_.Fetch<uint32_t>(env); }
  // Octets of JavaScript's that are read more than once, copied to where no other thread can change them: their array
  // may lie in shared memory. Valid until the next call; empty when they are more than a message has.
  Bytes Own(Bytes octets) { return CopyTo(own_.get(), octets); }
  Bytes OwnBeside(Bytes octets) { return CopyTo(own_.get() + wire::kMaxMessageSize, octets); }
  Ticks Now() const { return cache_->NowTicks(MonotonicMs()); }
  uint64_t NowMs() const { return cache_->NowMs(MonotonicMs()); }

 private:
  // Those whose clients ask here: what is told to whom.
  struct Clients {
    Clients(std::shared_ptr<gate::Gate> by, udp::Responder* responder)
        : gate(std::move(by)), admission(gate.get(), responder) {}
    const std::shared_ptr<gate::Gate> gate;
    udp::Admission admission;
  };

  friend struct ClientAnswering;
  friend struct CacheAnswering;
  friend struct CacheKeeping;
  friend struct CacheZones;
  friend struct ObjectLife;
  explicit CacheObject(std::shared_ptr<answers::Cache> cache);
  static Bytes CopyTo(uint8_t* to, Bytes octets) {
    if (octets.size() > wire::kMaxMessageSize) return {};
    if (!octets.empty()) std::memcpy(to, octets.data(), octets.size());
    return {to, octets.size()};
  }

  std::shared_ptr<answers::Cache> cache_;
  store::Reader* reader_;
  udp::Responder responder_;
  std::unique_ptr<Clients> clients_;   // null before judgeBy()
  std::shared_ptr<void> environment_;  // whose arrays zones are; null before putZone()
  std::unique_ptr<answers::PrepareScratch> scratch_{new answers::PrepareScratch};
  answers::TtlPolicy ttl_;
  std::unique_ptr<uint8_t[]> own_{new uint8_t[2 * wire::kMaxMessageSize]};
  int holders_ = 0;  // JavaScript functions that carry the pointer
  // Of the registered buffers; of the shared memory too when the object goes.
  void Release(napi_env env) {
    for (Registered* buffer :
         {&query_, &reply_, &control_, &batch_queries_, &batch_ends_, &batch_replies_, &batch_lengths_}) {
      buffer->Clear(env);
    }
    hot_ = {};
  }
  void Forget(napi_env env) {
    Release(env);
    memory_.Clear(env);
  }
  Registered memory_;
  Registered query_, reply_, control_;
  // What answer() needs of them, on one cache line. Where all three are pinned it looks nothing up.
  struct alignas(64) Hot {
    Bytes query;
    MutableBytes reply;
    uint32_t* control = nullptr;
    bool pinned = false;
  };
  Hot hot_;
  [[gnu::noinline]] void LookUpHot(napi_env env) {
    hot_ = {.query = query_.Fetch(env),
            .reply = reply_.Fetch(env),
            .control = control(env),
            .pinned = query_.shared() && reply_.shared() && control_.shared()};
  }
  struct Batch {
    Bytes packets[udp::Responder::kBatch];
    MutableBytes outs[udp::Responder::kBatch];
    wire::Query queries[udp::Responder::kBatch];
    udp::Response responses[udp::Responder::kBatch];
  };
  std::unique_ptr<Batch> batch_{new Batch};
  Registered batch_queries_, batch_ends_, batch_replies_, batch_lengths_;
};

}  // namespace shardns::addon
