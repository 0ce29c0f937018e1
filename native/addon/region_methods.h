// The methods that every object over a region has, whatever its entries are.
#pragma once
#include "addon/call.h"
#include "addon/contract.h"
#include "addon/snapshot_work.h"
#include "store/stripes.h"

namespace shardns::addon {

template <typename Object>
struct RegionMethods {
  static Object* This(void* data) { return static_cast<Object*>(data); }

  // What was forgotten is passed over. -> octets written; the control words say the bucket to go on with, and how many
  // there are
  static napi_value List(napi_env env, napi_callback_info info) {
    Call<3> call(env, info, "shard, bucket, out");
    auto* self = call.template self<Object>();
    if (!self->cache()) return ThrowClosed(env);
    uint32_t number, bucket;
    MutableBytes out;
    uint32_t* control = self->control(env);
    if (!call.Read(0, &number) || !call.Read(1, &bucket) ||
        !call.Read(2, &out, Object::CacheType::ShardType::kMostListed)) {
      return call.Refuse();
    }
    if (number >= self->cache()->shards()) return call.Refuse(0, "the number of a shard");
    if (control == nullptr) return ThrowGone(env);
    size_t written = 0;
    const auto& cache = *self->cache();
    const auto& shard = cache.shard(number);
    const auto forgotten = [&](const uint8_t* at, const auto& header) { return cache.IsForgotten(at, header); };
    control[Object::kNextBucketWord] = shard.List(bucket, self->Now(), forgotten, out, &written);
    control[Object::kBucketsWord] = shard.bucket_count();
    return Int(env, static_cast<int32_t>(written));
  }
  // Of a shard, or of all: -1.
  static napi_value Stats(napi_env env, napi_callback_info info) {
    Call<2> call(env, info, "shard, out");
    auto* self = call.template self<Object>();
    if (!self->cache()) return ThrowClosed(env);
    int32_t number;
    MutableBytes out;
    if (!call.Read(0, &number) || !call.Read(1, &out, kStatsWords<store::Stats> * sizeof(double))) return call.Refuse();
    if (number >= static_cast<int32_t>(self->cache()->shards())) return call.Refuse(0, "the number of a shard, or -1");
    WriteStats(number < 0 ? self->cache()->TotalStats() : self->cache()->ShardStats(static_cast<uint32_t>(number)),
               out);
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
    Call<1> call(env, info, "ms");
    auto* self = call.template self<Object>();
    double shift;
    if (!self->cache()) return ThrowClosed(env);
    if (!call.ReadPositive(0, &shift)) return call.Refuse();
    self->cache()->ShiftClock(static_cast<uint64_t>(shift));
    return nullptr;
  }
  // holdClock(held): whether the monotonic clock stands still, for the whole process
  static napi_value HoldClock(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "held");
    bool held = false;
    if (!call.Read(0, &held)) return call.Refuse();
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
