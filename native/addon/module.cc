// The module: what makes its objects, and the version of the contract with lib/native.
#include "addon/byte_cache_object.h"
#include "addon/plane_object.h"
#include "addon/query_parse.h"
#include "addon/region_argument.h"

namespace shardns::addon {

static napi_value Init(napi_env env, napi_value exports) {
  struct Function {
    const char* name;
    napi_callback callback;
  };
  constexpr Function kFunctions[] = {
      {"createCache", MakeObject<CacheObject, CreateRegion>},
      {"attachCache", MakeObject<CacheObject, AttachRegion>},
      {"openCache", MakeObject<CacheObject, OpenRegion>},
      {"createBytes", MakeObject<ByteCacheObject, CreateRegion>},
      {"attachBytes", MakeObject<ByteCacheObject, AttachRegion>},
      {"openBytes", MakeObject<ByteCacheObject, OpenRegion>},
      {"createPlane", PlaneObject::Create},
      {"parseQuery", ParseQuery},
  };
  for (const Function& function : kFunctions) {
    napi_value value;
    napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.callback, nullptr, &value);
    napi_set_named_property(env, exports, function.name, value);
  }
  napi_set_named_property(env, exports, "contract", Int(env, 5));
  return exports;
}

NAPI_MODULE(shardns, Init)

}  // namespace shardns::addon
