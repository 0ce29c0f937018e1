// The parts of the cache object's methods, and what both need.
#pragma once
#include "addon/cache_object.h"
#include "addon/call.h"
#include "addon/contract.h"

namespace shardns::addon {

inline constexpr size_t kLeastRoom = 1024;  // of a reply's buffer

// What answers clients, or helps to: cache_answer.cc.
std::span<const Method> CacheAnswerMethods();
// As answer() of the object: the result, with what control has to say. `control` is not null.
int32_t AnswerFor(CacheObject* self, uint32_t* control, Bytes query, MutableBytes reply);

// What fills the cache, looks into it and empties it: cache_keep.cc.
std::span<const Method> CacheKeepMethods();

// Which zones answer what it has not: cache_zones.cc.
std::span<const Method> CacheZoneMethods();

}  // namespace shardns::addon
