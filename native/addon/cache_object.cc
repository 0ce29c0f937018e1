// The cache object's life: how it is made, and found again behind its JavaScript value.
#include "addon/cache_object.h"

#include "addon/cache_methods.h"
#include "addon/region_methods.h"

namespace shardns::addon {

namespace {

constexpr napi_type_tag kCacheTag = {0x5ead5ca1ab1e0001, 0xcac4e0b1ec700001};

}  // namespace

CacheObject::CacheObject(std::shared_ptr<answers::Cache> cache)
    : cache_(std::move(cache)), reader_(cache_->NewReader()), responder_(cache_.get(), reader_) {}

CacheObject* CacheObject::From(napi_env env, napi_value object) { return Unwrap<CacheObject>(env, object, kCacheTag); }

napi_value CacheObject::Wrap(napi_env env, std::shared_ptr<answers::Cache> cache, napi_value memory) {
  auto* self = new CacheObject(std::move(cache));
  if (memory != nullptr) self->memory_.Set(env, memory);
  return WrapObject(
      env, self, kCacheTag,
      {RegionMethods<CacheObject>::kMethods, CacheAnswerMethods(), CacheKeepMethods(), CacheZoneMethods()});
}

}  // namespace shardns::addon
