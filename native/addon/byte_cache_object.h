// The cache of octets as a JavaScript object.
#pragma once
#include <memory>
#include <vector>

#include "addon/contract.h"
#include "addon/object.h"
#include "bytes/byte_cache.h"

namespace shardns::addon {

class ByteCacheObject {
 public:
  using CacheType = bytes::ByteCache;
  // `memory`: kept alive as long as the object; null for none.
  static napi_value Wrap(napi_env env, std::shared_ptr<bytes::ByteCache> cache, napi_value memory);
  static ByteCacheObject* From(napi_env env, napi_value object);
  const std::shared_ptr<bytes::ByteCache>& cache() const { return cache_; }
  uint32_t* control(napi_env env) { return control_.Fetch<uint32_t>(env); }
  // In milliseconds, by the exact clock.
  uint64_t Now() const;
  uint64_t NowMs() const { return Now(); }
  // Of control: where list() says how to go on, and how many buckets there are.
  static constexpr size_t kNextBucketWord = byte_control::kNextBucket, kBucketsWord = byte_control::kBuckets;

 private:
  friend struct ByteCacheMethods;
  friend struct ObjectLife;
  explicit ByteCacheObject(std::shared_ptr<bytes::ByteCache> cache)
      : cache_(std::move(cache)), reader_(cache_->NewReader()) {
    key_[0] = 0;
  }

  // Of the registered buffers; of the shared memory too when the object goes.
  void Release(napi_env env) {
    for (Registered* buffer : {&value_, &control_, &remaining_}) buffer->Clear(env);
  }
  void Forget(napi_env env) {
    Release(env);
    memory_.Clear(env);
  }

  std::shared_ptr<bytes::ByteCache> cache_;
  store::Reader* reader_;
  int holders_ = 0;
  Registered memory_;
  Registered value_, control_, remaining_;
  // Names of namespaces, with their lengths before them; 0 = the one without a name.
  std::vector<std::string> namespaces_{std::string(1, '\0')};
  uint8_t key_[bytes::kMaxKeyOctets + 8];  // a string's last character may be cut by up to three octets
};

}  // namespace shardns::addon
