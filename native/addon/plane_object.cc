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
#include "addon/plane_options.h"
#include "addon/tap_object.h"
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
  static void CleanUp(void* data) { static_cast<PlaneHolder*>(data)->Shut(nullptr, true); }

 private:
  friend struct addon::ObjectLife;
  void Forget(napi_env env) {
    if (!plane) return;
    napi_remove_env_cleanup_hook(env, PlaneHolder::CleanUp, this);
    Shut(env, false);
  }
  int holders_ = 0;
};

constexpr napi_type_tag kPlaneTag = {0x5ead5ca1ab1e0004, 0xcac4e0b1ec700004};

PlaneHolder* This(void* data) { return static_cast<PlaneHolder*>(data); }

napi_value Start(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  PlaneHolder* self = This(args.data);
  return self->plane ? Bool(env, self->plane->Start()) : ThrowClosed(env);
}

// stopReceiving() and flush(); nothing of one that is closed.
template <void (udp::Plane::*kMethod)()>
napi_value OfPlane(napi_env env, napi_callback_info info) {
  const Arguments<1> args(env, info);
  if (udp::Plane* plane = This(args.data)->plane.get(); plane != nullptr) (plane->*kMethod)();
  return nullptr;
}

// The plane that takes its place.
napi_value YieldTo(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "next");
  auto* self = call.self<PlaneHolder>();
  napi_valuetype type = napi_undefined;
  const bool is_object = napi_typeof(env, call.value(0), &type) == napi_ok && type == napi_object;
  const PlaneHolder* next = is_object ? Unwrap<PlaneHolder>(env, call.value(0), kPlaneTag) : nullptr;
  if (next == nullptr || !next->plane) return call.Refuse(0, "a plane that is open");
  if (self->plane) self->plane->YieldTo(*next->plane);
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
                                              .authoritative = (extended_error & kMarkAuthoritative) != 0,
                                              .of_zone = (extended_error & kMarkZone) != 0},
                                             static_cast<uint16_t>(extended_error)));
}

// -> boolean
napi_value ReplyError(napi_env env, napi_callback_info info) {
  Call<4> call(env, info, "ticket, rcode, extendedError, text");
  auto* self = call.self<PlaneHolder>();
  if (!self->plane) return Bool(env, false);
  uint32_t ticket, rcode, extended_error;
  std::string text;
  if (!call.Read(0, &ticket) || !call.Read(1, &rcode) || !call.Read(2, &extended_error) || !call.Read(3, &text)) {
    return call.Refuse();
  }
  return Bool(env, self->plane->ReplyError(ticket, static_cast<uint16_t>(rcode),
                                           {static_cast<uint16_t>(extended_error), text}));
}

// -> boolean
napi_value ReplyOctets(napi_env env, napi_callback_info info) {
  Call<2> call(env, info, "ticket, reply");
  auto* self = call.self<PlaneHolder>();
  uint32_t ticket;
  MutableBytes reply;
  if (!self->plane) return Bool(env, false);
  if (!call.Read(0, &ticket) || !call.Read(1, &reply)) return call.Refuse();
  return Bool(env, self->plane->ReplyOctets(ticket, self->cache_object->OwnBeside(reply)));
}

napi_value ReplyStale(napi_env env, napi_callback_info info) {
  Call<2> call(env, info, "ticket, tenant");
  auto* self = call.self<PlaneHolder>();
  uint32_t ticket, tenant;
  if (!self->plane) return Bool(env, false);
  if (!call.Read(0, &ticket) || !call.Read(1, &tenant)) return call.Refuse();
  return Bool(env, self->plane->ReplyStale(ticket, tenant));
}

// discard() and part() -> boolean
template <bool (udp::Plane::*kMethod)(uint32_t)>
napi_value OfTicket(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "ticket");
  auto* self = call.self<PlaneHolder>();
  uint32_t ticket;
  if (!self->plane) return Bool(env, false);
  return call.Read(0, &ticket) ? Bool(env, (*self->plane.*kMethod)(ticket)) : call.Refuse();
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
    ticket = self->plane->ring().Find({.query = query, .peer = nobody, .generation = self->cache->generation()});
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

napi_value CopyShare(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "share");
  auto* self = call.self<PlaneHolder>();
  uint32_t share;
  if (!call.Read(0, &share)) return call.Refuse();
  if (self->plane) self->plane->copies().Sample(share);
  return nullptr;
}

// -> octets of what was copied
napi_value DrainCopies(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "out");
  auto* self = call.self<PlaneHolder>();
  MutableBytes out;
  if (!call.Read(0, &out, udp::kCopyOctets)) return call.Refuse();
  return Int(env, self->plane ? static_cast<int32_t>(self->plane->copies().Drain(out)) : 0);
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
    napi_remove_env_cleanup_hook(env, PlaneHolder::CleanUp, self);
    self->Shut(env, false);
  }
  return nullptr;
}

constexpr Method kMethods[] = {{"start", Start},
                               {"stopReceiving", OfPlane<&udp::Plane::StopReceiving>},
                               {"yieldTo", YieldTo},
                               {"receiving", Receiving},
                               {"ports", Ports},
                               {"registerDrain", RegisterDrain},
                               {"drain", Drain},
                               {"replyMessage", ReplyMessage},
                               {"replyError", ReplyError},
                               {"replyOctets", ReplyOctets},
                               {"replyStale", ReplyStale},
                               {"discard", OfTicket<&udp::Plane::Discard>},
                               {"part", OfTicket<&udp::Plane::Part>},
                               {"flush", OfPlane<&udp::Plane::Flush>},
                               {"outdate", Outdate},
                               {"completion", GetCompletion},
                               {"recall", Recall},
                               {"find", Find},
                               {"copy", CopyShare},
                               {"drainCopies", DrainCopies},
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

}  // namespace

// createPlane(cache, {gate, ...}, wake)
napi_value PlaneObject::Create(napi_env env, napi_callback_info info) {
  Call<3> call(env, info, "cache, options, wake");
  CacheObject* cache = CacheObject::From(env, call.value(0));
  if (cache == nullptr) return call.Refuse(0, "a cache");
  Properties properties(env, call.value(1), "options");
  GateObject* gate = GateObject::From(env, properties.Get("gate"));
  if (gate == nullptr) return properties.Refuse("gate", "a gate");
  udp::PlaneOptions options;
  options.tap = TapObject::Of(env, properties.Get("tap"));
  const napi_value predecessor = properties.Get("predecessor");
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, predecessor, &type) == napi_ok && type == napi_object) {
    const PlaneHolder* before = Unwrap<PlaneHolder>(env, predecessor, kPlaneTag);
    if (before == nullptr) return properties.Refuse("predecessor", "a plane");
    options.predecessor = before->plane.get();  // null where it is closed
  }
  std::vector<GivenEndpoint> endpoints;
  if (!ReadPlaneOptions(env, &properties, &options, &endpoints)) return properties.Refuse();
  options.endpoints.resize(endpoints.size());
  for (size_t i = 0; i < endpoints.size(); ++i) {
    // The address was checked: what this machine has not is the interface it names.
    if (!udp::MakeEndpoint(endpoints[i].address.c_str(), endpoints[i].port, &options.endpoints[i])) {
      return ThrowListen(env, i, ENODEV);
    }
  }
  if (!cache->cache()) return ThrowClosed(env);

  auto* self = new PlaneHolder;
  napi_value name;
  napi_create_string_utf8(env, "shardns:wake", NAPI_AUTO_LENGTH, &name);
  // A queue of one: wake-ups that are not yet delivered melt into one.
  if (napi_create_threadsafe_function(env, call.value(2), nullptr, name, 1, 1, nullptr, nullptr, nullptr, CallWake,
                                      &self->wake) != napi_ok) {
    delete self;
    return call.Refuse(2, "a function");
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
  napi_create_reference(env, call.value(0), 1, &self->cache_reference);
  napi_add_env_cleanup_hook(env, PlaneHolder::CleanUp, self);
  return WrapObject(env, self, kPlaneTag, {kMethods});
}

}  // namespace shardns::addon
