// A C++ object as a JavaScript one. Its methods are functions of their own that carry the pointer: a call costs a third
// of an unwrapped method's.
#pragma once
#include <initializer_list>
#include <span>

#include "addon/values.h"

namespace shardns::addon {

// Above the 16 bits of an extended error: the answer is our own, and AA stays set.
inline constexpr uint32_t kMarkAuthoritative = 0x10000;
// Or a zone's of our own.
inline constexpr uint32_t kMarkZone = 0x20000;

struct Method {
  const char* name;
  napi_callback callback;
};

// What WrapObject needs of an object: `holders_`, the JavaScript values that carry its pointer, and `Forget(env)`,
// which lets go of every JavaScript value that it refers to.
struct ObjectLife {
  template <typename Object>
  static void Hold(Object* object) {
    ++object->holders_;
  }
  // Each function, and the object, holds the pointer; the last to be collected deletes what it points to.
  template <typename Object>
  static void Release(napi_env env, void* data, void*) {
    auto* held = static_cast<Object*>(data);
    if (--held->holders_ != 0) return;
    held->Forget(env);
    delete held;
  }
  // close() of a cache. Shared memory stays until the object goes: a plane may still be at it, and holds the object.
  template <typename Object>
  static napi_value Close(napi_env env, napi_callback_info info) {
    const Arguments<1> args(env, info);
    auto* held = static_cast<Object*>(args.data);
    held->cache_.reset();
    held->Release(env);
    return nullptr;
  }
};

template <typename Object>
napi_value WrapObject(napi_env env, Object* self, const napi_type_tag& tag,
                      std::initializer_list<std::span<const Method>> tables) {
  napi_value object;
  napi_create_object(env, &object);
  napi_type_tag_object(env, object, &tag);
  ObjectLife::Hold(self);
  napi_wrap(env, object, self, ObjectLife::Release<Object>, nullptr, nullptr);
  for (const std::span<const Method> methods : tables) {
    for (const Method& method : methods) {
      napi_value function;
      napi_create_function(env, method.name, NAPI_AUTO_LENGTH, method.callback, self, &function);
      ObjectLife::Hold(self);
      napi_add_finalizer(env, function, self, ObjectLife::Release<Object>, nullptr, nullptr);
      napi_set_named_property(env, object, method.name, function);
    }
  }
  return object;
}

// The C++ object behind one that WrapObject made with that tag; null for others.
template <typename Object>
Object* Unwrap(napi_env env, napi_value object, const napi_type_tag& tag) {
  bool tagged = false;
  if (napi_check_object_type_tag(env, object, &tag, &tagged) != napi_ok || !tagged) return nullptr;
  void* data = nullptr;
  return napi_unwrap(env, object, &data) == napi_ok ? static_cast<Object*>(data) : nullptr;
}

}  // namespace shardns::addon
