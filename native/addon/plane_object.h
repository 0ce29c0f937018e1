// The UDP plane as a JavaScript object.
#pragma once
#include "addon/cache_object.h"
#include "udp/plane.h"

namespace shardns::addon {

// What stats() tells, in order.
struct PlaneTotals {
  udp::PlaneStats plane;
  uint64_t memory_bytes;  // fixed
};

struct PlaneObject {
  // createPlane(cache, {gate, endpoints: [address, port, ...], threads, pin, flights, waiters, clientFlights,
  // clientWaiters, receiveBufferBytes, predecessor?}, onWake)
  static napi_value Create(napi_env env, napi_callback_info info);
};

}  // namespace shardns::addon
