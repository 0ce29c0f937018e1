// Methods of the byte cache object.
#include "addon/byte_cache_object.h"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "addon/call.h"
#include "addon/region_methods.h"

namespace shardns::addon {

namespace {

// Times to live from here on, and infinite ones, are for ever: beyond it a double does not tell milliseconds apart.
constexpr double kForEverMs = 9e15;
constexpr size_t kMostNamespaces = 65536;

}  // namespace

uint64_t ByteCacheObject::Now() const {
  // To the millisecond: times to live are.
  return cache_->NowMs(ExactMs());
}

struct ByteCacheMethods {
  using Object = ByteCacheObject;

  // The whole key from the first argument, a string or a Uint8Array, behind the name of the namespace that is the
  // second; empty: not a key. `too_long` tells why.
  template <size_t N>
  static Bytes GetKey(Call<N>* call, bool* too_long) {
    auto* self = call->template self<Object>();
    uint32_t number;
    *too_long = false;
    if (!call->Read(1, &number)) return {};
    if (number >= self->namespaces_.size()) {
      call->Wrong(1, "the number of a namespace");
      return {};
    }
    const std::string& prefix = self->namespaces_[number];
    if (prefix.size() > 1) {
      std::memcpy(self->key_, prefix.data(), prefix.size());
    } else {
      self->key_[0] = 0;
    }
    uint8_t* to = self->key_ + prefix.size();
    const size_t room = sizeof self->key_ - prefix.size();
    size_t length = 0;
    const napi_status status =
        napi_get_value_string_utf8(call->env(), call->value(0), reinterpret_cast<char*>(to), room, &length);
    if (status != napi_ok) {
      MutableBytes octets;
      if (!GetBytes(call->env(), call->value(0), &octets)) {
        call->Wrong(0, "a string or a typed array");
        return {};
      }
      length = octets.size();
      if (length <= room) std::memcpy(to, octets.data(), length);
    }
    *too_long = prefix.size() + length > bytes::kMaxKeyOctets;
    return *too_long ? Bytes() : Bytes(self->key_, prefix.size() + length);
  }

  // Where values, words and the remaining time are left.
  static napi_value Register(napi_env env, napi_callback_info info) {
    Call<3> call(env, info, "value, control, remainingMs");
    auto* self = call.self<Object>();
    if (!call.Register(0, &self->value_, bytes::kMaxValueOctets) ||
        !call.RegisterWords<uint32_t>(1, &self->control_, byte_control::kWords) ||
        !call.RegisterWords<double>(2, &self->remaining_, 1)) {
      self->Release(env);
      return call.Refuse();
    }
    return nullptr;
  }
  // -> length of the value in `out`, or where registered where `out` is not given; or a got::Result
  static napi_value Get(napi_env env, napi_callback_info info) {
    Call<4> call(env, info, "key, namespace, flags, out");
    uint32_t flags;
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    uint32_t* control = self->control(env);
    double* remaining = self->remaining_.Fetch<double>(env);
    MutableBytes out = self->value_.Fetch(env);
    bool too_long;
    const Bytes key = GetKey(&call, &too_long);
    if (too_long) return Int(env, got::kKeyTooLong);
    if (control == nullptr || remaining == nullptr || out.empty()) return ThrowGone(env);
    if (key.empty() || !call.Read(2, &flags) || (call.count() == 4 && !call.Read(3, &out))) return call.Refuse();
    bytes::ByteSeen seen;
    self->cache_->Get({.key = key,
                       .now = self->Now(),
                       .allow_stale = (flags & get_flag::kAllowStale) != 0,
                       .count = (flags & get_flag::kUncounted) == 0,
                       .kind = static_cast<uint8_t>(flags >> get_flag::kKindShift)},
                      self->reader_, out, &seen);
    if (seen.outcome == bytes::ByteOutcome::kMiss) return Int(env, got::kMiss);
    control[byte_control::kKind] = seen.kind;
    control[byte_control::kStale] = seen.outcome == bytes::ByteOutcome::kStale;
    control[byte_control::kRefresh] = seen.refresh;
    control[byte_control::kPopularity] = seen.freq;
    control[byte_control::kLength] = seen.length;
    *remaining = seen.remaining_ms;
    switch (seen.outcome) {
      case bytes::ByteOutcome::kFailure:
        return Int(env, got::kFailure);
      case bytes::ByteOutcome::kTooLong:
        return Int(env, got::kTooLong);
      default:
        return Int(env, static_cast<int32_t>(seen.length));
    }
  }
  // -> 0, or a negative Status, or got::kKeyTooLong
  // value: a Uint8Array or a string; ttlMs: infinite = for ever; tags: a Uint16Array of marks, or undefined
  static napi_value Set(napi_env env, napi_callback_info info) {
    Call<7> call(env, info, "key, namespace, value, flags, ttlMs, tags, generation");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    bytes::ByteSet set;
    uint32_t flags;
    double ttl;
    bool too_long;
    set.key = GetKey(&call, &too_long);
    if (too_long) return Int(env, got::kKeyTooLong);
    if (set.key.empty() || !call.Read(3, &flags) || !call.ReadPositive(4, &ttl) || !call.Read(6, &set.generation)) {
      return call.Refuse();
    }
    MutableBytes value;
    size_t length = 0;
    const MutableBytes scratch = self->value_.Fetch(env);
    if (scratch.empty()) return ThrowGone(env);
    const napi_status status = napi_get_value_string_utf8(env, call.value(2), reinterpret_cast<char*>(scratch.data()),
                                                          scratch.size(), &length);
    if (status == napi_ok) {
      value = scratch.first(length);
      if (length > bytes::kMaxValueOctets) return Int(env, static_cast<int32_t>(Status::kTooLarge));
    } else if (!GetBytes(env, call.value(2), &value)) {
      return call.Refuse(2, "a string or a typed array");
    }
    MutableBytes tags;
    if (!call.IsUndefined(5)) {
      if (!call.Read(5, &tags)) return call.Refuse();
      if (tags.size() > 2 * (bytes::kMaxMarks - 1) || tags.size() % 2 != 0) return call.Refuse(5, "at most 16 marks");
    }
    set.tags = static_cast<uint8_t>(tags.size() / 2);
    if (!tags.empty()) std::memcpy(set.tag, tags.data(), tags.size());
    set.value = value;
    set.now = self->Now();
    if (ttl < kForEverMs) set.ttl_ms = static_cast<uint64_t>(ttl);
    set.flags = static_cast<uint8_t>(flags);
    return Int(env, static_cast<int32_t>(self->cache_->Set(set)));
  }
  // -> 1, 0, or got::kKeyTooLong
  static napi_value Remove(napi_env env, napi_callback_info info) {
    Call<2> call(env, info, "key, namespace");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    bool too_long;
    const Bytes key = GetKey(&call, &too_long);
    if (too_long) return Int(env, got::kKeyTooLong);
    return key.empty() ? call.Refuse() : Int(env, self->cache_->Remove(key));
  }
  // -> 1, 0, or got::kKeyTooLong
  static napi_value Touch(napi_env env, napi_callback_info info) {
    Call<4> call(env, info, "key, namespace, ttlMs, kind");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    double ttl;
    uint32_t kind;
    bool too_long;
    const Bytes key = GetKey(&call, &too_long);
    if (too_long) return Int(env, got::kKeyTooLong);
    if (key.empty() || !call.ReadPositive(2, &ttl) || !call.Read(3, &kind)) return call.Refuse();
    const bytes::ByteTouch touch = {.key = key,
                                    .ttl_ms = ttl < kForEverMs ? static_cast<uint64_t>(ttl) : bytes::kNever,
                                    .now = self->Now(),
                                    .kind = static_cast<uint8_t>(kind)};
    return Int(env, self->cache_->Touch(touch, self->value_.Fetch(env)));
  }
  // -> its number
  static napi_value AddNamespace(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "name");
    auto* self = call.self<Object>();
    std::string name;
    if (!self->cache_) return ThrowClosed(env);
    if (!call.Read(0, &name)) return call.Refuse();
    if (name.empty() || name.size() > UINT8_MAX) return call.Refuse(0, "1 to 255 octets");
    name.insert(name.begin(), static_cast<char>(name.size()));
    auto& all = self->namespaces_;
    auto found = std::find(all.begin(), all.end(), name);
    if (found == all.end()) {
      if (all.size() == kMostNamespaces) return Throw(env, "ERR_SHARDNS_OVERLOAD", "65535 namespaces are in use");
      all.push_back(name);
      found = all.end() - 1;
    }
    return Int(env, static_cast<int32_t>(found - all.begin()));
  }
  // -> what entries with the tag carry
  static napi_value TagMark(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "tag");
    auto* self = call.self<Object>();
    std::string tag;
    if (!self->cache_) return ThrowClosed(env);
    if (!call.Read(0, &tag)) return call.Refuse();
    return Int(env, self->cache_->TagMark({reinterpret_cast<const uint8_t*>(tag.data()), tag.size()}));
  }
  // Everything, or the namespace of that number, or what has the tag of that mark.
  static napi_value Forget(napi_env env, napi_callback_info info) {
    Call<2> call(env, info, "kind, number");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    uint32_t kind, number;
    if (!call.Read(0, &kind) || !call.Read(1, &number)) return call.Refuse();
    switch (kind) {
      case byte_forget::kAll:
        self->cache_->ForgetAll();
        return nullptr;
      case byte_forget::kNamespace: {
        if (number >= self->namespaces_.size()) return call.Refuse(1, "the number of a namespace");
        const std::string& name = self->namespaces_[number];
        self->cache_->ForgetNamespace({reinterpret_cast<const uint8_t*>(name.data()), name.size()});
        return nullptr;
      }
      case byte_forget::kTag:
        if (number > UINT16_MAX) return call.Refuse(1, "a tag's mark");
        self->cache_->ForgetTag(static_cast<uint16_t>(number));
        return nullptr;
      default:
        return call.Refuse(0, "a kind of what is forgotten");
    }
  }
  static napi_value Configure(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "tunables");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    uint32_t words[byte_tunable::kWords];
    if (!call.ReadWords(0, words)) return call.Refuse();
    self->cache_->SetStaleWindow(words[byte_tunable::kStaleWindowMs]);
    bytes::ByteTunables& tunables = self->cache_->tunables();
    tunables.refresh_share[0] = words[byte_tunable::kRefreshShare0];
    tunables.refresh_share[1] = words[byte_tunable::kRefreshShare1];
    tunables.refresh_share[2] = words[byte_tunable::kRefreshShare2];
    tunables.refresh_share[3] = words[byte_tunable::kRefreshShare3];
    tunables.early_refresh_beta_ms = words[byte_tunable::kEarlyRefreshBetaMs];
    return nullptr;
  }
  // -> what an insert of a value asked for now says later
  static napi_value Generation(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    auto* self = static_cast<Object*>(args.data);
    if (!self->cache_) return ThrowClosed(env);
    napi_value result;
    napi_create_uint32(env, self->cache_->generation(), &result);
    return result;
  }
};

namespace {

constexpr Method kMethods[] = {
    {"register", ByteCacheMethods::Register},
    {"get", ByteCacheMethods::Get},
    {"set", ByteCacheMethods::Set},
    {"remove", ByteCacheMethods::Remove},
    {"touch", ByteCacheMethods::Touch},
    {"addNamespace", ByteCacheMethods::AddNamespace},
    {"tagMark", ByteCacheMethods::TagMark},
    {"forget", ByteCacheMethods::Forget},
    {"generation", ByteCacheMethods::Generation},
    {"configure", ByteCacheMethods::Configure},
    {"close", ObjectLife::Close<ByteCacheObject>},
};
constexpr napi_type_tag kByteCacheTag = {0x5ead5ca1ab1e0002, 0xcac4e0b1ec700002};

}  // namespace

ByteCacheObject* ByteCacheObject::From(napi_env env, napi_value object) {
  return Unwrap<ByteCacheObject>(env, object, kByteCacheTag);
}

napi_value ByteCacheObject::Wrap(napi_env env, std::shared_ptr<bytes::ByteCache> cache, napi_value memory) {
  auto* self = new ByteCacheObject(std::move(cache));
  if (memory != nullptr) self->memory_.Set(env, memory);
  return WrapObject(env, self, kByteCacheTag, {RegionMethods<ByteCacheObject>::kMethods, kMethods});
}

}  // namespace shardns::addon
