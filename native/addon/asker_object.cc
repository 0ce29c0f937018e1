// Methods of the asker object, and how Node's event loop watches it. It belongs to the thread it was made on.
//
// The loop's handle outlives the object: closing it is asynchronous. So it stands by itself, in a Watch, which also has
// the environment's hook: a worker that is terminated waits for the hook, and thereby for the handle.
#include "addon/asker_object.h"

#include "addon/call.h"
#include "addon/contract.h"
#include "addon/object.h"
#include "addon/plane_completion.h"
#include "addon/uv_poll.h"
#include "udp/ask_commands.h"

namespace shardns::addon {

namespace {

class AskerHolder;

struct Watch {
  std::unique_ptr<uint64_t[]> handle;  // libuv's
  AskerHolder* owner = nullptr;        // null once it is closed
  napi_async_cleanup_hook_handle hook = nullptr;

  uv_poll_s* poll() { return reinterpret_cast<uv_poll_s*>(handle.get()); }
};

class AskerHolder {
 public:
  napi_env env = nullptr;
  std::unique_ptr<udp::Asker> asker;
  Watch* watch = nullptr;
  napi_ref on_readable = nullptr;
  Registered outbox;
  std::shared_ptr<udp::Completion> completion;
  Registered inbox;

  void Shut(bool environment_ends) {
    watch->owner = nullptr;
    uv_close(watch->poll(), [](uv_poll_s* poll) {
      auto* closed = static_cast<Watch*>(uv_handle_get_data(poll));
      napi_remove_async_cleanup_hook(closed->hook);
      delete closed;
    });
    watch = nullptr;
    asker.reset();  // its descriptor is watched no more
    if (environment_ends) return;
    outbox.Clear(env);
    inbox.Clear(env);
    napi_delete_reference(env, on_readable);
  }

 private:
  friend struct addon::ObjectLife;
  void Forget(napi_env) {
    if (asker) Shut(false);
  }
  int holders_ = 0;
};

constexpr napi_type_tag kAskerTag = {0x5ead5ca1ab1e0005, 0xcac4e0b1ec700005};

// The environment ends; it waits until the hook is removed.
void CleanUp(napi_async_cleanup_hook_handle, void* data) {
  auto* watch = static_cast<Watch*>(data);
  if (watch->owner != nullptr) watch->owner->Shut(true);
}

// JavaScript takes what there is by `receive`. The object may be closed when it returns.
void OnReadable(uv_poll_s* poll, int, int) {
  const AskerHolder* self = static_cast<Watch*>(uv_handle_get_data(poll))->owner;
  if (self == nullptr) return;
  const napi_env env = self->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value function, global;
  if (napi_get_reference_value(env, self->on_readable, &function) == napi_ok && function != nullptr &&
      napi_get_global(env, &global) == napi_ok &&
      napi_make_callback(env, nullptr, global, function, 0, nullptr, nullptr) == napi_pending_exception) {
    napi_value error;
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

AskerHolder* This(void* data) { return static_cast<AskerHolder*>(data); }

// octets: of commands in the outbox -> whether something is to be received at once
napi_value Flush(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "octets");
  auto* self = call.self<AskerHolder>();
  if (!self->asker) return ThrowClosed(env);
  uint32_t octets;
  const MutableBytes outbox = self->outbox.Fetch(env);
  if (!call.Read(0, &octets)) return call.Refuse();
  if (octets > outbox.size()) return call.Refuse(0, "no more than the outbox has");
  if (!udp::RunCommands(outbox.first(octets), self->asker.get())) return call.Refuse(0, "whole commands in the outbox");
  return Bool(env, self->asker->has_notices());
}

// -> events in the inbox, plus kMoreWait when there are more
napi_value Receive(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  AskerHolder* self = This(args.data);
  if (!self->asker) return Int(env, 0);
  const MutableBytes inbox = self->inbox.Fetch(env);
  if (inbox.size() < udp::EventBuffer::kLeast) return ThrowGone(env);
  udp::EventBuffer events(inbox);
  const bool more = self->asker->Receive(&events);
  return Int(env, static_cast<int32_t>(events.count() | (more ? kMoreWait : 0)));
}

// -> boolean
napi_value ServerAddress(napi_env env, napi_callback_info info) {
  Call<3> call(env, info, "address, port, out");
  std::string text;
  uint32_t port;
  MutableBytes out;
  if (!call.Read(0, &text) || !call.Read(1, &port) || !call.Read(2, &out, sizeof(udp::ServerAddress))) {
    return call.Refuse();
  }
  if (port > UINT16_MAX) return call.Refuse(1, "at most 65535");
  udp::ServerAddress address;
  if (!udp::MakeServerAddress(text.c_str(), static_cast<uint16_t>(port), &address)) return Bool(env, false);
  std::memcpy(out.data(), &address, sizeof address);
  return Bool(env, true);
}

// AskerTotals, as doubles.
napi_value Stats(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "out");
  auto* self = call.self<AskerHolder>();
  if (!self->asker) return ThrowClosed(env);
  MutableBytes out;
  if (!call.Read(0, &out, kStatsWords<AskerTotals> * sizeof(double))) return call.Refuse();
  WriteStats(
      AskerTotals{
          .asker = self->asker->stats(), .sockets = self->asker->sockets(), .under_way = self->asker->under_way()},
      out);
  return nullptr;
}

// completion of a plane, or undefined
napi_value Complete(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "completion");
  auto* self = call.self<AskerHolder>();
  if (!self->asker) return ThrowClosed(env);
  std::shared_ptr<udp::Completion> completion;
  if (!call.IsUndefined(0) && !ReadCompletion(env, call.value(0), &completion)) {
    return call.Refuse(0, "what a plane's completion() returned");
  }
  self->asker->SetCompletion(completion.get());
  self->completion = std::move(completion);
  return nullptr;
}

napi_value Close(napi_env env, napi_callback_info info) {
  Arguments<1> args(env, info);
  AskerHolder* self = This(args.data);
  if (self->asker) self->Shut(false);
  return nullptr;
}

constexpr Method kMethods[] = {{"flush", Flush},       {"receive", Receive},
                               {"complete", Complete}, {"serverAddress", ServerAddress},
                               {"stats", Stats},       {"close", Close}};

napi_value ThrowUnavailable(napi_env env, const char* what, int error) {
  char message[128];
  std::snprintf(message, sizeof message, "%s: %s", what, std::strerror(error));
  return Throw(env, "ERR_SHARDNS_NATIVE", message);
}

bool ReadLocal(Call<5>* call, size_t at, udp::Endpoint* local) {
  std::string text;
  if (!call->Read(at, &text)) return false;
  return text.empty() || udp::MakeEndpoint(text.c_str(), 0, local) || call->Wrong(at, "an address, or nothing");
}

// 0, or what libuv says.
int WatchIt(AskerHolder* self, uv_loop_s* loop) {
  auto watch = std::make_unique<Watch>();
  watch->handle = std::make_unique<uint64_t[]>(uv_handle_size(kUvPoll) / sizeof(uint64_t) + 1);
  const int error = uv_poll_init(loop, watch->poll(), self->asker->readiness_fd());
  if (error != 0) return error;
  watch->owner = self;
  uv_handle_set_data(watch->poll(), watch.get());
  napi_add_async_cleanup_hook(self->env, CleanUp, watch.get(), &watch->hook);
  uv_poll_start(watch->poll(), kUvReadable, OnReadable);
  // Whoever waits for an answer keeps the program alive.
  uv_unref(watch->poll());
  self->watch = watch.release();
  return 0;
}

}  // namespace

napi_value AskerObject::Create(napi_env env, napi_callback_info info) {
  Call<5> call(env, info, "v4, v6, outbox, inbox, onReadable");
  auto self = std::make_unique<AskerHolder>();
  udp::AskerOptions options;
  self->env = env;
  napi_valuetype type = napi_undefined;
  if (!ReadLocal(&call, 0, &options.local.v4) || !ReadLocal(&call, 1, &options.local.v6)) return call.Refuse();
  if (napi_typeof(env, call.value(4), &type) != napi_ok || type != napi_function) return call.Refuse(4, "a function");
  uv_loop_s* loop = nullptr;
  if (!HasUvPoll() || napi_get_uv_event_loop(env, &loop) != napi_ok || loop == nullptr) {
    return Throw(env, "ERR_SHARDNS_NATIVE", "there is no event loop of libuv here");
  }
  int error = 0;
  self->asker = udp::Asker::Create(options, &error);
  if (!self->asker) return ThrowUnavailable(env, "the native asker", error);
  if (!call.Register(2, &self->outbox) || !call.Register(3, &self->inbox, udp::EventBuffer::kLeast)) {
    self->outbox.Clear(env);
    return call.Refuse();
  }
  if (error = WatchIt(self.get(), loop); error != 0) {
    self->outbox.Clear(env);
    self->inbox.Clear(env);
    return ThrowUnavailable(env, "the event loop", -error);
  }
  napi_create_reference(env, call.value(4), 1, &self->on_readable);
  return WrapObject(env, self.release(), kAskerTag, {kMethods});
}

}  // namespace shardns::addon
