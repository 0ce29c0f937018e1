// The asker as a JavaScript object.
#pragma once
#include <node_api.h>

namespace shardns::addon {

struct AskerObject {
  // createAsker(localV4, localV6, outbox, inbox, onReadable): addresses, or '' where the kernel chooses
  static napi_value Create(napi_env env, napi_callback_info info);
};

}  // namespace shardns::addon
