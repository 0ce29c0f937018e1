// Methods of the plane object, and its end: closed by JavaScript, or by the environment's cleanup when a worker is
// terminated. Either way the threads are joined before anything they use goes away.
#include "addon/plane_object.h"

#include <arpa/inet.h>

#include <cerrno>
#include <cstring>

#include "addon/call.h"
#include "addon/contract.h"
#include "addon/gate_object.h"
#include "addon/plane_completion.h"
#include "udp/plane.h"

namespace shardns::addon {

namespace {

class PlaneHolder {
 public:
  std::shared_ptr<answers::Cache> cache;
  CacheObject* cache_object = nullptr;
  std::shared_ptr<gate::Gate> gate;
  std::unique_ptr<udp::Plane> plane;
  napi_threadsafe_function wake = nullptr;
  napi_ref cache_reference = nullptr;
  Registered drain_buffer;
  std::shared_ptr<PlaneCompletion> completion;  // null until it is asked for
  int holders = 0;

  static void Wake(void* context) {
    // A wake-up that is already queued serves for this one too; the queue holds one.
    napi_call_threadsafe_function(static_cast<napi_threadsafe_function>(context), nullptr, napi_tsfn_nonblocking);
  }
  void Shut(napi_env env, bool environment_ends) {
    if (completion) completion->forwarder.reset();
    plane.reset();  // joins the receivers: nobody calls Wake any more
    if (wake != nullptr) napi_release_threadsafe_function(wake, napi_tsfn_abort);
    wake = nullptr;
    cache.reset();
    gate.reset();
    if (environment_ends) return;
    drain_buffer.Clear(env);
    if (cache_reference != nullptr) napi_delete_reference(env, cache_reference);
    cache_reference = nullptr;
  }
};

void CleanUp(void* data) { static_cast<PlaneHolder*>(data)->Shut(nullptr, true); }

PlaneHolder* This(void* data) { return static_cast<PlaneHolder*>(data); }

napi_value Start(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  PlaneHolder* self = This(args.data);
  return self->plane ? Bool(env, self->plane->Start()) : ThrowClosed(env);
}

napi_value StopReceiving(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  PlaneHolder* self = This(args.data);
  if (self->plane) self->plane->StopReceiving();
  return nullptr;
}

// receiving() -> whether a receiver still runs
napi_value Receiving(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  PlaneHolder* self = This(args.data);
  return Bool(env, self->plane && self->plane->receiving());
}

// ports() -> [port of each endpoint]
napi_value Ports(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  PlaneHolder* self = This(args.data);
  if (!self->plane) return ThrowClosed(env);
  napi_value list;
  napi_create_array(env, &list);
  uint32_t i = 0;
  for (const udp::Endpoint& endpoint : self->plane->endpoints()) {
    napi_set_element(env, list, i++, Int(env, endpoint.port()));
  }
  return list;
}

// -> flights copied to the registered buffer, plus kMoreWait when more wait
napi_value Drain(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "most");
  auto* self = call.self<PlaneHolder>();
  uint32_t most;
  if (!self->plane) return Int(env, 0);
  if (!call.Read(0, &most)) return call.Refuse();
  bool left = false;
  const uint32_t drained = self->plane->Drain(self->drain_buffer.Fetch(env), most, &left);
  return Int(env, static_cast<int32_t>(drained | (left ? kMoreWait : 0)));
}

napi_value RegisterDrain(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "buffer");
  return call.Register(0, &call.self<PlaneHolder>()->drain_buffer) ? nullptr : call.Refuse();
}

// -> boolean; the extended error has marks beside it
napi_value ReplyMessage(napi_env env, napi_callback_info info) {
  Call<4> call(env, info, "ticket, response, wallSeconds, extendedError");
  auto* self = call.self<PlaneHolder>();
  if (!self->plane) return Bool(env, false);
  uint32_t ticket, wall, extended_error;
  MutableBytes response;
  if (!call.Read(0, &ticket) || !call.Read(1, &response) || !call.Read(2, &wall) || !call.Read(3, &extended_error)) {
    return call.Refuse();
  }
  return Bool(env, self->plane->ReplyMessage(ticket,
                                             {.response = self->cache_object->OwnBeside(response),
                                              .wall_seconds = wall,
                                              .ttl = self->cache_object->ttl(),
                                              .authoritative = (extended_error & kMarkAuthoritative) != 0},
                                             static_cast<uint16_t>(extended_error)));
}

// -> boolean
napi_value ReplyError(napi_env env, napi_callback_info info) {
  Call<3> call(env, info, "ticket, rcode, extendedError");
  auto* self = call.self<PlaneHolder>();
  if (!self->plane) return Bool(env, false);
  uint32_t ticket, rcode, extended_error;
  if (!call.Read(0, &ticket) || !call.Read(1, &rcode) || !call.Read(2, &extended_error)) return call.Refuse();
  return Bool(env,
              self->plane->ReplyError(ticket, static_cast<uint16_t>(rcode), static_cast<uint16_t>(extended_error)));
}

napi_value ReplyStale(napi_env env, napi_callback_info info) {
  Call<2> call(env, info, "ticket, tenant");
  auto* self = call.self<PlaneHolder>();
  uint32_t ticket, tenant;
  if (!self->plane) return Bool(env, false);
  if (!call.Read(0, &ticket) || !call.Read(1, &tenant)) return call.Refuse();
  return Bool(env, self->plane->ReplyStale(ticket, tenant));
}

napi_value Discard(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "ticket");
  auto* self = call.self<PlaneHolder>();
  uint32_t ticket;
  if (!self->plane) return Bool(env, false);
  return call.Read(0, &ticket) ? Bool(env, self->plane->Discard(ticket)) : call.Refuse();
}

// -> boolean
napi_value Part(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "ticket");
  auto* self = call.self<PlaneHolder>();
  uint32_t ticket;
  if (!self->plane) return Bool(env, false);
  return call.Read(0, &ticket) ? Bool(env, self->plane->Part(ticket)) : call.Refuse();
}

napi_value Flush(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  PlaneHolder* self = This(args.data);
  if (self->plane) self->plane->Flush();
  return nullptr;
}

// -> what an asker is given, that completes flights
napi_value GetCompletion(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  PlaneHolder* self = This(args.data);
  if (!self->plane) return ThrowClosed(env);
  if (!self->completion) {
    self->completion = std::make_shared<PlaneCompletion>();
    self->completion->forwarder =
        std::make_unique<udp::Forwarder>(self->plane.get(), self->cache.get(), &self->cache_object->ttl());
  }
  return WrapCompletion(env, self->completion);
}

// -> whether the ticket is one; then its record is in the octets
napi_value Recall(napi_env env, napi_callback_info info) {
  Call<2> call(env, info, "ticket, record");
  auto* self = call.self<PlaneHolder>();
  uint32_t ticket;
  MutableBytes record;
  if (!self->plane) return Bool(env, false);
  if (!call.Read(0, &ticket) || !call.Read(1, &record)) return call.Refuse();
  return Bool(env, self->plane->ring().Recall(ticket, record));
}

// -> the ticket of the flight that the query would join, or -1
napi_value Find(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "query");
  auto* self = call.self<PlaneHolder>();
  MutableBytes packet;
  if (!self->plane) return Int(env, -1);
  if (!call.Read(0, &packet)) return call.Refuse();
  wire::Query query;
  const udp::Peer nobody = {};
  uint32_t ticket = udp::MissRing::kNone;
  if (wire::ParseQuery(packet, &query) == wire::QueryVerdict::kAnswer) {
    ticket = self->plane->ring().Find({.query = query, .peer = nobody});
  }
  napi_value result;
  napi_create_double(env, ticket == udp::MissRing::kNone ? -1 : ticket, &result);
  return result;
}

napi_value Outdate(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  PlaneHolder* self = This(args.data);
  if (!self->plane) return ThrowClosed(env);
  self->plane->Outdate();
  return nullptr;
}

// PlaneTotals, as doubles.
napi_value Stats(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "out");
  auto* self = call.self<PlaneHolder>();
  if (!self->plane) return ThrowClosed(env);
  MutableBytes out;
  if (!call.Read(0, &out, kStatsWords<PlaneTotals> * sizeof(double))) return call.Refuse();
  PlaneTotals totals;
  self->plane->ReadStats(&totals.plane);
  totals.memory_bytes = self->plane->memory_bytes();
  WriteStats(totals, out);
  return nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  PlaneHolder* self = This(args.data);
  if (self->plane) {
    napi_remove_env_cleanup_hook(env, CleanUp, self);
    self->Shut(env, false);
  }
  return nullptr;
}

constexpr Method kMethods[] = {{"start", Start},
                               {"stopReceiving", StopReceiving},
                               {"receiving", Receiving},
                               {"ports", Ports},
                               {"registerDrain", RegisterDrain},
                               {"drain", Drain},
                               {"replyMessage", ReplyMessage},
                               {"replyError", ReplyError},
                               {"replyStale", ReplyStale},
                               {"discard", Discard},
                               {"part", Part},
                               {"flush", Flush},
                               {"outdate", Outdate},
                               {"completion", GetCompletion},
                               {"recall", Recall},
                               {"find", Find},
                               {"stats", Stats},
                               {"close", Close}};

void CallWake(napi_env env, napi_value function, void*, void*) {
  if (env == nullptr) return;
  napi_value undefined;
  napi_get_undefined(env, &undefined);
  napi_call_function(env, undefined, function, 0, nullptr, nullptr);
}

// Of the endpoint of that number; lib/server/udp-plane.ts says which one it is.
napi_value ThrowListen(napi_env env, size_t endpoint, int error) {
  char message[128];
  std::snprintf(message, sizeof message, "%zu:%d:%s", endpoint, error, std::strerror(error));
  return Throw(env, "ERR_SHARDNS_LISTEN", message);
}

// False: an error has been thrown perhaps, else an argument is of the wrong type.
bool ReadOptions(napi_env env, napi_value options, udp::PlaneOptions* plane) {
  uint32_t pin, receive_buffer, length;
  napi_value endpoints;
  if (!GetProperty(env, options, "threads", &plane->threads) || !GetProperty(env, options, "pin", &pin) ||
      !GetProperty(env, options, "flights", &plane->flights) ||
      !GetProperty(env, options, "waiters", &plane->waiters) ||
      !GetProperty(env, options, "clientFlights", &plane->client_share.flights) ||
      !GetProperty(env, options, "clientWaiters", &plane->client_share.waiters) ||
      !GetProperty(env, options, "receiveBufferBytes", &receive_buffer) ||
      napi_get_named_property(env, options, "endpoints", &endpoints) != napi_ok ||
      napi_get_array_length(env, endpoints, &length) != napi_ok || length % 2 != 0) {
    return false;
  }
  plane->pin = pin != 0;
  plane->sockets.receive_buffer_bytes = static_cast<int>(receive_buffer);
  for (uint32_t i = 0; i < length; i += 2) {
    napi_value address_value, port_value;
    napi_get_element(env, endpoints, i, &address_value);
    napi_get_element(env, endpoints, i + 1, &port_value);
    std::string address;
    uint32_t port;
    udp::Endpoint endpoint;
    if (!GetString(env, address_value, &address) || !GetUint32(env, port_value, &port) || port > UINT16_MAX) {
      return false;
    }
    if (!udp::MakeEndpoint(address.c_str(), static_cast<uint16_t>(port), &endpoint)) {
      // The address was checked: what this machine has not is the interface it names.
      ThrowListen(env, i / 2, ENODEV);
      return false;
    }
    plane->endpoints.push_back(endpoint);
  }
  return true;
}

}  // namespace

// createPlane(cache, {gate, ...}, wake)
napi_value PlaneObject::Create(napi_env env, napi_callback_info info) {
  Arguments<3> args(env, info);
  CacheObject* cache = args.count == 3 ? CacheObject::From(env, args.values[0]) : nullptr;
  udp::PlaneOptions options;
  napi_value gate_value;
  GateObject* gate = args.count == 3 && napi_get_named_property(env, args.values[1], "gate", &gate_value) == napi_ok
                         ? GateObject::From(env, gate_value)
                         : nullptr;
  if (cache == nullptr || gate == nullptr || !ReadOptions(env, args.values[1], &options)) {
    bool thrown = false;
    napi_is_exception_pending(env, &thrown);
    return thrown ? nullptr : ThrowArgument(env);
  }
  if (!cache->cache()) return ThrowClosed(env);

  auto* self = new PlaneHolder;
  napi_value name;
  napi_create_string_utf8(env, "shardns:wake", NAPI_AUTO_LENGTH, &name);
  // A queue of one: wake-ups that are not yet delivered melt into one.
  if (napi_create_threadsafe_function(env, args.values[2], nullptr, name, 1, 1, nullptr, nullptr, nullptr, CallWake,
                                      &self->wake) != napi_ok) {
    delete self;
    return ThrowArgument(env);
  }
  int error = 0;
  size_t failed = 0;
  self->cache = cache->cache();
  self->cache_object = cache;
  self->gate = gate->gate();
  self->plane =
      udp::Plane::Create(self->cache.get(), self->gate.get(), options, PlaneHolder::Wake, self->wake, &error, &failed);
  if (!self->plane) {
    napi_release_threadsafe_function(self->wake, napi_tsfn_abort);
    delete self;
    return ThrowListen(env, failed, -error);
  }
  // The cache object must not be collected under the plane.
  napi_create_reference(env, args.values[0], 1, &self->cache_reference);
  napi_add_env_cleanup_hook(env, CleanUp, self);

  napi_value object;
  napi_create_object(env, &object);
  const auto release = [](napi_env finalizing, void* data, void*) {
    auto* held = static_cast<PlaneHolder*>(data);
    if (--held->holders != 0) return;
    if (held->plane) {
      napi_remove_env_cleanup_hook(finalizing, CleanUp, held);
      held->Shut(finalizing, false);
    }
    delete held;
  };
  for (const Method& method : kMethods) {
    napi_value function;
    napi_create_function(env, method.name, NAPI_AUTO_LENGTH, method.callback, self, &function);
    ++self->holders;
    napi_add_finalizer(env, function, self, release, nullptr, nullptr);
    napi_set_named_property(env, object, method.name, function);
  }
  return object;
}

}  // namespace shardns::addon
