// Small conversions between JavaScript values and C++, for trusted callers: TypeScript has validated and explained,
// here wrong types are reported as internal errors, never followed.
#pragma once
#include <node_api.h>

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace shardns::addon {

inline napi_value Throw(napi_env env, const char* code, const char* message) {
  napi_throw_error(env, code, message);
  return nullptr;
}
inline napi_value ThrowClosed(napi_env env) {
  return Throw(env, "ERR_SHARDNS_CLOSED", "the object was closed before this call");
}

inline napi_value Int(napi_env env, int32_t value) {
  napi_value result;
  napi_create_int32(env, value, &result);
  return result;
}
inline napi_value Bool(napi_env env, bool value) {
  napi_value result;
  napi_get_boolean(env, value, &result);
  return result;
}

template <size_t N>
struct Arguments {
  napi_value values[N];
  size_t count = N;
  void* data = nullptr;
  Arguments(napi_env env, napi_callback_info info) { napi_get_cb_info(env, info, &count, values, nullptr, &data); }
};

inline bool GetUint32(napi_env env, napi_value value, uint32_t* out) {
  return napi_get_value_uint32(env, value, out) == napi_ok;
}
// An octet view of any typed array. False for other values; a detached array gives no octets. `buffer`: what it views.
inline bool GetBytes(napi_env env, napi_value value, MutableBytes* out, napi_value* buffer = nullptr) {
  napi_typedarray_type type;
  size_t length;
  void* data;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, buffer, nullptr) != napi_ok) return false;
  size_t width = 1;
  switch (type) {
    case napi_int16_array:
    case napi_uint16_array:
      width = 2;
      break;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      width = 4;
      break;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      width = 8;
      break;
    default:
      break;
  }
  *out = {static_cast<uint8_t*>(data), length * width};
  return true;
}
inline bool GetString(napi_env env, napi_value value, std::string* out) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok || length > 4096) return false;
  out->resize(length);
  return napi_get_value_string_utf8(env, value, out->data(), length + 1, &length) == napi_ok;
}

// A typed array whose memory is used by later calls. Shared memory is pinned by the reference: it can neither be
// detached nor shrink, and a growing one stays where it is. An ordinary buffer may be transferred, resized, or be the
// memory of a WebAssembly instance that grows, at any time between two calls: it is looked up again by each.
class Registered {
 public:
  // False for what is no typed array, or has fewer than `least` octets.
  bool Set(napi_env env, napi_value value, size_t least = 1) {
    MutableBytes bytes;
    napi_value buffer;
    bool ordinary = false;
    if (!GetBytes(env, value, &bytes, &buffer) || bytes.data() == nullptr || bytes.size() < least ||
        napi_is_arraybuffer(env, buffer, &ordinary) != napi_ok) {
      return false;
    }
    Clear(env);
    if (napi_create_reference(env, value, 1, &reference_) != napi_ok) return false;
    bytes_ = bytes;
    pinned_ = !ordinary;
    least_ = least;
    return true;
  }
  void Clear(napi_env env) {
    if (reference_ != nullptr) napi_delete_reference(env, reference_);
    reference_ = nullptr;
    pinned_ = true;
    bytes_ = {};
  }
  // Its octets as long as this call of ours lasts; none when nothing is registered, or when it was detached or has
  // shrunk below what is needed.
  MutableBytes Fetch(napi_env env) {
    if (!pinned_) LookUp(env);
    return bytes_;
  }
  template <typename T>
  T* Fetch(napi_env env) {
    return reinterpret_cast<T*>(Fetch(env).data());
  }
  // The same where the caller of this very call has looked whether it is still as it was registered.
  MutableBytes Trusted() const { return bytes_; }
  // Whether another thread may change it meanwhile.
  bool shared() const { return reference_ != nullptr && pinned_; }

 private:
  [[gnu::noinline]] void LookUp(napi_env env) {
    napi_value value;
    if (napi_get_reference_value(env, reference_, &value) != napi_ok || value == nullptr ||
        !GetBytes(env, value, &bytes_) || bytes_.data() == nullptr || bytes_.size() < least_) {
      bytes_ = {};
    }
  }

  napi_ref reference_ = nullptr;
  bool pinned_ = true;  // as nothing is, too
  size_t least_ = 0;
  MutableBytes bytes_;
};

inline napi_value ThrowGone(napi_env env) {
  return Throw(env, "ERR_SHARDNS_OPTION",
               "a registered buffer was detached or has shrunk since it was registered: register another");
}

}  // namespace shardns::addon
