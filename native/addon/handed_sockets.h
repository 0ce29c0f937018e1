// Sockets that this process was started with, and what its service manager is told.
#pragma once
#include <node_api.h>

namespace shardns::addon {

napi_value TakeSocket(napi_env env, napi_callback_info info);
napi_value DuplicateDescriptor(napi_env env, napi_callback_info info);
napi_value SendDatagram(napi_env env, napi_callback_info info);

}  // namespace shardns::addon
