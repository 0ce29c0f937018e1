// The memory of a cache, whatever its entries, from what JavaScript says of it: of its own, somebody else's, or a file.
#pragma once
#include "addon/values.h"
#include "store/region.h"

namespace shardns::addon {

// create(options, memory?): memory of its own, or laid out in a Uint8Array over zeroed shared memory. Null: thrown.
std::unique_ptr<store::Region> CreateRegion(napi_env env, napi_callback_info info, store::RegionKind kind,
                                            napi_value* memory);
// attach(memory): what another thread has laid out.
std::unique_ptr<store::Region> AttachRegion(napi_env env, napi_callback_info info, store::RegionKind kind,
                                            napi_value* memory);
// open(options, path): a file; with anySize and recreate among the options.
std::unique_ptr<store::Region> OpenRegion(napi_env env, napi_callback_info info, store::RegionKind kind,
                                          napi_value* memory);

// Unix time; for files only.
uint64_t WallMs();

// 0 as it should be, or in no file; 1 cut under the mapping; 2 the path leads elsewhere.
int32_t StateOfFile(const store::Region& region);

// The three makers of an object over a cache.
template <typename Object, auto Make>
napi_value MakeObject(napi_env env, napi_callback_info info) {
  using Cache = typename Object::CacheType;
  napi_value memory = nullptr;
  std::unique_ptr<store::Region> region = Make(env, info, Cache::kKind, &memory);
  return region ? Object::Wrap(env, std::make_shared<Cache>(std::move(region)), memory) : nullptr;
}

}  // namespace shardns::addon
