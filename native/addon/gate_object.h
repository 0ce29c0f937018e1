// The gate as a JavaScript object: the one that every listener of a server judges by, the native plane too.
#pragma once
#include <memory>

#include "addon/edge_argument.h"
#include "addon/object.h"
#include "gate/gate.h"

namespace shardns::addon {

// What everybody who judges by a gate's edge has counted.
struct EdgeTotals {
  uint64_t actions[gate::kEdgeActions];
  uint64_t over_limit;
  uint64_t cookies[gate::kCookieStates];
  uint64_t by_override;
  uint64_t by_list[gate::kMaxLists];
};

class GateObject {
 public:
  static napi_value Create(napi_env env, napi_callback_info info);
  // Null for what is no gate.
  static GateObject* From(napi_env env, napi_value object);
  // Names and places of the fields of a rule, for whoever writes them.
  static napi_value RuleFields(napi_env env);
  const std::shared_ptr<gate::Gate>& gate() const { return gate_; }

 private:
  friend struct GateMethods;
  friend struct ObjectLife;
  explicit GateObject(const HashSecret& secret)
      : secret_(secret),
        gate_(std::make_shared<gate::Gate>(secret)),
        rules_(std::make_unique<gate::Gate::Reader>(gate_->rules())) {}

  void Forget(napi_env env) { address_.Clear(env); }

  const HashSecret secret_;
  std::shared_ptr<gate::Gate> gate_;
  RateCounters rates_;
  std::unique_ptr<gate::Gate::Reader> rules_;
  int holders_ = 0;
  Registered address_;
};

}  // namespace shardns::addon
