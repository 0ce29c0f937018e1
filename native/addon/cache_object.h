// The cache as a JavaScript object. Its methods are functions of their own that carry the pointer: a call costs a
// third of an unwrapped method's.
#pragma once
#include <memory>

#include "addon/object.h"
#include "udp/responder.h"

namespace shardns::addon {

class CacheObject {
 public:
  using CacheType = cache::Cache;
  static constexpr size_t kListWord = 6;  // of control: where list() says how to go on
  // The object behind the value that Create returned; null for others.
  static CacheObject* From(napi_env env, napi_value object);

  const std::shared_ptr<cache::Cache>& cache() const { return cache_; }
  const cache::TtlPolicy& ttl() const { return ttl_; }
  // `memory`: kept alive as long as the object; null for none.
  static napi_value Wrap(napi_env env, std::shared_ptr<cache::Cache> cache, napi_value memory);
  uint32_t* control() const { return control_.as<uint32_t>(); }
  Ticks Now() const { return cache_->NowTicks(MonotonicMs()); }
  uint64_t NowMs() const { return cache_->NowMs(MonotonicMs()); }

 private:
  friend struct CacheMethods;
  friend struct ObjectLife;
  explicit CacheObject(std::shared_ptr<cache::Cache> cache);

  std::shared_ptr<cache::Cache> cache_;
  cache::Reader* reader_;
  udp::Responder responder_;
  std::unique_ptr<cache::PrepareScratch> scratch_{new cache::PrepareScratch};
  cache::TtlPolicy ttl_;
  int holders_ = 0;  // JavaScript functions that carry the pointer
  Registered memory_;
  Registered query_, reply_, control_;
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
