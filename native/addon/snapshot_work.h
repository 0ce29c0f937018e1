// save(path, rulesHigh, rulesLow) and load(path, keepUndamaged, rulesHigh, rulesLow) of both caches, off the JavaScript
// thread. Each gives a promise of {entries, octets, expired, rejected, damaged}, or of an error with the code
// ERR_SHARDNS_FILE.
#pragma once
#include <cstring>

#include "addon/call.h"
#include "addon/object.h"
#include "addon/region_argument.h"
#include "snapshot/snapshot.h"

namespace shardns::addon {

// What is said of a result, as the promise's value.
napi_value ResultObject(napi_env env, const snapshot::Result& result);

template <typename Object>
struct SnapshotWork {
  using Cache = typename Object::CacheType;
  struct Wanted {
    std::string path;
    bool save;
    bool keep_undamaged = false;
    uint64_t rules;
  };

  Object* object;  // held
  std::shared_ptr<Cache> cache;
  Wanted wanted;
  uint64_t now_ms;
  uint64_t wall_ms;
  answers::TtlPolicy ttl = {};
  snapshot::Result result = {};
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;

  static napi_value Save(napi_env env, napi_callback_info info) {
    Call<3> call(env, info, "path, rulesHigh, rulesLow");
    auto* object = call.template self<Object>();
    if (!object->cache()) return ThrowClosed(env);
    std::string path;
    uint64_t rules;
    if (!ReadPath(&call, &path) || !ReadRules(&call, 1, &rules)) return call.Refuse();
    return Begin(env, object, {.path = std::move(path), .save = true, .rules = rules});
  }
  static napi_value Load(napi_env env, napi_callback_info info) {
    Call<4> call(env, info, "path, keepUndamaged, rulesHigh, rulesLow");
    auto* object = call.template self<Object>();
    if (!object->cache()) return ThrowClosed(env);
    std::string path;
    uint32_t keep;
    uint64_t rules;
    if (!ReadPath(&call, &path) || !call.Read(1, &keep) || !ReadRules(&call, 2, &rules)) return call.Refuse();
    return Begin(env, object, {.path = std::move(path), .save = false, .keep_undamaged = keep != 0, .rules = rules});
  }

 private:
  template <size_t N>
  static bool ReadPath(Call<N>* call, std::string* path) {
    return call->Read(0, path) && (path->find('\0') == std::string::npos || call->Wrong(0, "a path"));
  }
  template <size_t N>
  static bool ReadRules(Call<N>* call, size_t at, uint64_t* rules) {
    uint32_t high, low;
    if (!call->Read(at, &high) || !call->Read(at + 1, &low)) return false;
    *rules = static_cast<uint64_t>(high) << 32 | low;
    return true;
  }
  static napi_value Begin(napi_env env, Object* object, Wanted wanted) {
    auto* work = new SnapshotWork{.object = object,
                                  .cache = object->cache(),
                                  .wanted = std::move(wanted),
                                  .now_ms = object->NowMs(),
                                  .wall_ms = WallMs()};
    if constexpr (requires { object->ttl(); }) work->ttl = object->ttl();
    napi_value promise, name;
    napi_create_promise(env, &work->deferred, &promise);
    napi_create_string_utf8(env, "shardns:snapshot", NAPI_AUTO_LENGTH, &name);
    ObjectLife::Hold(object);
    napi_create_async_work(env, nullptr, name, Execute, Complete, work, &work->work);
    napi_queue_async_work(env, work->work);
    return promise;
  }
  static void Execute(napi_env, void* data) {
    auto* work = static_cast<SnapshotWork*>(data);
    const char* path = work->wanted.path.c_str();
    const uint64_t rules = work->wanted.rules;
    work->result =
        work->wanted.save
            ? snapshot::Save(*work->cache,
                             {.path = path, .now_ms = work->now_ms, .wall_ms = work->wall_ms, .rules = rules})
            : snapshot::Load(*work->cache, {.path = path,
                                            .now_ms = work->now_ms,
                                            .wall_ms = work->wall_ms,
                                            .ttl = work->ttl,
                                            .keep_undamaged = work->wanted.keep_undamaged,
                                            .rules = rules});
  }
  static void Complete(napi_env env, napi_status status, void* data) {
    const std::unique_ptr<SnapshotWork> work(static_cast<SnapshotWork*>(data));
    napi_delete_async_work(env, work->work);
    if (status == napi_ok && work->result.what == nullptr) {
      napi_resolve_deferred(env, work->deferred, ResultObject(env, work->result));
    } else {
      std::string text = status == napi_ok ? work->result.what : "it was called off";
      if (work->result.error != 0) text += std::string(" (") + std::strerror(work->result.error) + ")";
      napi_value code, message, error;
      napi_create_string_utf8(env, "ERR_SHARDNS_FILE", NAPI_AUTO_LENGTH, &code);
      napi_create_string_utf8(env, text.c_str(), text.size(), &message);
      napi_create_error(env, code, message, &error);
      napi_reject_deferred(env, work->deferred, error);
    }
    work->cache.reset();
    ObjectLife::Release<Object>(env, work->object, nullptr);
  }
};

}  // namespace shardns::addon
