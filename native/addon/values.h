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
inline napi_value ThrowArgument(napi_env env) {
  return Throw(env, "ERR_SHARDNS_INTERNAL", "the native layer was called with an argument of the wrong type");
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
// An octet view of any typed array. False for other values; a detached array gives no octets.
inline bool GetBytes(napi_env env, napi_value value, MutableBytes* out) {
  napi_typedarray_type type;
  size_t length;
  void* data;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok) return false;
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
inline bool GetProperty(napi_env env, napi_value object, const char* name, uint32_t* out) {
  napi_value value;
  return napi_get_named_property(env, object, name, &value) == napi_ok && GetUint32(env, value, out);
}
inline bool GetString(napi_env env, napi_value value, std::string* out) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok || length > 4096) return false;
  out->resize(length);
  return napi_get_value_string_utf8(env, value, out->data(), length + 1, &length) == napi_ok;
}

// A typed array kept alive, whose memory is used on every call.
class Registered {
 public:
  bool Set(napi_env env, napi_value value) {
    MutableBytes bytes;
    if (!GetBytes(env, value, &bytes) || bytes.data() == nullptr) return false;
    Clear(env);
    if (napi_create_reference(env, value, 1, &reference_) != napi_ok) return false;
    bytes_ = bytes;
    return true;
  }
  void Clear(napi_env env) {
    if (reference_ != nullptr) napi_delete_reference(env, reference_);
    reference_ = nullptr;
    bytes_ = {};
  }
  MutableBytes bytes() const { return bytes_; }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(bytes_.data());
  }

 private:
  napi_ref reference_ = nullptr;
  MutableBytes bytes_;
};

}  // namespace shardns::addon
