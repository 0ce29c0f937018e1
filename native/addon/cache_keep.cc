// Methods of the cache object that fill the cache, look into it and empty it, and say how it is to be kept.
#include "addon/cache_methods.h"

namespace shardns::addon {

struct CacheKeeping {
  using Object = CacheObject;

  // The arguments variantFlags and tenant, from `at` on.
  template <size_t N>
  static bool GetVariant(Call<N>* call, size_t at, answers::Variant* variant) {
    uint32_t flags;
    if (!call->Read(at, &flags) || !call->Read(at + 1, &variant->tenant)) return false;
    variant->dnssec_ok = (flags & variant_flag::kDnssecOk) != 0;
    variant->checking_disabled = (flags & variant_flag::kCheckingDisabled) != 0;
    return true;
  }
  // scope: undefined, or Uint8Array [family, scope prefix, address octets...]
  template <size_t N>
  static bool GetScope(Call<N>* call, size_t at, wire::ClientSubnet* scope) {
    if (call->IsUndefined(at)) return true;
    MutableBytes given;
    if (!call->Read(at, &given)) return false;
    return ParseScope(given, scope) || call->Wrong(at, "a family, a scope prefix and its address");
  }
  static bool ParseScope(Bytes given, wire::ClientSubnet* scope) {
    if (given.size() < 2 || given.size() > 18) return false;
    uint8_t octets[18];
    std::memcpy(octets, given.data(), given.size());
    const Bytes bytes(octets, given.size());
    if ((bytes[0] != 1 && bytes[0] != 2) || bytes[1] > (bytes[0] == 1 ? 32 : 128)) return false;
    if (bytes.size() - 2 < (bytes[1] + 7u) / 8) return false;
    scope->family = bytes[0];
    scope->source_prefix = scope->scope_prefix = bytes[1];
    std::memcpy(scope->address, bytes.data() + 2, bytes.size() - 2);
    return true;
  }
  // -> seconds it may live, or a negative Status
  static napi_value Insert(napi_env env, napi_callback_info info) {
    Call<5> call(env, info, "response, variantFlags, tenant, wallSeconds, scope");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    MutableBytes response;
    answers::InsertArgs insert;
    uint32_t flags;
    if (!call.Read(0, &response) || !call.Read(1, &flags) || !GetVariant(&call, 1, &insert.variant) ||
        !call.Read(3, &insert.prepare.wall_seconds) || !GetScope(&call, 4, &insert.variant.scope)) {
      return call.Refuse();
    }
    insert.prepare.response = self->Own(response);
    insert.prepare.authoritative = (flags & variant_flag::kAuthoritative) != 0;
    insert.prepare.ad_unknown = (flags & variant_flag::kAdUnknown) != 0;
    insert.prepare.of_zone = (flags & variant_flag::kOfZone) != 0;
    insert.prepare.ttl = self->ttl_;
    insert.prepare.random = self->reader_->Random();
    insert.now = self->Now();
    answers::Inherited inherited;
    if (const uint32_t* control = self->control(env); (flags & variant_flag::kInherited) != 0 && control != nullptr) {
      inherited = {.remaining_ticks = static_cast<int32_t>(control[control::kRemainingTicks]),
                   .age_ticks = control[control::kAgeTicks] % kTicksPerSecond};
      insert.inherited = &inherited;
    }
    answers::EntryImage image;
    const Status status = self->cache_->Insert(insert, self->scratch_.get(), &image);
    return Int(env, status == Status::kOk ? static_cast<int32_t>(image.ttl_seconds) : static_cast<int32_t>(status));
  }
  // The name that is the first octets of the registered query buffer, as many as the argument says, copied to `own`.
  struct Name {
    uint8_t own[wire::kMaxNameSize];
    Bytes octets;
    operator Bytes() const { return octets; }
  };
  template <size_t N>
  static bool GetName(Call<N>* call, size_t at, Name* name) {
    uint32_t length;
    const MutableBytes query = call->template self<Object>()->query_.Fetch(call->env());
    if (!call->Read(at, &length)) return false;
    if (length == 0 || length > wire::kMaxNameSize || length > query.size()) {
      return call->Wrong(at, "the length of a name in the registered query");
    }
    std::memcpy(name->own, query.data(), length);
    name->octets = {name->own, length};
    return wire::PlainNameLength(name->octets, 0) == length || call->Wrong(at, "the length of a whole, plain name");
  }
  static napi_value InsertFailure(napi_env env, napi_callback_info info) {
    Call<8> call(env, info, "nameLength, type, variantFlags, tenant, ttlSeconds, rcode, extendedError, text");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    Name name;
    answers::FailureArgs failure;
    uint32_t type, rcode, extended_error;
    std::string text;
    if (!GetName(&call, 0, &name) || !call.Read(1, &type) || !GetVariant(&call, 2, &failure.variant) ||
        !call.Read(4, &failure.ttl_seconds) || !call.Read(5, &rcode) || !call.Read(6, &extended_error) ||
        !call.Read(7, &text)) {
      return call.Refuse();
    }
    failure.folded_name = name;
    failure.type = static_cast<uint16_t>(type);
    failure.rcode = static_cast<uint16_t>(rcode);
    failure.error = {static_cast<uint16_t>(extended_error), text};
    failure.now = self->Now();
    return Int(env, static_cast<int32_t>(self->cache_->InsertFailure(failure)));
  }
  // What names one entry: the arguments of kEntryNames.
  struct EntryName {
    Name name;
    uint32_t type = 0;
    answers::Variant variant;
    uint16_t rr_type() const { return static_cast<uint16_t>(type); }
  };
  static constexpr ArgumentNames<4> kEntryNames = "nameLength, type, variantFlags, tenant";
  static bool GetEntryName(Call<4>* call, EntryName* entry) {
    return GetName(call, 0, &entry->name) && call->Read(1, &entry->type) && GetVariant(call, 2, &entry->variant);
  }
  // -> boolean
  static napi_value Remove(napi_env env, napi_callback_info info) {
    Call<4> call(env, info, kEntryNames);
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    EntryName entry;
    if (!GetEntryName(&call, &entry)) return call.Refuse();
    return Bool(env, self->cache_->Remove(entry.name, entry.rr_type(), entry.variant));
  }
  static napi_value AllowRefresh(napi_env env, napi_callback_info info) {
    Call<4> call(env, info, kEntryNames);
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    EntryName entry;
    if (!GetEntryName(&call, &entry)) return call.Refuse();
    self->cache_->AllowRefresh(entry.name, entry.rr_type(), entry.variant);
    return nullptr;
  }
  // -> length of the message in the registered reply buffer, or 0; control tells its times and its popularity
  static napi_value Peek(napi_env env, napi_callback_info info) {
    Call<4> call(env, info, kEntryNames);
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    EntryName entry;
    const MutableBytes out = self->reply_.Fetch(env);
    if (!GetEntryName(&call, &entry)) return call.Refuse();
    if (out.size() < kLeastRoom) return ThrowGone(env);
    const auto peeked = self->cache_->Peek(entry.name, entry.rr_type(), entry.variant, self->Now(), out);
    if (uint32_t* control = self->control(env)) {
      control[control::kRemainingTicks] = static_cast<uint32_t>(peeked.remaining_ticks);
      control[control::kAgeTicks] = peeked.age_ticks;
      control[control::kPopularity] = peeked.freq;
    }
    return Int(env, static_cast<int32_t>(peeked.length));
  }
  static napi_value Forget(napi_env env, napi_callback_info info) {
    Call<3> call(env, info, "kind, nameLength, tenant");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    uint32_t kind, tenant;
    Name name;
    if (!call.Read(0, &kind) || !call.Read(2, &tenant)) return call.Refuse();
    const bool named = kind == forget_kind::kName || kind == forget_kind::kSuffix;
    if (named && !GetName(&call, 1, &name)) return call.Refuse();
    switch (kind) {
      case forget_kind::kAll:
        self->cache_->ForgetAll();
        break;
      case forget_kind::kName:
        self->cache_->ForgetName(name);
        break;
      case forget_kind::kSuffix:
        self->cache_->ForgetSuffix(name);
        break;
      case forget_kind::kTenant:
        self->cache_->ForgetTenant(tenant);
        break;
      default:
        return call.Refuse(0, "a kind of what is forgotten");
    }
    return nullptr;
  }
  // -> what is another number when something has been forgotten, by whomever; 0 for a cache that is closed
  static napi_value Generation(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    const auto* self = static_cast<const Object*>(args.data);
    napi_value result;
    napi_create_uint32(env, self->cache_ ? self->cache_->generation() : 0, &result);
    return result;
  }
  static napi_value Configure(napi_env env, napi_callback_info info) {
    Call<1> call(env, info, "tunables");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    uint32_t words[tunable::kWords];
    if (!call.ReadWords(0, words)) return call.Refuse();
    const bool original = words[tunable::kOriginalTtl] != 0;
    self->ttl_ = {.min_seconds = words[tunable::kMinTtlSeconds],
                  .max_seconds = words[tunable::kMaxTtlSeconds],
                  .negative_min_seconds = words[tunable::kNegativeMinTtlSeconds],
                  .negative_max_seconds = words[tunable::kNegativeMaxTtlSeconds],
                  .jitter_percent = words[tunable::kTtlJitterPercent],
                  .show_original = original};
    self->cache_->SetStaleWindow(words[tunable::kStaleWindowSeconds]);
    answers::Tunables& tunables = self->cache_->tunables();
    tunables.stale_ttl_seconds = words[tunable::kStaleTtlSeconds];
    tunables.prefetch_share[0] = words[tunable::kPrefetchShare0];
    tunables.prefetch_share[1] = words[tunable::kPrefetchShare1];
    tunables.prefetch_share[2] = words[tunable::kPrefetchShare2];
    tunables.prefetch_share[3] = words[tunable::kPrefetchShare3];
    tunables.early_refresh_beta_ticks = words[tunable::kEarlyRefreshBetaTicks];
    tunables.udp_size = words[tunable::kUdpSize];
    tunables.modes = (words[tunable::kRotate] != 0 ? answers::mode::kRotate : 0) |
                     (words[tunable::kClientSubnet] != 0 ? answers::mode::kClientSubnet : 0) |
                     (original ? answers::mode::kOriginalTtl : 0) |
                     (words[tunable::kAuthority] != 0 ? answers::mode::kAuthority : 0);
    return nullptr;
  }
  // The configuration that entries are for (Cache::Declare).
  static napi_value Declare(napi_env env, napi_callback_info info) {
    Call<2> call(env, info, "configurationHigh, configurationLow");
    auto* self = call.self<Object>();
    if (!self->cache_) return ThrowClosed(env);
    uint32_t high, low;
    if (!call.Read(0, &high) || !call.Read(1, &low)) return call.Refuse();
    self->cache_->Declare(static_cast<uint64_t>(high) << 32 | low);
    return nullptr;
  }

  static constexpr Method kMethods[] = {
      {"insert", Insert},
      {"insertFailure", InsertFailure},
      {"remove", Remove},
      {"allowRefresh", AllowRefresh},
      {"peek", Peek},
      {"forget", Forget},
      {"configure", Configure},
      {"declare", Declare},
      {"close", ObjectLife::Close<Object>},
      {"generation", Generation},
  };
};

std::span<const Method> CacheKeepMethods() { return CacheKeeping::kMethods; }

}  // namespace shardns::addon
