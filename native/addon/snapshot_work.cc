// What both kinds of caches say of a snapshot.
#include "addon/snapshot_work.h"

namespace shardns::addon {

napi_value ResultObject(napi_env env, const snapshot::Result& result) {
  napi_value object, value;
  napi_create_object(env, &object);
  const auto set = [&](const char* name, uint64_t number) {
    napi_create_double(env, static_cast<double>(number), &value);
    napi_set_named_property(env, object, name, value);
  };
  set("entries", result.entries);
  set("octets", result.octets);
  set("expired", result.expired);
  set("rejected", result.rejected);
  napi_set_named_property(env, object, "damaged", Bool(env, result.damaged));
  return object;
}

}  // namespace shardns::addon
