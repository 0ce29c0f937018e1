// Methods of the tap object.
#include "addon/tap_object.h"

#include "addon/call.h"
#include "addon/contract.h"

namespace shardns::addon {

namespace {
constexpr napi_type_tag kTapTag = {0x5ead5ca1ab1e0009, 0xcac4e0b1ec700009};
}  // namespace

struct TapMethods {
  using Object = TapObject;

  // set(on, hitsEvery, whole)
  static napi_value Set(napi_env env, napi_callback_info info) {
    Call<3> call(env, info, "on, hitsEvery, whole");
    bool on, whole;
    uint32_t every;
    if (!call.Read(0, &on) || !call.Read(1, &every) || !call.Read(2, &whole)) return call.Refuse();
    call.self<Object>()->tap_->Set(on ? udp::TapSettings::On(every, whole) : udp::TapSettings());
    return nullptr;
  }
  // registerNotes(words): two for each place of the miss ring, in shared memory
  static napi_value RegisterNotes(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "words");
    auto* self = call.self<Object>();
    if (!call.RegisterWords<uint32_t>(0, &self->notes_, 2)) return call.Refuse();
    if (!self->notes_.shared()) return call.Refuse(0, "shared memory");
    const MutableBytes octets = self->notes_.Trusted();
    self->tap_->UseNotes({reinterpret_cast<const uint32_t*>(octets.data()), octets.size() / sizeof(uint32_t)});
    return nullptr;
  }
  // take(out) -> octets of whole records
  static napi_value Take(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "out");
    MutableBytes out;
    if (!call.Read(0, &out, udp::TapRing::kMaxRecord)) return call.Refuse();
    return Int(env, static_cast<int32_t>(call.self<Object>()->tap_->Take(out)));
  }
  // TapTotals, as doubles.
  static napi_value Stats(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "out");
    MutableBytes out;
    if (!call.Read(0, &out, kStatsWords<TapTotals> * sizeof(double))) return call.Refuse();
    const udp::Tap& tap = *call.self<Object>()->tap_;
    WriteStats(TapTotals{.written = tap.written(), .dropped = tap.dropped(), .memory_bytes = tap.memory_bytes()}, out);
    return nullptr;
  }

  static constexpr Method kMethods[] = {
      {"set", Set}, {"registerNotes", RegisterNotes}, {"take", Take}, {"stats", Stats}};
};

// createTap(seed)
napi_value TapObject::Create(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "seed");
  uint32_t seed;
  if (!call.Read(0, &seed)) return call.Refuse();
  return WrapObject(env, new TapObject(seed), kTapTag, {TapMethods::kMethods});
}

std::shared_ptr<udp::Tap> TapObject::Of(napi_env env, napi_value object) {
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, object, &type) != napi_ok || type != napi_object) return nullptr;
  const TapObject* held = Unwrap<TapObject>(env, object, kTapTag);
  return held == nullptr ? nullptr : held->tap_;
}

}  // namespace shardns::addon
