// The module: two constructors and the version of the contract with lib/native.
#include "addon/plane_object.h"

namespace shardns::addon {

static napi_value Init(napi_env env, napi_value exports) {
  struct Function {
    const char* name;
    napi_callback callback;
  };
  constexpr Function kFunctions[] = {
      {"createCache", CacheObject::Create}, {"attachCache", CacheObject::Attach}, {"createPlane", PlaneObject::Create}};
  for (const Function& function : kFunctions) {
    napi_value value;
    napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.callback, nullptr, &value);
    napi_set_named_property(env, exports, function.name, value);
  }
  napi_set_named_property(env, exports, "contract", Int(env, 1));
  return exports;
}

NAPI_MODULE(shardns, Init)

}  // namespace shardns::addon
