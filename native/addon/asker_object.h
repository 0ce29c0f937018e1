// The asker as a JavaScript object.
#pragma once
#include <node_api.h>

#include "udp/asker.h"

namespace shardns::addon {

// What stats() tells, in order.
struct AskerTotals {
  udp::AskerStats asker;
  uint64_t sockets;    // open
  uint64_t under_way;  // queries
};

struct AskerObject {
  // createAsker(localV4, localV6, outbox, inbox, onReadable): addresses, or '' where the kernel chooses
  static napi_value Create(napi_env env, napi_callback_info info);
};

}  // namespace shardns::addon
