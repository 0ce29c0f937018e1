// The methods that every object over a region has, whatever its entries are.
#pragma once
#include "addon/snapshot_work.h"
#include "store/stripes.h"

namespace shardns::addon {

template <typename Object>
struct RegionMethods {
  static Object* This(void* data) { return static_cast<Object*>(data); }

  // list(shard, bucket, out) -> octets written; control[kListWord] = the bucket to go on with, then how many there are
  static napi_value List(napi_env env, napi_callback_info info) {
    Arguments<3> args(env, info);
    Object* self = This(args.data);
    if (!self->cache()) return ThrowClosed(env);
    uint32_t number, bucket;
    MutableBytes out;
    uint32_t* control = self->control(env);
    if (args.count != 3 || !GetUint32(env, args.values[0], &number) || !GetUint32(env, args.values[1], &bucket) ||
        !GetBytes(env, args.values[2], &out) || out.size() < Object::CacheType::ShardType::kMostListed ||
        number >= self->cache()->shards() || control == nullptr) {
      return ThrowArgument(env);
    }
    size_t written = 0;
    auto& shard = self->cache()->shard(number);
    control[Object::kListWord] = shard.List(bucket, self->Now(), out, &written);
    control[Object::kListWord + 1] = shard.bucket_count();
    return Int(env, static_cast<int32_t>(written));
  }
  // stats(shard, Float64Array): shard -1 = all; fills in the order of store::Stats
  static napi_value Stats(napi_env env, napi_callback_info info) {
    Arguments<2> args(env, info);
    Object* self = This(args.data);
    if (!self->cache()) return ThrowClosed(env);
    int32_t number;
    MutableBytes out;
    constexpr size_t kWords = sizeof(store::Stats) / sizeof(uint64_t);
    if (args.count != 2 || napi_get_value_int32(env, args.values[0], &number) != napi_ok ||
        !GetBytes(env, args.values[1], &out) || out.size() < kWords * sizeof(double) ||
        number >= static_cast<int32_t>(self->cache()->shards())) {
      return ThrowArgument(env);
    }
    const store::Stats stats =
        number < 0 ? self->cache()->TotalStats() : self->cache()->ShardStats(static_cast<uint32_t>(number));
    const uint64_t* words = reinterpret_cast<const uint64_t*>(&stats);
    for (size_t i = 0; i < kWords; ++i) {
      const double value = static_cast<double>(words[i]);
      std::memcpy(out.data() + i * sizeof value, &value, sizeof value);
    }
    return nullptr;
  }
  static napi_value Shards(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    Object* self = This(args.data);
    return self->cache() ? Int(env, static_cast<int32_t>(self->cache()->shards())) : ThrowClosed(env);
  }
  // fileState() -> 0 as it should be, or in no file; 1 cut under the mapping; 2 the path leads elsewhere
  static napi_value FileState(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    Object* self = This(args.data);
    return self->cache() ? Int(env, StateOfFile(self->cache()->region())) : ThrowClosed(env);
  }
  // shiftClock(ms): time is the monotonic clock plus this, for this object and the planes on it
  static napi_value ShiftClock(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    Object* self = This(args.data);
    double shift;
    if (!self->cache()) return ThrowClosed(env);
    if (napi_get_value_double(env, args.values[0], &shift) != napi_ok || !(shift >= 0)) return ThrowArgument(env);
    self->cache()->ShiftClock(static_cast<uint64_t>(shift));
    return nullptr;
  }
  // holdClock(held): whether the monotonic clock stands still, for the whole process
  static napi_value HoldClock(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    bool held = false;
    if (napi_get_value_bool(env, args.values[0], &held) != napi_ok) return ThrowArgument(env);
    held_at_ms.store(held ? MonotonicMs() : 0, std::memory_order_relaxed);
    return nullptr;
  }
  static napi_value CheckInvariants(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    Object* self = This(args.data);
    return self->cache() ? Bool(env, self->cache()->CheckInvariants()) : ThrowClosed(env);
  }

  static constexpr Method kMethods[] = {
      {"list", List},
      {"stats", Stats},
      {"shards", Shards},
      {"fileState", FileState},
      {"save", SnapshotWork<Object>::Save},
      {"load", SnapshotWork<Object>::Load},
      {"shiftClock", ShiftClock},
      {"holdClock", HoldClock},
      {"checkInvariants", CheckInvariants},
  };
};

}  // namespace shardns::addon
