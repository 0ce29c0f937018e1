// Where a server's native threads tell what they have answered, as a JavaScript object.
#pragma once
#include "addon/object.h"
#include "udp/tap.h"

namespace shardns::addon {

struct TapTotals {
  uint64_t written;
  uint64_t dropped;
  uint64_t memory_bytes;
};

class TapObject {
 public:
  static napi_value Create(napi_env env, napi_callback_info info);
  // Null for what is no tap.
  static std::shared_ptr<udp::Tap> Of(napi_env env, napi_value object);

 private:
  friend struct TapMethods;
  friend struct ObjectLife;
  explicit TapObject(uint32_t seed) : tap_(std::make_shared<udp::Tap>(seed)) {}

  void Forget(napi_env env) {
    tap_->UseNotes({});
    notes_.Clear(env);
  }

  const std::shared_ptr<udp::Tap> tap_;
  Registered notes_;
  int holders_ = 0;
};

}  // namespace shardns::addon
