// The names that cross, as JavaScript values; and the proof that structs which cross whole are as they are named.
#include "addon/contract.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "addon/asker_object.h"
#include "addon/gate_object.h"
#include "addon/object.h"
#include "addon/plane_object.h"
#include "addon/tap_object.h"
#include "base/clock.h"
#include "base/status.h"
#include "bytes/byte_format.h"
#include "gate/client_address.h"
#include "gate/list_compiler.h"
#include "store/stripes.h"
#include "udp/ask_commands.h"
#include "udp/copies.h"
#include "udp/event_buffer.h"
#include "udp/forwarder.h"
#include "wire/edns.h"
#include "wire/question.h"

namespace shardns::addon {

namespace {

struct Value {
  const char* name;
  int64_t value;
};
constexpr Value kAskFlags[] = {
    {"keptLetters", udp::ask_flag::kKeptLetters},
    {"cookie", udp::ask_flag::kCookie},
    {"anyEntropy", udp::ask_flag::kAnyEntropy},
};

constexpr Value kForwarded[] = {
    {"hasOpt", udp::forwarded::kHasOpt},
    {"denies", udp::forwarded::kDenies},
};
constexpr Value kAskFailures[] = {
    {"noSocketAlone", udp::kNoSocketAlone},
    {"tooMany", udp::kTooMany},
    {"evicted", udp::kEvicted},
    {"malformed", udp::kMalformed},
};
constexpr Value kLimits[] = {
    {"ticksPerSecond", kTicksPerSecond},
    {"unknownTenant", gate::kUnknownTag},
    {"noExtendedError", wire::kNoExtendedError},
    {"markAuthoritative", kMarkAuthoritative},
    {"markZone", kMarkZone},
    {"moreWait", kMoreWait},
    {"kindShift", get_flag::kKindShift},
    {"maxValueOctets", bytes::kMaxValueOctets},
    {"maxKeyOctets", bytes::kMaxKeyOctets},
    {"maxTags", bytes::kMaxMarks - 1},
    {"maxQueries", udp::kMaxQueries},
    {"leastInbox", udp::EventBuffer::kLeast},
    {"maxNames", gate::kMaxNames},
    {"maxLists", gate::kMaxLists},
    {"maxNsid", wire::kMaxNsid},
    {"aliasTag", gate::kAliasTag},
    {"behindBit", gate::kBehindBit},
    {"notDue", answer_result::kNotDue},
    {"copyOctets", udp::kCopyOctets},
    {"maxTapEvery", udp::TapSettings::kMostEvery},
    {"maxTapRecord", udp::TapRing::kMaxRecord},
};

// A field of a struct that is written as words of 8 octets (WriteStats); plane.send_failed is "sendFailed" there.
struct Field {
  const char* name;
  size_t at, octets;
};
#define SHARDNS_FIELD(type, field) \
  { #field, offsetof(type, field), sizeof(static_cast <type*>(nullptr)->field) }

// Whether the fields stand in this order, each where the last one ends, and nothing is left unnamed.
template <typename Struct, size_t N>
consteval bool NamesAll(const Field (&fields)[N]) {
  size_t at = 0;
  for (const Field& field : fields) {
    if (field.at != at || field.octets == 0 || field.octets % sizeof(uint64_t) != 0) return false;
    at += field.octets;
  }
  return at == sizeof(Struct);
}

#define FIELD(field) SHARDNS_FIELD(store::Stats, field)
constexpr Field kCacheStats[] = {
    FIELD(hits_positive),   FIELD(hits_negative),   FIELD(hits_failure),   FIELD(hits_stale),
    FIELD(misses),          FIELD(refreshes),       FIELD(retries),        FIELD(inserts),
    FIELD(updates),         FIELD(evictions_small), FIELD(evictions_main), FIELD(evictions_negative),
    FIELD(evictions_index), FIELD(expired),         FIELD(removed),        FIELD(reinsertions),
    FIELD(promotions),      FIELD(entries),         FIELD(live_bytes),     FIELD(rebuilds),
    FIELD(recoveries),      FIELD(stale_after_miss)};
#undef FIELD
static_assert(NamesAll<store::Stats>(kCacheStats));

#define FIELD(field) SHARDNS_FIELD(PlaneTotals, field)
constexpr Field kPlaneStats[] = {FIELD(plane.requests_v4),
                                 FIELD(plane.requests_v6),
                                 FIELD(plane.dropped),
                                 FIELD(plane.refused),
                                 FIELD(plane.sent),
                                 FIELD(plane.send_failed),
                                 FIELD(plane.flights),
                                 FIELD(plane.joined),
                                 FIELD(plane.full),
                                 FIELD(plane.over_share),
                                 FIELD(plane.refreshes),
                                 FIELD(plane.in_flight),
                                 FIELD(plane.waiting),
                                 FIELD(plane.copied),
                                 FIELD(plane.copies_dropped),
                                 FIELD(plane.zone_answers),
                                 FIELD(plane.responses_by_rcode),
                                 FIELD(plane.requests_by_type_v4),
                                 FIELD(plane.requests_by_type_v6),
                                 FIELD(plane.durations),
                                 FIELD(plane.duration_sum_us),
                                 FIELD(memory_bytes)};
#undef FIELD
static_assert(NamesAll<PlaneTotals>(kPlaneStats));

#define FIELD(field) SHARDNS_FIELD(EdgeTotals, field)
constexpr Field kEdgeStats[] = {FIELD(actions), FIELD(over_limit), FIELD(cookies), FIELD(by_override), FIELD(by_list)};
#undef FIELD
static_assert(NamesAll<EdgeTotals>(kEdgeStats));

#define FIELD(field) SHARDNS_FIELD(AskerTotals, field)
constexpr Field kAskerStats[] = {FIELD(asker.sent),
                                 FIELD(asker.received),
                                 FIELD(asker.unknown_id),
                                 FIELD(asker.wrong_question),
                                 FIELD(asker.sockets_opened),
                                 FIELD(asker.send_calls),
                                 FIELD(asker.receive_calls),
                                 FIELD(sockets),
                                 FIELD(under_way)};
#undef FIELD
static_assert(NamesAll<AskerTotals>(kAskerStats));

#define FIELD(field) SHARDNS_FIELD(TapTotals, field)
constexpr Field kTapStats[] = {FIELD(written), FIELD(dropped), FIELD(memory_bytes)};
#undef FIELD
static_assert(NamesAll<TapTotals>(kTapStats));
#undef SHARDNS_FIELD

// Places of a record's fields, and how many octets it has.
#define SHARDNS_PLACE(type, field, name) \
  { name, offsetof(type, field) }
constexpr Value kFlightRecord[] = {
    SHARDNS_PLACE(udp::FlightRecord, ticket, "ticket"),   SHARDNS_PLACE(udp::FlightRecord, kind, "kind"),
    SHARDNS_PLACE(udp::FlightRecord, family, "family"),   SHARDNS_PLACE(udp::FlightRecord, port, "port"),
    SHARDNS_PLACE(udp::FlightRecord, address, "address"), SHARDNS_PLACE(udp::FlightRecord, length, "length"),
    SHARDNS_PLACE(udp::FlightRecord, tenant, "tenant"),   {"octets", sizeof(udp::FlightRecord)},
};
constexpr Value kAskRecord[] = {
    SHARDNS_PLACE(udp::AskRecord, head.command, "command"), SHARDNS_PLACE(udp::AskRecord, head.flags, "flags"),
    SHARDNS_PLACE(udp::AskRecord, head.length, "length"),   SHARDNS_PLACE(udp::AskRecord, head.number, "number"),
    SHARDNS_PLACE(udp::AskRecord, head.serial, "serial"),   SHARDNS_PLACE(udp::AskRecord, head.now_ms, "nowMs"),
    SHARDNS_PLACE(udp::AskRecord, server, "server"),        {"octets", sizeof(udp::AskRecord)},
};
constexpr Value kEventRecord[] = {
    SHARDNS_PLACE(udp::EventHead, kind, "kind"),     SHARDNS_PLACE(udp::EventHead, length, "length"),
    SHARDNS_PLACE(udp::EventHead, number, "number"), SHARDNS_PLACE(udp::EventHead, serial, "serial"),
    SHARDNS_PLACE(udp::EventHead, value, "value"),   {"octets", sizeof(udp::EventHead)},
};
constexpr Value kTapRecord[] = {
    SHARDNS_PLACE(udp::TapRecord, at_us, "atUs"),
    SHARDNS_PLACE(udp::TapRecord, latency_us, "latencyUs"),
    SHARDNS_PLACE(udp::TapRecord, upstream, "upstream"),
    SHARDNS_PLACE(udp::TapRecord, protocol, "protocol"),
    SHARDNS_PLACE(udp::TapRecord, address, "address"),
    SHARDNS_PLACE(udp::TapRecord, port, "port"),
    SHARDNS_PLACE(udp::TapRecord, length, "length"),
    SHARDNS_PLACE(udp::TapRecord, family, "family"),
    SHARDNS_PLACE(udp::TapRecord, by, "by"),
    SHARDNS_PLACE(udp::TapRecord, one_in, "oneIn"),
    {"octets", sizeof(udp::TapRecord)},
};
#undef SHARDNS_PLACE

napi_value Text(napi_env env, const std::string& text) {
  napi_value value;
  napi_create_string_utf8(env, text.c_str(), text.size(), &value);
  return value;
}

// Tells of each name of an enum's text, kUdpSize as "udpSize", and of what stands behind its equals sign.
template <typename Tell>
void EachName(std::string_view text, Tell tell) {
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    const std::string_view trimmed = one.substr(one.find_first_not_of(' '));
    std::string name(trimmed.substr(0, trimmed.find(' ')));
    if (name.size() > 1 && name[0] == 'k' && std::isupper(static_cast<unsigned char>(name[1]))) {
      name.erase(0, 1);
      name[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(name[0])));
    }
    const size_t equals = one.find('=');
    tell(name, equals == std::string_view::npos ? 0 : std::stoll(std::string(one.substr(equals + 1))));
  }
}

napi_value Words(napi_env env, std::string_view text) {
  napi_value list;
  napi_create_array(env, &list);
  uint32_t at = 0;
  EachName(text, [&](const std::string& name, int64_t) { napi_set_element(env, list, at++, Text(env, name)); });
  return list;
}

void Set(napi_env env, napi_value object, const char* name, int64_t number) {
  napi_value value;
  napi_create_int64(env, number, &value);
  napi_set_named_property(env, object, name, value);
}

napi_value Values(napi_env env, std::string_view text) {
  napi_value object;
  napi_create_object(env, &object);
  EachName(text, [&](const std::string& name, int64_t value) { Set(env, object, name.c_str(), value); });
  return object;
}

// Of an enum that says its values elsewhere.
template <typename Enum>
napi_value Values(napi_env env, std::string_view text, std::initializer_list<Enum> values) {
  napi_value object;
  napi_create_object(env, &object);
  const Enum* next = values.begin();
  EachName(text,
           [&](const std::string& name, int64_t) { Set(env, object, name.c_str(), static_cast<int64_t>(*next++)); });
  return object;
}
// In a function that has `env`. The second for names that JavaScript has otherwise.
#define SHARDNS_ENUM(Enum, ...) SHARDNS_ENUM_AS(#__VA_ARGS__, Enum, __VA_ARGS__)
#define SHARDNS_ENUM_AS(names, Enum, ...)     \
  [env] {                                     \
    using enum Enum;                          \
    return Values(env, names, {__VA_ARGS__}); \
  }()

std::string Camel(std::string_view field) {
  std::string name;
  for (const char c : field.substr(field.rfind('.') + 1)) {
    if (!name.empty() && name.back() == '_') {
      name.back() = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    } else {
      name += c;
    }
  }
  return name;
}

// Arrays with the number of their words: "durations[24]".
napi_value List(napi_env env, std::span<const Field> fields) {
  napi_value list;
  napi_create_array(env, &list);
  uint32_t at = 0;
  for (const Field& field : fields) {
    const size_t words = field.octets / sizeof(uint64_t);
    const std::string name = Camel(field.name);
    napi_set_element(env, list, at++, Text(env, words == 1 ? name : name + "[" + std::to_string(words) + "]"));
  }
  return list;
}

napi_value List(napi_env env, std::span<const Value> values) {
  napi_value object;
  napi_create_object(env, &object);
  for (const Value& one : values) Set(env, object, one.name, one.value);
  return object;
}

}  // namespace

napi_value Names(napi_env env) {
  napi_value names;
  napi_create_object(env, &names);
  const auto set = [&](const char* name, napi_value value) { napi_set_named_property(env, names, name, value); };
  struct Spelled {
    const char *name, *text;
  };
  constexpr Spelled kWords[] = {{"tunables", tunable::kSpelled},         {"control", control::kSpelled},
                                {"byteControl", byte_control::kSpelled}, {"byteTunables", byte_tunable::kSpelled},
                                {"queryWords", query_word::kSpelled},    {"listSource", list_source::kSpelled},
                                {"listMatch", list_match::kSpelled},     {"http2Words", http2_word::kSpelled},
                                {"http2Event", http2_event::kSpelled}};
  constexpr Spelled kValues[] = {{"http2Kind", http2_kind::kSpelled},
                                 {"answerResult", answer_result::kSpelled},
                                 {"controlFlag", control_flag::kSpelled},
                                 {"silence", silence::kSpelled},
                                 {"variantFlag", variant_flag::kSpelled},
                                 {"forgetKind", forget_kind::kSpelled},
                                 {"byteForget", byte_forget::kSpelled},
                                 {"getFlag", get_flag::kSpelled},
                                 {"got", got::kSpelled}};
  for (const Spelled& one : kWords) set(one.name, Words(env, one.text));
  for (const Spelled& one : kValues) set(one.name, Values(env, one.text));
  set("cacheStats", List(env, kCacheStats));
  set("planeStats", List(env, kPlaneStats));
  set("askerStats", List(env, kAskerStats));
  set("edgeStats", List(env, kEdgeStats));
  set("tapStats", List(env, kTapStats));
  set("edgeAction", SHARDNS_ENUM(gate::EdgeAction, kAllow, kDrop, kRefuse, kTruncate, kFormErr, kBadCookie, kBlocked));
  set("cookieState", SHARDNS_ENUM(gate::CookieState, kNone, kMalformed, kClientOnly, kBad, kGood, kGoodToRenew));
  set("rateKind", SHARDNS_ENUM_AS("query, miss, nxdomain, error", gate::RateKind, kQuery, kMiss, kNxDomain, kError));
  set("rateAction", SHARDNS_ENUM(gate::RateAction, kDrop, kTruncate, kSlip, kRefuse));
  set("status", SHARDNS_ENUM(Status, kOk, kMalformed, kTruncated, kNotAResponse, kUncacheable, kNoSoa, kZeroTtl,
                             kTooLarge, kForeignRecords, kAnothersRegion, kToRewrite));
  set("queryVerdict",
      SHARDNS_ENUM(wire::QueryVerdict, kAnswer, kDrop, kFormErr, kFormErrEdns, kNotImp, kBadVersion, kRefused,
                   kTransfer, kNotify, kUpdate, kSigned, kAny, kOtherClass, kNoQuestion, kExpire));
  set("policy", SHARDNS_ENUM_AS("s3fifo, lru, lfu, 2q", store::PolicyKind, kS3Fifo, kLru, kLfu, kTwoQueue));
  set("answeredBy", SHARDNS_ENUM(udp::AnsweredBy, kHit, kStale, kFailure, kZone, kLocal, kHook, kSecondLevel, kUpstream,
                                 kRecursion, kBlocked, kRefused, kInvalid, kFailed));
  set("tapProtocol", SHARDNS_ENUM(udp::TapProtocol, kUdp, kTcp, kTls, kHttps));
  set("flightKind", SHARDNS_ENUM(udp::FlightKind, kMiss, kRefresh, kOtherClass, kAuthority));
  set("listFormat", SHARDNS_ENUM(gate::ListFormat, kHosts, kDomains, kAdblock, kZone));
  set("nameKind", SHARDNS_ENUM(gate::NameKind, kExact, kSubtree, kBelow));
  set("listAction", SHARDNS_ENUM_AS("pass, nxdomain, nodata, zero, refuse, drop, truncate, data", gate::ListAction,
                                    kPass, kNxDomain, kNoData, kZero, kRefuse, kDrop, kTruncate, kData));
  set("listFull", SHARDNS_ENUM(gate::ListCompiler::Full, kNo, kOctets, kLines, kRules));
  set("askCommand", SHARDNS_ENUM(udp::AskCommand, kAsk, kCallOff, kForward, kTakeOver));
  set("askFlag", List(env, kAskFlags));
  set("askEvent",
      SHARDNS_ENUM(udp::AskEvent, kAnswered, kCompleted, kFailed, kDoubtLetters, kDoubtQuestion, kDoubtFlood));
  set("forwardResult", List(env, kForwarded));
  set("askFailure", List(env, kAskFailures));
  set("limits", List(env, kLimits));
  set("flightRecord", List(env, kFlightRecord));
  set("askRecord", List(env, kAskRecord));
  set("eventRecord", List(env, kEventRecord));
  set("tapRecord", List(env, kTapRecord));
  return names;
}

}  // namespace shardns::addon
