// Methods of the byte cache object. The numbers that cross are declared once more, with their meaning, in lib/native.
#include "addon/byte_cache_object.h"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "addon/region_methods.h"

namespace shardns::addon {

namespace {

// Results of get() other than the value's length.
constexpr int32_t kMiss = -1;
constexpr int32_t kFailure = -2;  // the value is a noted failure
constexpr int32_t kTooLong = -3;
constexpr int32_t kKeyTooLong = -4;

enum ControlWord : size_t {
  kKindWord,
  kStaleWord,
  kRefreshWord,
  kFreqWord,
  kLengthWord,
  kNextBucketWord,
  kBucketsWord
};
constexpr size_t kControlWords = 7;
constexpr uint32_t kFlagAllowStale = 1;
constexpr uint32_t kFlagUncounted = 2;
constexpr int kKindShift = 8;  // of get's flags: the kind that the value must have
constexpr size_t kMostNamespaces = 65536;

}  // namespace

uint64_t ByteCacheObject::Now() const {
  // To the millisecond: times to live are.
  return cache_->NowMs(ExactMs());
}

struct ByteCacheMethods {
  using Object = ByteCacheObject;

  static Object* This(void* data) { return static_cast<Object*>(data); }

  // The whole key from a string or a Uint8Array, behind its namespace's name; empty: not a key. `too_long` tells why.
  static Bytes GetKey(napi_env env, Object* self, napi_value key, napi_value space, bool* too_long) {
    uint32_t number;
    *too_long = false;
    if (!GetUint32(env, space, &number) || number >= self->namespaces_.size()) return {};
    const std::string& prefix = self->namespaces_[number];
    if (prefix.size() > 1) {
      std::memcpy(self->key_, prefix.data(), prefix.size());
    } else {
      self->key_[0] = 0;
    }
    uint8_t* to = self->key_ + prefix.size();
    const size_t room = sizeof self->key_ - prefix.size();
    size_t length = 0;
    const napi_status status = napi_get_value_string_utf8(env, key, reinterpret_cast<char*>(to), room, &length);
    if (status == napi_string_expected) {
      MutableBytes octets;
      if (!GetBytes(env, key, &octets)) return {};
      length = octets.size();
      if (length <= room) std::memcpy(to, octets.data(), length);
    } else if (status != napi_ok) {
      return {};
    }
    *too_long = prefix.size() + length > bytes::kMaxKeyOctets;
    return *too_long ? Bytes() : Bytes(self->key_, prefix.size() + length);
  }

  // register(value, control, remaining): where values, words and the remaining time are left
  static napi_value Register(napi_env env, napi_callback_info info) {
    Arguments<3> args(env, info);
    Object* self = This(args.data);
    if (args.count != 3 || !self->value_.Set(env, args.values[0], bytes::kMaxValueOctets) ||
        !self->control_.Set(env, args.values[1], kControlWords * sizeof(uint32_t)) ||
        !self->remaining_.Set(env, args.values[2], sizeof(double)) ||
        reinterpret_cast<uintptr_t>(self->control_.Fetch(env).data()) % sizeof(uint32_t) != 0 ||
        reinterpret_cast<uintptr_t>(self->remaining_.Fetch(env).data()) % sizeof(double) != 0) {
      self->Release(env);
      return ThrowArgument(env);
    }
    return nullptr;
  }
  // get(key, namespace, flags, out?) -> length of the value in `out`, or where registered; or one of the above
  static napi_value Get(napi_env env, napi_callback_info info) {
    Arguments<4> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    uint32_t flags;
    uint32_t* control = self->control(env);
    double* remaining = self->remaining_.Fetch<double>(env);
    MutableBytes out = self->value_.Fetch(env);
    bool too_long;
    const Bytes key = GetKey(env, self, args.values[0], args.values[1], &too_long);
    if (too_long) return Int(env, kKeyTooLong);
    if (control == nullptr || remaining == nullptr || out.empty()) return ThrowGone(env);
    if (key.empty() || !GetUint32(env, args.values[2], &flags) ||
        (args.count == 4 && !GetBytes(env, args.values[3], &out))) {
      return ThrowArgument(env);
    }
    bytes::ByteSeen seen;
    self->cache_->Get({.key = key,
                       .now = self->Now(),
                       .allow_stale = (flags & kFlagAllowStale) != 0,
                       .count = (flags & kFlagUncounted) == 0,
                       .kind = static_cast<uint8_t>(flags >> kKindShift)},
                      self->reader_, out, &seen);
    if (seen.outcome == bytes::ByteOutcome::kMiss) return Int(env, kMiss);
    control[kKindWord] = seen.kind;
    control[kStaleWord] = seen.outcome == bytes::ByteOutcome::kStale;
    control[kRefreshWord] = seen.refresh;
    control[kFreqWord] = seen.freq;
    control[kLengthWord] = seen.length;
    *remaining = seen.remaining_ms;
    switch (seen.outcome) {
      case bytes::ByteOutcome::kFailure:
        return Int(env, kFailure);
      case bytes::ByteOutcome::kTooLong:
        return Int(env, kTooLong);
      default:
        return Int(env, static_cast<int32_t>(seen.length));
    }
  }
  // set(key, namespace, value, flags, ttlMs, tags, generation) -> 0, or a negative Status, or kKeyTooLong
  // value: a Uint8Array or a string; ttlMs: infinite = for ever; tags: a Uint16Array of marks, or undefined
  static napi_value Set(napi_env env, napi_callback_info info) {
    Arguments<7> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    bytes::ByteSet set;
    uint32_t flags;
    double ttl;
    bool too_long;
    set.key = GetKey(env, self, args.values[0], args.values[1], &too_long);
    if (too_long) return Int(env, kKeyTooLong);
    if (args.count != 7 || set.key.empty() || !GetUint32(env, args.values[3], &flags) ||
        napi_get_value_double(env, args.values[4], &ttl) != napi_ok || !(ttl >= 0) ||
        !GetUint32(env, args.values[6], &set.generation)) {
      return ThrowArgument(env);
    }
    MutableBytes value;
    size_t length = 0;
    const MutableBytes scratch = self->value_.Fetch(env);
    if (scratch.empty()) return ThrowGone(env);
    const napi_status status = napi_get_value_string_utf8(env, args.values[2], reinterpret_cast<char*>(scratch.data()),
                                                          scratch.size(), &length);
    if (status == napi_ok) {
      value = scratch.first(length);
      if (length > bytes::kMaxValueOctets) return Int(env, static_cast<int32_t>(Status::kTooLarge));
    } else if (!GetBytes(env, args.values[2], &value)) {
      return ThrowArgument(env);
    }
    MutableBytes tags;
    napi_valuetype type;
    napi_typeof(env, args.values[5], &type);
    if (type != napi_undefined &&
        (!GetBytes(env, args.values[5], &tags) || tags.size() > 2 * (bytes::kMaxMarks - 1) || tags.size() % 2 != 0)) {
      return ThrowArgument(env);
    }
    set.tags = static_cast<uint8_t>(tags.size() / 2);
    std::memcpy(set.tag, tags.data(), tags.size());
    set.value = value;
    set.now = self->Now();
    if (ttl < 9e15) set.ttl_ms = static_cast<uint64_t>(ttl);
    set.flags = static_cast<uint8_t>(flags);
    return Int(env, static_cast<int32_t>(self->cache_->Set(set)));
  }
  // remove(key, namespace) -> 1, 0, or kKeyTooLong
  static napi_value Remove(napi_env env, napi_callback_info info) {
    Arguments<2> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    bool too_long;
    const Bytes key = GetKey(env, self, args.values[0], args.values[1], &too_long);
    if (too_long) return Int(env, kKeyTooLong);
    return key.empty() ? ThrowArgument(env) : Int(env, self->cache_->Remove(key));
  }
  // touch(key, namespace, ttlMs, kind) -> 1, 0, or kKeyTooLong
  static napi_value Touch(napi_env env, napi_callback_info info) {
    Arguments<4> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    double ttl;
    uint32_t kind;
    bool too_long;
    const Bytes key = GetKey(env, self, args.values[0], args.values[1], &too_long);
    if (too_long) return Int(env, kKeyTooLong);
    if (key.empty() || napi_get_value_double(env, args.values[2], &ttl) != napi_ok || !(ttl >= 0) ||
        !GetUint32(env, args.values[3], &kind)) {
      return ThrowArgument(env);
    }
    const bytes::ByteTouch touch = {.key = key,
                                    .ttl_ms = ttl < 9e15 ? static_cast<uint64_t>(ttl) : bytes::kNever,
                                    .now = self->Now(),
                                    .kind = static_cast<uint8_t>(kind)};
    return Int(env, self->cache_->Touch(touch, self->value_.Fetch(env)));
  }
  // addNamespace(name) -> its number
  static napi_value AddNamespace(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    Object* self = This(args.data);
    std::string name;
    if (!self->cache_) return ThrowClosed(env);
    if (!GetString(env, args.values[0], &name) || name.empty() || name.size() > 255) return ThrowArgument(env);
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
  // tagMark(tag) -> what entries with the tag carry
  static napi_value TagMark(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    Object* self = This(args.data);
    std::string tag;
    if (!self->cache_) return ThrowClosed(env);
    if (!GetString(env, args.values[0], &tag)) return ThrowArgument(env);
    return Int(env, self->cache_->TagMark({reinterpret_cast<const uint8_t*>(tag.data()), tag.size()}));
  }
  // forget(kind, number): kind 0 everything, 1 the namespace of that number, 2 what has the tag of that mark
  static napi_value Forget(napi_env env, napi_callback_info info) {
    Arguments<2> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    uint32_t kind, number;
    if (args.count != 2 || !GetUint32(env, args.values[0], &kind) || !GetUint32(env, args.values[1], &number) ||
        kind > 2 || (kind == 1 && number >= self->namespaces_.size()) || (kind == 2 && number > UINT16_MAX)) {
      return ThrowArgument(env);
    }
    if (kind == 0) {
      self->cache_->ForgetAll();
    } else if (kind == 1) {
      const std::string& name = self->namespaces_[number];
      self->cache_->ForgetNamespace({reinterpret_cast<const uint8_t*>(name.data()), name.size()});
    } else {
      self->cache_->ForgetTag(static_cast<uint16_t>(number));
    }
    return nullptr;
  }
  // generation() -> what an insert of a value asked for now says later
  static napi_value Generation(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    napi_value result;
    napi_create_uint32(env, self->cache_->generation(), &result);
    return result;
  }
  // configure(Uint32Array): [stale window ms, refresh shares by popularity (4), beta of early refresh ms]
  static napi_value Configure(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    uint32_t words[6];
    MutableBytes bytes;
    if (!GetBytes(env, args.values[0], &bytes) || bytes.size() != sizeof words) return ThrowArgument(env);
    std::memcpy(words, bytes.data(), sizeof words);
    self->cache_->SetStaleWindow(words[0]);
    bytes::ByteTunables& tunables = self->cache_->tunables();
    for (int i = 0; i < 4; ++i) tunables.refresh_share[i] = words[1 + i];
    tunables.early_refresh_beta_ms = words[5];
    return nullptr;
  }
  static napi_value Close(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    Object* self = This(args.data);
    self->cache_.reset();
    self->Release(env);
    return nullptr;
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
    {"close", ByteCacheMethods::Close},
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
