// Methods of the cache object that say which zones answer what the cache has not (zones/zones.h). Their names and
// records stay where JavaScript has them: a zone's version holds a reference to its arrays for as long as it is read.
#include "addon/cache_methods.h"

namespace shardns::addon {

namespace {

// References are JavaScript's: when it ends, it has let go of them itself.
struct EnvironmentLife {
  bool over = false;
};

// Lives until the environment ends, as the hook that tells it.
std::shared_ptr<EnvironmentLife> LifeOf(napi_env env) {
  auto* const life = new std::shared_ptr<EnvironmentLife>(std::make_shared<EnvironmentLife>());
  const auto end = [](void* data) {
    auto* const ended = static_cast<std::shared_ptr<EnvironmentLife>*>(data);
    (*ended)->over = true;
    delete ended;
  };
  napi_add_env_cleanup_hook(env, end, life);
  return *life;
}

// Given up on the thread of JavaScript, as all of Zones that changes.
class Pin {
 public:
  Pin(napi_env env, napi_value object, std::shared_ptr<EnvironmentLife> life) : env_(env), life_(std::move(life)) {
    napi_create_reference(env, object, 1, &reference_);
  }
  ~Pin() {
    if (!life_->over) napi_delete_reference(env_, reference_);
  }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;

 private:
  const napi_env env_;
  napi_ref reference_ = nullptr;
  const std::shared_ptr<EnvironmentLife> life_;
};

bool ReadWords(Properties* options, const char* name, std::span<const uint32_t>* out) {
  MutableBytes octets;
  if (!options->Read(name, &octets)) return false;
  if (octets.size() % sizeof(uint32_t) != 0 || reinterpret_cast<uintptr_t>(octets.data()) % sizeof(uint32_t) != 0) {
    return options->Wrong(name, "an array of words");
  }
  *out = {reinterpret_cast<const uint32_t*>(octets.data()), octets.size() / sizeof(uint32_t)};
  return true;
}
bool ReadOctets(Properties* options, const char* name, std::span<const uint8_t>* out) {
  MutableBytes octets;
  if (!options->Read(name, &octets)) return false;
  *out = octets;
  return true;
}

bool ReadNodes(Properties* nodes, zones::PackedNodes* out) {
  return ReadOctets(nodes, "names", &out->names) && ReadWords(nodes, "nameAt", &out->name_at) &&
         ReadOctets(nodes, "data", &out->data) && ReadWords(nodes, "dataAt", &out->data_at) &&
         ReadOctets(nodes, "flags", &out->flags) && ReadWords(nodes, "slots", &out->slots);
}

bool IsObject(napi_env env, napi_value value) {
  napi_valuetype type = napi_undefined;
  return napi_typeof(env, value, &type) == napi_ok && type == napi_object;
}

constexpr const char* kFoldedName = "a folded name in wire form";
bool IsName(Bytes apex) { return !apex.empty() && wire::PlainNameLength(apex, 0) == apex.size(); }

}  // namespace

struct CacheZones {
  using Object = CacheObject;

  // The apex that is the first argument; false once it has thrown, of a cache that is closed too.
  template <size_t N>
  static bool TakeApex(napi_env env, Call<N>& call, MutableBytes* apex) {
    if (call.template self<Object>()->cache_ == nullptr) {
      ThrowClosed(env);
    } else if (!call.Read(0, apex)) {
      call.Refuse();
    } else if (!IsName(*apex)) {
      call.Refuse(0, kFoldedName);
    } else {
      return true;
    }
    return false;
  }

  // putZone(apex, version): {base, changes, keyLow, keyHigh, octets}, or undefined for one whose names are left to
  // JavaScript; base and changes have the arrays of lib/zone/packed-nodes.ts. -> whether there was room
  static napi_value Put(napi_env env, napi_callback_info info) {
    Call<2> call(env, info, "apex, version");
    MutableBytes apex;
    if (!TakeApex(env, call, &apex)) return nullptr;
    auto* self = call.self<Object>();
    zones::Zones& zones = *self->cache_->zones();
    if (call.IsUndefined(1)) return Bool(env, zones.Put(apex, nullptr, 0));
    Properties version(env, call.value(1), "version");
    zones::ZoneArrays arrays;
    HalfSipKey key;
    double octets;
    Properties base(env, version.Get("base"), "version.base");
    if (!version.Read("keyLow", &key.words[0]) || !version.Read("keyHigh", &key.words[1]) ||
        !version.ReadPositive("octets", &octets)) {
      return version.Refuse();
    }
    if (!ReadNodes(&base, &arrays.base)) return base.Refuse();
    if (const napi_value given = version.Get("changes"); IsObject(env, given)) {
      Properties changes(env, given, "version.changes");
      if (!ReadNodes(&changes, &arrays.changes.emplace())) return changes.Refuse();
    }
    if (self->environment_ == nullptr) self->environment_ = LifeOf(env);
    auto pin = std::make_shared<Pin>(env, call.value(1), std::static_pointer_cast<EnvironmentLife>(self->environment_));
    auto view = zones::ZoneView::Create(apex, arrays, key, std::move(pin));
    if (view == nullptr) return version.Refuse("base", "the arrays of a zone with its SOA");
    return Bool(env, zones.Put(apex, std::move(view), static_cast<size_t>(octets)));
  }

  static napi_value Remove(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "apex");
    MutableBytes apex;
    if (!TakeApex(env, call, &apex)) return nullptr;
    call.self<Object>()->cache_->zones()->Remove(apex);
    return nullptr;
  }

  // withholdZones(tags): clients of these are answered by JavaScript
  static napi_value Withhold(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "tags");
    auto* self = call.self<Object>();
    MutableBytes octets;
    if (!self->cache_) return ThrowClosed(env);
    if (!call.Read(0, &octets)) return call.Refuse();
    std::vector<uint32_t> tags(octets.size() / sizeof(uint32_t));
    if (!tags.empty()) std::memcpy(tags.data(), octets.data(), tags.size() * sizeof(uint32_t));
    self->cache_->zones()->Withhold(std::move(tags));
    return nullptr;
  }

  // zoneStats(out): denials, answers of wildcards and referrals that calls from JavaScript were given, then zones; as
  // doubles
  static napi_value Stats(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "out");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    MutableBytes out;
    const auto& counters = self->responder_.counters().zone_answers;
    if (!call.Read(0, &out, (std::size(counters) + 1) * sizeof(double))) return call.Refuse();
    double* next = reinterpret_cast<double*>(out.data());
    for (const Counter& counter : counters) *next++ = static_cast<double>(counter.Get());
    *next = static_cast<double>(self->cache_->zones()->count());
    return nullptr;
  }

  static constexpr Method kMethods[] = {
      {"putZone", Put}, {"removeZone", Remove}, {"withholdZones", Withhold}, {"zoneStats", Stats}};
};

std::span<const Method> CacheZoneMethods() { return CacheZones::kMethods; }

}  // namespace shardns::addon
