// As an external value, which keeps its completion alive.
#include "addon/plane_completion.h"

namespace shardns::addon {

namespace {
constexpr napi_type_tag kCompletionTag = {0x3b1f6d2c95e84a07, 0xa4c2079e5d8b1f63};
}  // namespace

napi_value WrapCompletion(napi_env env, std::shared_ptr<udp::Completion> completion) {
  auto* held = new std::shared_ptr<udp::Completion>(std::move(completion));
  const auto release = [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<udp::Completion>*>(data); };
  napi_value external;
  if (napi_create_external(env, held, release, nullptr, &external) != napi_ok) {
    delete held;
    return nullptr;
  }
  napi_type_tag_object(env, external, &kCompletionTag);
  return external;
}

bool ReadCompletion(napi_env env, napi_value value, std::shared_ptr<udp::Completion>* out) {
  bool own = false;
  void* held = nullptr;
  if (napi_check_object_type_tag(env, value, &kCompletionTag, &own) != napi_ok || !own ||
      napi_get_value_external(env, value, &held) != napi_ok) {
    return false;
  }
  *out = *static_cast<std::shared_ptr<udp::Completion>*>(held);
  return true;
}

}  // namespace shardns::addon
