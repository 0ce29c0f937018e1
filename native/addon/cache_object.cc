// Methods of the cache object. The numbers that cross are declared once more, with their meaning, in lib/native.
#include "addon/cache_object.h"

#include <cstdio>

#include "addon/region_methods.h"

namespace shardns::addon {

CacheObject::CacheObject(std::shared_ptr<answers::Cache> cache)
    : cache_(std::move(cache)), reader_(cache_->NewReader()), responder_(cache_.get(), reader_) {}

namespace {

// Results of answer(): the reply's length, or one of these.
constexpr int32_t kDropped = 0;
constexpr int32_t kMiss = -1;
constexpr int32_t kMissWithStale = -2;

// control[]: what goes in and what comes out beside the result.
enum ControlWord : size_t {
  kFlagsWord = 0,
  kTenantWord = 1,
  kRefreshWord = 2,
  kOutcomeWord = 3,
  kRemainingWord = 4,
  kFreqWord = 5,
  // 6 and 7: CacheObject::kListWord
  kLengthWord = 8,
  kTypeWord = 9,
  kAgeWord = 10,
  kControlWords = 11
};
constexpr size_t kLeastRoom = 1024;  // of a reply's buffer
constexpr uint32_t kFlagUdp = 1;
constexpr uint32_t kFlagAllowStale = 2;
// The question was counted before: only the reply counts; nothing does.
constexpr uint32_t kFlagCountReply = 4;
constexpr uint32_t kFlagCountNothing = 8;
constexpr uint32_t kFlagResolves = 16;

constexpr uint32_t kVariantDnssecOk = 1;
constexpr uint32_t kVariantCheckingDisabled = 2;
// No part of the key: the answer is our own; it was asked for with neither AD nor DO.
constexpr uint32_t kVariantAuthoritative = 4;
constexpr uint32_t kVariantAdUnknown = 8;
// It is made of the entry that was peeked at: kRemainingWord and kAgeWord say how long it may live.
constexpr uint32_t kVariantInherited = 16;

int32_t ResultOf(const udp::Response& response) {
  switch (response.verdict) {
    case udp::Verdict::kReply:
      return static_cast<int32_t>(response.length);
    case udp::Verdict::kMiss:
      return response.answer.has_stale ? kMissWithStale : kMiss;
    case udp::Verdict::kDrop:
      return kDropped;
  }
  return kDropped;
}

}  // namespace

struct CacheMethods {
  using Object = CacheObject;

  static Object* This(void* data) { return static_cast<Object*>(data); }

  static udp::RespondArgs Args(napi_env env, Object* self) { return Args(self->control(env), self->Now()); }
  static udp::RespondArgs Args(const uint32_t* control, Ticks now) {
    if (control == nullptr) return {.now = now, .udp = false};
    return {.now = now,
            .tenant = control[kTenantWord],
            .udp = (control[kFlagsWord] & kFlagUdp) != 0,
            .allow_stale = (control[kFlagsWord] & kFlagAllowStale) != 0,
            .counting = (control[kFlagsWord] & kFlagCountNothing) != 0 ? udp::Counting::kNothing
                        : (control[kFlagsWord] & kFlagCountReply) != 0 ? udp::Counting::kReply
                                                                       : udp::Counting::kQuestion,
            .resolves = (control[kFlagsWord] & kFlagResolves) != 0};
  }
  static int32_t AnswerInto(Object* self, uint32_t* control, Bytes query, MutableBytes reply) {
    wire::Query parsed;
    const udp::Response response = self->responder_.Respond(
        query, Args(control, 0), [self] { return self->Now(); }, &parsed, reply);
    if (control != nullptr) {
      control[kRefreshWord] = response.answer.refresh;
      control[kOutcomeWord] = static_cast<uint32_t>(response.answer.outcome);
      control[kTypeWord] = parsed.type;
    }
    return ResultOf(response);
  }

  // register(query, reply, control)
  static napi_value Register(napi_env env, napi_callback_info info) {
    Arguments<3> args(env, info);
    Object* self = This(args.data);
    if (args.count != 3 || !self->query_.Set(env, args.values[0]) ||
        !self->reply_.Set(env, args.values[1], kLeastRoom) ||
        !self->control_.Set(env, args.values[2], kControlWords * sizeof(uint32_t)) ||
        reinterpret_cast<uintptr_t>(self->control_.Fetch(env).data()) % sizeof(uint32_t) != 0) {
      self->query_.Clear(env);
      self->reply_.Clear(env);
      self->control_.Clear(env);
      self->hot_ = {};
      return ThrowArgument(env);
    }
    self->LookUpHot(env);
    return nullptr;
  }
  // registerBatch(queries, queryEnds, replies, replyLengths)
  static napi_value RegisterBatch(napi_env env, napi_callback_info info) {
    Arguments<4> args(env, info);
    Object* self = This(args.data);
    if (args.count != 4 || !self->batch_queries_.Set(env, args.values[0]) ||
        !self->batch_ends_.Set(env, args.values[1]) || !self->batch_replies_.Set(env, args.values[2]) ||
        !self->batch_lengths_.Set(env, args.values[3])) {
      return ThrowArgument(env);
    }
    return nullptr;
  }
  // answer() -> result; the first control[kLengthWord] octets of the registered query buffer are the query, the reply
  // goes to the registered reply buffer. An argument would cost one more call into Node-API.
  static napi_value Answer(napi_env env, napi_callback_info info) {
    void* data = nullptr;
    napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &data);
    Object* self = This(data);
    if (!self->cache_) return ThrowClosed(env);
    const auto& hot = self->hot_;
    if (!hot.pinned) [[unlikely]] {
      self->LookUpHot(env);
      if (hot.control == nullptr || hot.query.empty() || hot.reply.empty()) return ThrowGone(env);
    }
    const uint32_t length = hot.control[kLengthWord];
    if (length > hot.query.size()) return ThrowArgument(env);
    return Int(env, AnswerInto(self, hot.control, hot.query.first(length), hot.reply));
  }
  // answerFrom(query, reply) -> result
  static napi_value AnswerFrom(napi_env env, napi_callback_info info) {
    Arguments<2> args(env, info);
    Object* self = This(args.data);
    MutableBytes query, reply;
    napi_value memory;
    bool ordinary;
    if (!self->cache_) return ThrowClosed(env);
    if (!GetBytes(env, args.values[0], &query, &memory) || napi_is_arraybuffer(env, memory, &ordinary) != napi_ok ||
        !GetBytes(env, args.values[1], &reply) || reply.size() < kLeastRoom) {
      return ThrowArgument(env);
    }
    return Int(env, AnswerInto(self, self->control(env), ordinary ? Bytes(query) : self->Own(query), reply));
  }
  // answerBatch(count) -> hits; queryEnds[i] = end of query i; replies are laid one after another. To look up where the
  // four arrays are would cost an eighth of the batch's time: lib/cache compares their lengths, which costs nothing.
  static napi_value AnswerBatch(napi_env env, napi_callback_info info) {
    constexpr size_t kBatch = udp::Responder::kBatch;
    Arguments<1> args(env, info);
    Object* self = This(args.data);
    uint32_t count;
    if (!self->cache_) return ThrowClosed(env);
    const Bytes queries = self->batch_queries_.Trusted();
    const MutableBytes replies = self->batch_replies_.Trusted();
    const MutableBytes ends = self->batch_ends_.Trusted();
    const MutableBytes lengths = self->batch_lengths_.Trusted();
    if (!GetUint32(env, args.values[0], &count) || count > ends.size() / 4 || count > lengths.size() / 4) {
      return ThrowArgument(env);
    }
    const size_t room = count == 0 ? 0 : replies.size() / count;
    if (count != 0 && room < kLeastRoom) return ThrowArgument(env);
    const udp::RespondArgs respond = Args(env, self);
    // Queries that another thread may change while they are read are copied and answered one by one.
    const size_t step = self->batch_queries_.shared() ? 1 : kBatch;
    int32_t hits = 0;
    uint32_t begin = 0;
    for (uint32_t from = 0; from < count; from += step) {
      const size_t size = count - from < step ? count - from : step;
      auto& [packets, outs, parsed, responses] = *self->batch_;
      for (size_t i = 0; i < size; ++i) {
        const uint32_t end = RacyLoad(reinterpret_cast<const uint32_t*>(ends.data()) + from + i);
        if (end < begin || end > queries.size()) return ThrowEnd(env, {.query = from + i, .begin = begin, .end = end});
        packets[i] = queries.subspan(begin, end - begin);
        if (step == 1) packets[i] = self->Own(packets[i]);
        outs[i] = replies.subspan((from + i) * room, room);
        begin = end;
      }
      self->responder_.RespondBatch({packets, size}, respond, parsed, outs, responses);
      for (size_t i = 0; i < size; ++i) {
        const int32_t result = ResultOf(responses[i]);
        std::memcpy(lengths.data() + (from + i) * sizeof result, &result, sizeof result);
        hits += result > 0;
      }
    }
    return Int(env, hits);
  }
  struct QueryEnd {
    size_t query;
    uint32_t begin, end;
  };
  static napi_value ThrowEnd(napi_env env, QueryEnd found) {
    char text[160];
    std::snprintf(text, sizeof text, "ends: expected %u or more, within the queries, got %u for query %zu", found.begin,
                  found.end, found.query);
    return Throw(env, "ERR_SHARDNS_OPTION", text);
  }

  static bool GetVariant(napi_env env, napi_value flags_value, napi_value tenant_value, answers::Variant* variant) {
    uint32_t flags;
    if (!GetUint32(env, flags_value, &flags) || !GetUint32(env, tenant_value, &variant->tenant)) return false;
    variant->dnssec_ok = (flags & kVariantDnssecOk) != 0;
    variant->checking_disabled = (flags & kVariantCheckingDisabled) != 0;
    return true;
  }
  // scope: undefined, or Uint8Array [family, scope prefix, address octets...]
  static bool GetScope(napi_env env, napi_value value, wire::ClientSubnet* scope) {
    MutableBytes given;
    napi_valuetype type;
    napi_typeof(env, value, &type);
    if (type == napi_undefined) return true;
    if (!GetBytes(env, value, &given) || given.size() < 2 || given.size() > 18) return false;
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
  // insert(response, variantFlags, tenant, wallSeconds, scope) -> seconds it may live, or a negative Status
  static napi_value Insert(napi_env env, napi_callback_info info) {
    Arguments<5> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    MutableBytes response;
    answers::InsertArgs insert;
    if (args.count != 5 || !GetBytes(env, args.values[0], &response) ||
        !GetVariant(env, args.values[1], args.values[2], &insert.variant) ||
        !GetUint32(env, args.values[3], &insert.prepare.wall_seconds) ||
        !GetScope(env, args.values[4], &insert.variant.scope)) {
      return ThrowArgument(env);
    }
    uint32_t flags = 0;
    GetUint32(env, args.values[1], &flags);
    insert.prepare.response = self->Own(response);
    insert.prepare.authoritative = (flags & kVariantAuthoritative) != 0;
    insert.prepare.ad_unknown = (flags & kVariantAdUnknown) != 0;
    insert.prepare.ttl = self->ttl_;
    insert.prepare.random = self->reader_->Random();
    insert.now = self->Now();
    answers::Inherited inherited;
    if (const uint32_t* control = self->control(env); (flags & kVariantInherited) != 0 && control != nullptr) {
      inherited = {.remaining_ticks = static_cast<int32_t>(control[kRemainingWord]),
                   .age_ticks = control[kAgeWord] % kTicksPerSecond};
      insert.inherited = &inherited;
    }
    answers::EntryImage image;
    const Status status = self->cache_->Insert(insert, self->scratch_.get(), &image);
    return Int(env, status == Status::kOk ? static_cast<int32_t>(image.ttl_seconds) : static_cast<int32_t>(status));
  }
  // The name that is the first octets of the registered query buffer, as many as `value` says, copied to `own`.
  struct Name {
    uint8_t own[wire::kMaxNameSize];
    Bytes octets;
    operator Bytes() const { return octets; }
  };
  static bool GetName(napi_env env, Object* self, napi_value value, Name* name) {
    uint32_t length;
    const MutableBytes query = self->query_.Fetch(env);
    if (!GetUint32(env, value, &length) || length == 0 || length > wire::kMaxNameSize || length > query.size()) {
      return false;
    }
    std::memcpy(name->own, query.data(), length);
    name->octets = {name->own, length};
    return wire::PlainNameLength(name->octets, 0) == length;
  }
  // insertFailure(name length, type, variantFlags, tenant, ttlSeconds, rcode)
  static napi_value InsertFailure(napi_env env, napi_callback_info info) {
    Arguments<6> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    Name name;
    answers::FailureArgs failure;
    uint32_t type, rcode;
    if (args.count != 6 || !GetName(env, self, args.values[0], &name) || !GetUint32(env, args.values[1], &type) ||
        !GetVariant(env, args.values[2], args.values[3], &failure.variant) ||
        !GetUint32(env, args.values[4], &failure.ttl_seconds) || !GetUint32(env, args.values[5], &rcode)) {
      return ThrowArgument(env);
    }
    failure.folded_name = name;
    failure.type = static_cast<uint16_t>(type);
    failure.rcode = static_cast<uint16_t>(rcode);
    failure.now = self->Now();
    return Int(env, static_cast<int32_t>(self->cache_->InsertFailure(failure)));
  }
  // What names one entry: the first four arguments (name length, type, variantFlags, tenant).
  struct EntryName {
    Name name;
    uint32_t type = 0;
    answers::Variant variant;
    uint16_t rr_type() const { return static_cast<uint16_t>(type); }
  };
  static bool GetEntryName(napi_env env, Object* self, const napi_value* values, EntryName* entry) {
    return GetName(env, self, values[0], &entry->name) && GetUint32(env, values[1], &entry->type) &&
           GetVariant(env, values[2], values[3], &entry->variant);
  }
  // remove(name length, type, variantFlags, tenant) -> boolean
  static napi_value Remove(napi_env env, napi_callback_info info) {
    Arguments<4> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    EntryName entry;
    if (args.count != 4 || !GetEntryName(env, self, args.values, &entry)) return ThrowArgument(env);
    return Bool(env, self->cache_->Remove(entry.name, entry.rr_type(), entry.variant));
  }
  // allowRefresh(name length, type, variantFlags, tenant)
  static napi_value AllowRefresh(napi_env env, napi_callback_info info) {
    Arguments<4> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    EntryName entry;
    if (args.count != 4 || !GetEntryName(env, self, args.values, &entry)) return ThrowArgument(env);
    self->cache_->AllowRefresh(entry.name, entry.rr_type(), entry.variant);
    return nullptr;
  }
  // peek(name length, type, variantFlags, tenant) -> length of the message in the registered reply buffer, or 0;
  // control[4] = remaining ticks, control[5] = popularity
  static napi_value Peek(napi_env env, napi_callback_info info) {
    Arguments<4> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    EntryName entry;
    const MutableBytes out = self->reply_.Fetch(env);
    if (args.count != 4 || !GetEntryName(env, self, args.values, &entry) || out.size() < kLeastRoom) {
      return ThrowArgument(env);
    }
    const auto peeked = self->cache_->Peek(entry.name, entry.rr_type(), entry.variant, self->Now(), out);
    if (uint32_t* control = self->control(env)) {
      control[kRemainingWord] = static_cast<uint32_t>(peeked.remaining_ticks);
      control[kAgeWord] = peeked.age_ticks;
      control[kFreqWord] = peeked.freq;
    }
    return Int(env, static_cast<int32_t>(peeked.length));
  }
  // forget(kind, name length, tenant): kind 0 all, 1 name, 2 suffix, 3 tenant
  static napi_value Forget(napi_env env, napi_callback_info info) {
    Arguments<3> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    uint32_t kind, tenant;
    Name name;
    if (args.count != 3 || !GetUint32(env, args.values[0], &kind) || !GetUint32(env, args.values[2], &tenant)) {
      return ThrowArgument(env);
    }
    if ((kind == 1 || kind == 2) && !GetName(env, self, args.values[1], &name)) return ThrowArgument(env);
    switch (kind) {
      case 0:
        self->cache_->ForgetAll();
        break;
      case 1:
        self->cache_->ForgetName(name);
        break;
      case 2:
        self->cache_->ForgetSuffix(name);
        break;
      case 3:
        self->cache_->ForgetTenant(tenant);
        break;
      default:
        return ThrowArgument(env);
    }
    return nullptr;
  }
  // finish(query, response, wallSeconds, extendedError) -> length in the registered reply buffer, 0 when the response
  // is unusable: the reply to one client from a raw response, stored or not
  static napi_value Finish(napi_env env, napi_callback_info info) {
    Arguments<4> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    MutableBytes packet, response;
    uint32_t wall, extended_error;
    if (args.count != 4 || !GetBytes(env, args.values[0], &packet) || !GetBytes(env, args.values[1], &response) ||
        !GetUint32(env, args.values[2], &wall) || !GetUint32(env, args.values[3], &extended_error)) {
      return ThrowArgument(env);
    }
    const MutableBytes reply = self->reply_.Fetch(env);
    if (reply.empty()) return ThrowGone(env);
    wire::Query query;
    wire::ParseQuery(self->Own(packet), &query);
    const size_t length = self->responder_.FinishResponse(query,
                                                          {.response = self->OwnBeside(response),
                                                           .wall_seconds = wall,
                                                           .ttl = self->ttl_,
                                                           .authoritative = (extended_error & kMarkAuthoritative) != 0},
                                                          static_cast<uint16_t>(extended_error), Args(env, self).udp,
                                                          self->scratch_.get(), reply);
    if (length != 0) self->responder_.CountReply(reply.data());
    return Int(env, static_cast<int32_t>(length));
  }
  // refuse(query, rcode, extendedError) -> length in the registered reply buffer, 0 when no reply is due
  static napi_value Refuse(napi_env env, napi_callback_info info) {
    Arguments<3> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    MutableBytes packet;
    uint32_t rcode, extended_error;
    if (args.count != 3 || !GetBytes(env, args.values[0], &packet) || !GetUint32(env, args.values[1], &rcode) ||
        !GetUint32(env, args.values[2], &extended_error)) {
      return ThrowArgument(env);
    }
    const MutableBytes reply = self->reply_.Fetch(env);
    if (reply.empty()) return ThrowGone(env);
    wire::Query query;
    const bool drop = wire::ParseQuery(self->Own(packet), &query) == wire::QueryVerdict::kDrop;
    if (uint32_t* control = self->control(env)) control[kTypeWord] = query.type;
    if (drop) return Int(env, 0);
    const size_t length = self->responder_.Refuse(query, static_cast<uint16_t>(rcode),
                                                  static_cast<uint16_t>(extended_error), Args(env, self).udp, reply);
    if (length != 0) self->responder_.CountReply(reply.data());
    return Int(env, static_cast<int32_t>(length));
  }
  // configure(Uint32Array), the words in the order of lib/native/binding.ts
  static napi_value Configure(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    MutableBytes bytes;
    if (!GetBytes(env, args.values[0], &bytes) || bytes.size() != 16 * 4) return ThrowArgument(env);
    uint32_t words[16];
    std::memcpy(words, bytes.data(), sizeof words);
    self->ttl_ = {.min_seconds = words[0],
                  .max_seconds = words[1],
                  .negative_min_seconds = words[2],
                  .negative_max_seconds = words[3],
                  .jitter_percent = words[4],
                  .show_original = words[15] != 0};
    self->cache_->SetStaleWindow(words[5]);
    answers::Tunables& tunables = self->cache_->tunables();
    tunables.stale_ttl_seconds = words[6];
    for (int i = 0; i < 4; ++i) tunables.prefetch_share[i] = words[7 + i];
    tunables.early_refresh_beta_ticks = words[11];
    tunables.udp_size = words[12];
    tunables.modes = (words[13] != 0 ? answers::mode::kRotate : 0) |
                     (words[14] != 0 ? answers::mode::kClientSubnet : 0) |
                     (words[15] != 0 ? answers::mode::kOriginalTtl : 0);
    return nullptr;
  }
  // declare(high, low): the configuration that entries are for (Cache::Declare)
  static napi_value Declare(napi_env env, napi_callback_info info) {
    Arguments<2> args(env, info);
    Object* self = This(args.data);
    if (!self->cache_) return ThrowClosed(env);
    uint32_t high, low;
    if (args.count != 2 || !GetUint32(env, args.values[0], &high) || !GetUint32(env, args.values[1], &low)) {
      return ThrowArgument(env);
    }
    self->cache_->Declare(static_cast<uint64_t>(high) << 32 | low);
    return nullptr;
  }
  // responses(Float64Array(24 + 257)): replies by rcode, requests by type, of calls from JavaScript
  static napi_value Responses(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    Object* self = This(args.data);
    MutableBytes out;
    if (!GetBytes(env, args.values[0], &out) || out.size() < (24 + 257) * sizeof(double)) return ThrowArgument(env);
    double* words = reinterpret_cast<double*>(out.data());
    for (size_t i = 0; i < 24; ++i) {
      words[i] = static_cast<double>(self->responder_.counters().responses_by_rcode[i].Get());
    }
    for (size_t i = 0; i < 257; ++i) {
      words[24 + i] = static_cast<double>(self->responder_.counters().requests_by_type[i].Get());
    }
    return nullptr;
  }
  static napi_value Close(napi_env env, napi_callback_info info) {
    Arguments<1> args(env, info);
    Object* self = This(args.data);
    self->cache_.reset();
    // Shared memory stays until the object goes: a plane may still be at it, and holds the object.
    self->Release(env);
    return nullptr;
  }
};

namespace {

constexpr Method kMethods[] = {
    {"register", CacheMethods::Register},
    {"registerBatch", CacheMethods::RegisterBatch},
    {"answer", CacheMethods::Answer},
    {"answerFrom", CacheMethods::AnswerFrom},
    {"answerBatch", CacheMethods::AnswerBatch},
    {"insert", CacheMethods::Insert},
    {"insertFailure", CacheMethods::InsertFailure},
    {"remove", CacheMethods::Remove},
    {"allowRefresh", CacheMethods::AllowRefresh},
    {"peek", CacheMethods::Peek},
    {"forget", CacheMethods::Forget},
    {"finish", CacheMethods::Finish},
    {"refuse", CacheMethods::Refuse},
    {"configure", CacheMethods::Configure},
    {"declare", CacheMethods::Declare},
    {"responses", CacheMethods::Responses},
    {"close", CacheMethods::Close},
};
constexpr napi_type_tag kCacheTag = {0x5ead5ca1ab1e0001, 0xcac4e0b1ec700001};

}  // namespace

CacheObject* CacheObject::From(napi_env env, napi_value object) { return Unwrap<CacheObject>(env, object, kCacheTag); }

napi_value CacheObject::Wrap(napi_env env, std::shared_ptr<answers::Cache> cache, napi_value memory) {
  auto* self = new CacheObject(std::move(cache));
  if (memory != nullptr) self->memory_.Set(env, memory);
  return WrapObject(env, self, kCacheTag, {RegionMethods<CacheObject>::kMethods, kMethods});
}

}  // namespace shardns::addon
