// parseQuery(query, words) -> verdict: what the native parser reads out of a query, for JavaScript.
#pragma once
#include "addon/values.h"

namespace shardns::addon {

napi_value ParseQuery(napi_env env, napi_callback_info info);

}  // namespace shardns::addon
