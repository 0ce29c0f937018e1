// The names that cross, as JavaScript values; and the proof that structs which cross whole are as they are named.
#include "addon/contract.h"

#include <cstddef>
#include <iterator>
#include <span>
#include <string>

#include "addon/asker_object.h"
#include "addon/gate_object.h"
#include "addon/object.h"
#include "addon/plane_object.h"
#include "base/clock.h"
#include "base/status.h"
#include "bytes/byte_format.h"
#include "gate/client_address.h"
#include "gate/list_compiler.h"
#include "store/stripes.h"
#include "udp/ask_commands.h"
#include "udp/event_buffer.h"
#include "udp/forwarder.h"
#include "wire/edns.h"
#include "wire/question.h"

namespace shardns::addon {

namespace {

#define SHARDNS_NAME(constant, name) #name,
constexpr const char* kTunables[] = {SHARDNS_TUNABLES(SHARDNS_NAME)};
constexpr const char* kControl[] = {SHARDNS_CONTROL(SHARDNS_NAME)};
constexpr const char* kByteControl[] = {SHARDNS_BYTE_CONTROL(SHARDNS_NAME)};
constexpr const char* kByteTunables[] = {SHARDNS_BYTE_TUNABLES(SHARDNS_NAME)};
constexpr const char* kQueryWords[] = {SHARDNS_QUERY_WORDS(SHARDNS_NAME)};
constexpr const char* kListSource[] = {SHARDNS_LIST_SOURCE(SHARDNS_NAME)};
constexpr const char* kListMatch[] = {SHARDNS_LIST_MATCH(SHARDNS_NAME)};
constexpr const char* kHttp2Words[] = {SHARDNS_HTTP2_WORDS(SHARDNS_NAME)};
constexpr const char* kHttp2Event[] = {SHARDNS_HTTP2_EVENT(SHARDNS_NAME)};
#undef SHARDNS_NAME

struct Value {
  const char* name;
  int64_t value;
};
#define SHARDNS_NAMED_VALUE(constant, name, value) {#name, value},
constexpr Value kAnswerResults[] = {SHARDNS_ANSWER_RESULTS(SHARDNS_NAMED_VALUE)};
constexpr Value kControlFlags[] = {SHARDNS_CONTROL_FLAGS(SHARDNS_NAMED_VALUE)};
constexpr Value kSilences[] = {SHARDNS_SILENCES(SHARDNS_NAMED_VALUE)};
constexpr Value kVariantFlags[] = {SHARDNS_VARIANT_FLAGS(SHARDNS_NAMED_VALUE)};
constexpr Value kForgetKinds[] = {SHARDNS_FORGET_KINDS(SHARDNS_NAMED_VALUE)};
constexpr Value kByteForgetKinds[] = {SHARDNS_BYTE_FORGET_KINDS(SHARDNS_NAMED_VALUE)};
constexpr Value kGetFlags[] = {SHARDNS_GET_FLAGS(SHARDNS_NAMED_VALUE)};
constexpr Value kGot[] = {SHARDNS_GOT(SHARDNS_NAMED_VALUE)};
constexpr Value kHttp2Kinds[] = {SHARDNS_HTTP2_KINDS(SHARDNS_NAMED_VALUE)};
#undef SHARDNS_NAMED_VALUE

constexpr Value kStatus[] = {
    {"ok", static_cast<int>(Status::kOk)},
    {"malformed", static_cast<int>(Status::kMalformed)},
    {"truncated", static_cast<int>(Status::kTruncated)},
    {"notAResponse", static_cast<int>(Status::kNotAResponse)},
    {"uncacheable", static_cast<int>(Status::kUncacheable)},
    {"noSoa", static_cast<int>(Status::kNoSoa)},
    {"zeroTtl", static_cast<int>(Status::kZeroTtl)},
    {"tooLarge", static_cast<int>(Status::kTooLarge)},
    {"foreignRecords", static_cast<int>(Status::kForeignRecords)},
    {"anothersRegion", static_cast<int>(Status::kAnothersRegion)},
    {"toRewrite", static_cast<int>(Status::kToRewrite)},
};
constexpr Value kQueryVerdicts[] = {
    {"answer", static_cast<int>(wire::QueryVerdict::kAnswer)},
    {"drop", static_cast<int>(wire::QueryVerdict::kDrop)},
    {"formErr", static_cast<int>(wire::QueryVerdict::kFormErr)},
    {"formErrEdns", static_cast<int>(wire::QueryVerdict::kFormErrEdns)},
    {"notImp", static_cast<int>(wire::QueryVerdict::kNotImp)},
    {"badVersion", static_cast<int>(wire::QueryVerdict::kBadVersion)},
    {"refused", static_cast<int>(wire::QueryVerdict::kRefused)},
    {"transfer", static_cast<int>(wire::QueryVerdict::kTransfer)},
    {"notify", static_cast<int>(wire::QueryVerdict::kNotify)},
    {"update", static_cast<int>(wire::QueryVerdict::kUpdate)},
    {"signed", static_cast<int>(wire::QueryVerdict::kSigned)},
    {"any", static_cast<int>(wire::QueryVerdict::kAny)},
    {"otherClass", static_cast<int>(wire::QueryVerdict::kOtherClass)},
    {"noQuestion", static_cast<int>(wire::QueryVerdict::kNoQuestion)},
};
constexpr Value kPolicies[] = {
    {"s3fifo", static_cast<int>(store::PolicyKind::kS3Fifo)},
    {"lru", static_cast<int>(store::PolicyKind::kLru)},
    {"lfu", static_cast<int>(store::PolicyKind::kLfu)},
    {"2q", static_cast<int>(store::PolicyKind::kTwoQueue)},
};
constexpr Value kFlightKinds[] = {
    {"miss", static_cast<int>(udp::FlightKind::kMiss)},
    {"refresh", static_cast<int>(udp::FlightKind::kRefresh)},
    {"otherClass", static_cast<int>(udp::FlightKind::kOtherClass)},
    {"authority", static_cast<int>(udp::FlightKind::kAuthority)},
};
constexpr Value kListFormats[] = {
    {"hosts", static_cast<int>(gate::ListFormat::kHosts)},
    {"domains", static_cast<int>(gate::ListFormat::kDomains)},
    {"adblock", static_cast<int>(gate::ListFormat::kAdblock)},
    {"zone", static_cast<int>(gate::ListFormat::kZone)},
};
constexpr Value kNameKinds[] = {
    {"exact", static_cast<int>(gate::NameKind::kExact)},
    {"subtree", static_cast<int>(gate::NameKind::kSubtree)},
    {"below", static_cast<int>(gate::NameKind::kBelow)},
};
constexpr Value kListActions[] = {
    {"pass", static_cast<int>(gate::ListAction::kPass)},
    {"nxdomain", static_cast<int>(gate::ListAction::kNxDomain)},
    {"nodata", static_cast<int>(gate::ListAction::kNoData)},
    {"zero", static_cast<int>(gate::ListAction::kZero)},
    {"refuse", static_cast<int>(gate::ListAction::kRefuse)},
    {"drop", static_cast<int>(gate::ListAction::kDrop)},
    {"truncate", static_cast<int>(gate::ListAction::kTruncate)},
    {"data", static_cast<int>(gate::ListAction::kData)},
};
constexpr Value kListFull[] = {
    {"no", static_cast<int>(gate::ListCompiler::Full::kNo)},
    {"octets", static_cast<int>(gate::ListCompiler::Full::kOctets)},
    {"lines", static_cast<int>(gate::ListCompiler::Full::kLines)},
    {"rules", static_cast<int>(gate::ListCompiler::Full::kRules)},
};
constexpr Value kEdgeActionNames[] = {
    {"allow", static_cast<int>(gate::EdgeAction::kAllow)},
    {"drop", static_cast<int>(gate::EdgeAction::kDrop)},
    {"refuse", static_cast<int>(gate::EdgeAction::kRefuse)},
    {"truncate", static_cast<int>(gate::EdgeAction::kTruncate)},
    {"formErr", static_cast<int>(gate::EdgeAction::kFormErr)},
    {"badCookie", static_cast<int>(gate::EdgeAction::kBadCookie)},
    {"blocked", static_cast<int>(gate::EdgeAction::kBlocked)},
};
constexpr Value kCookieStateNames[] = {
    {"none", static_cast<int>(gate::CookieState::kNone)},
    {"malformed", static_cast<int>(gate::CookieState::kMalformed)},
    {"clientOnly", static_cast<int>(gate::CookieState::kClientOnly)},
    {"bad", static_cast<int>(gate::CookieState::kBad)},
    {"good", static_cast<int>(gate::CookieState::kGood)},
    {"goodToRenew", static_cast<int>(gate::CookieState::kGoodToRenew)},
};
constexpr Value kRateKindNames[] = {
    {"query", static_cast<int>(gate::RateKind::kQuery)},
    {"miss", static_cast<int>(gate::RateKind::kMiss)},
    {"nxdomain", static_cast<int>(gate::RateKind::kNxDomain)},
    {"error", static_cast<int>(gate::RateKind::kError)},
};
constexpr Value kRateActionNames[] = {
    {"drop", static_cast<int>(gate::RateAction::kDrop)},
    {"truncate", static_cast<int>(gate::RateAction::kTruncate)},
    {"slip", static_cast<int>(gate::RateAction::kSlip)},
    {"refuse", static_cast<int>(gate::RateAction::kRefuse)},
};
constexpr Value kAskCommands[] = {
    {"ask", static_cast<int>(udp::AskCommand::kAsk)},
    {"callOff", static_cast<int>(udp::AskCommand::kCallOff)},
    {"forward", static_cast<int>(udp::AskCommand::kForward)},
    {"takeOver", static_cast<int>(udp::AskCommand::kTakeOver)},
};
constexpr Value kAskFlags[] = {
    {"keptLetters", udp::ask_flag::kKeptLetters},
    {"cookie", udp::ask_flag::kCookie},
    {"anyEntropy", udp::ask_flag::kAnyEntropy},
};
constexpr Value kAskEvents[] = {
    {"answered", static_cast<int>(udp::AskEvent::kAnswered)},
    {"completed", static_cast<int>(udp::AskEvent::kCompleted)},
    {"failed", static_cast<int>(udp::AskEvent::kFailed)},
    {"doubtLetters", static_cast<int>(udp::AskEvent::kDoubtLetters)},
    {"doubtQuestion", static_cast<int>(udp::AskEvent::kDoubtQuestion)},
    {"doubtFlood", static_cast<int>(udp::AskEvent::kDoubtFlood)},
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
};

// A field of a struct that is written as words of 8 octets (WriteStats).
struct Field {
  const char* name;
  size_t at, octets;
};
#define SHARDNS_FIELD(type, field, name) \
  { name, offsetof(type, field), sizeof(static_cast<type*>(nullptr)->field) }

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

constexpr Field kCacheStats[] = {
    SHARDNS_FIELD(store::Stats, hits_positive, "hitsPositive"),
    SHARDNS_FIELD(store::Stats, hits_negative, "hitsNegative"),
    SHARDNS_FIELD(store::Stats, hits_failure, "hitsFailure"),
    SHARDNS_FIELD(store::Stats, hits_stale, "hitsStale"),
    SHARDNS_FIELD(store::Stats, misses, "misses"),
    SHARDNS_FIELD(store::Stats, refreshes, "refreshes"),
    SHARDNS_FIELD(store::Stats, retries, "retries"),
    SHARDNS_FIELD(store::Stats, inserts, "inserts"),
    SHARDNS_FIELD(store::Stats, updates, "updates"),
    SHARDNS_FIELD(store::Stats, evictions_small, "evictionsSmall"),
    SHARDNS_FIELD(store::Stats, evictions_main, "evictionsMain"),
    SHARDNS_FIELD(store::Stats, evictions_negative, "evictionsNegative"),
    SHARDNS_FIELD(store::Stats, evictions_index, "evictionsIndex"),
    SHARDNS_FIELD(store::Stats, expired, "expired"),
    SHARDNS_FIELD(store::Stats, removed, "removed"),
    SHARDNS_FIELD(store::Stats, reinsertions, "reinsertions"),
    SHARDNS_FIELD(store::Stats, promotions, "promotions"),
    SHARDNS_FIELD(store::Stats, entries, "entries"),
    SHARDNS_FIELD(store::Stats, live_bytes, "liveBytes"),
    SHARDNS_FIELD(store::Stats, rebuilds, "rebuilds"),
    SHARDNS_FIELD(store::Stats, recoveries, "recoveries"),
    SHARDNS_FIELD(store::Stats, stale_after_miss, "staleAfterMiss"),
};
static_assert(NamesAll<store::Stats>(kCacheStats));

constexpr Field kPlaneStats[] = {
    SHARDNS_FIELD(PlaneTotals, plane.requests_v4, "requestsV4"),
    SHARDNS_FIELD(PlaneTotals, plane.requests_v6, "requestsV6"),
    SHARDNS_FIELD(PlaneTotals, plane.dropped, "dropped"),
    SHARDNS_FIELD(PlaneTotals, plane.refused, "refused"),
    SHARDNS_FIELD(PlaneTotals, plane.sent, "sent"),
    SHARDNS_FIELD(PlaneTotals, plane.send_failed, "sendFailed"),
    SHARDNS_FIELD(PlaneTotals, plane.flights, "flights"),
    SHARDNS_FIELD(PlaneTotals, plane.joined, "joined"),
    SHARDNS_FIELD(PlaneTotals, plane.full, "full"),
    SHARDNS_FIELD(PlaneTotals, plane.over_share, "overShare"),
    SHARDNS_FIELD(PlaneTotals, plane.refreshes, "refreshes"),
    SHARDNS_FIELD(PlaneTotals, plane.in_flight, "inFlight"),
    SHARDNS_FIELD(PlaneTotals, plane.waiting, "waiting"),
    SHARDNS_FIELD(PlaneTotals, plane.responses_by_rcode, "responsesByRcode"),
    SHARDNS_FIELD(PlaneTotals, plane.requests_by_type_v4, "requestsByType4"),
    SHARDNS_FIELD(PlaneTotals, plane.requests_by_type_v6, "requestsByType6"),
    SHARDNS_FIELD(PlaneTotals, plane.durations, "durations"),
    SHARDNS_FIELD(PlaneTotals, plane.duration_sum_us, "durationSumUs"),
    SHARDNS_FIELD(PlaneTotals, memory_bytes, "memoryBytes"),
};
static_assert(NamesAll<PlaneTotals>(kPlaneStats));

constexpr Field kEdgeStats[] = {
    SHARDNS_FIELD(EdgeTotals, actions, "actions"), SHARDNS_FIELD(EdgeTotals, over_limit, "overLimit"),
    SHARDNS_FIELD(EdgeTotals, cookies, "cookies"), SHARDNS_FIELD(EdgeTotals, by_override, "byOverride"),
    SHARDNS_FIELD(EdgeTotals, by_list, "byList"),
};
static_assert(NamesAll<EdgeTotals>(kEdgeStats));

constexpr Field kAskerStats[] = {
    SHARDNS_FIELD(AskerTotals, asker.sent, "sent"),
    SHARDNS_FIELD(AskerTotals, asker.received, "received"),
    SHARDNS_FIELD(AskerTotals, asker.unknown_id, "unknownId"),
    SHARDNS_FIELD(AskerTotals, asker.wrong_question, "wrongQuestion"),
    SHARDNS_FIELD(AskerTotals, asker.sockets_opened, "socketsOpened"),
    SHARDNS_FIELD(AskerTotals, asker.send_calls, "sendCalls"),
    SHARDNS_FIELD(AskerTotals, asker.receive_calls, "receiveCalls"),
    SHARDNS_FIELD(AskerTotals, sockets, "sockets"),
    SHARDNS_FIELD(AskerTotals, under_way, "underWay"),
};
static_assert(NamesAll<AskerTotals>(kAskerStats));
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
#undef SHARDNS_PLACE

napi_value Text(napi_env env, const std::string& text) {
  napi_value value;
  napi_create_string_utf8(env, text.c_str(), text.size(), &value);
  return value;
}

napi_value List(napi_env env, std::span<const char* const> names) {
  napi_value list;
  napi_create_array(env, &list);
  uint32_t at = 0;
  for (const char* name : names) napi_set_element(env, list, at++, Text(env, name));
  return list;
}

// Arrays with the number of their words: "durations[24]".
napi_value List(napi_env env, std::span<const Field> fields) {
  napi_value list;
  napi_create_array(env, &list);
  uint32_t at = 0;
  for (const Field& field : fields) {
    const size_t words = field.octets / sizeof(uint64_t);
    const std::string name = field.name;
    napi_set_element(env, list, at++, Text(env, words == 1 ? name : name + "[" + std::to_string(words) + "]"));
  }
  return list;
}

napi_value List(napi_env env, std::span<const Value> values) {
  napi_value object;
  napi_create_object(env, &object);
  for (const Value& one : values) {
    napi_value value;
    napi_create_int64(env, one.value, &value);
    napi_set_named_property(env, object, one.name, value);
  }
  return object;
}

}  // namespace

napi_value Names(napi_env env) {
  napi_value names;
  napi_create_object(env, &names);
  const auto add = [&](const char* name, const auto& list) {
    napi_set_named_property(env, names, name, List(env, std::span(list)));
  };
  add("tunables", kTunables);
  add("control", kControl);
  add("byteControl", kByteControl);
  add("byteTunables", kByteTunables);
  add("queryWords", kQueryWords);
  add("listSource", kListSource);
  add("listMatch", kListMatch);
  add("http2Words", kHttp2Words);
  add("http2Event", kHttp2Event);
  add("http2Kind", kHttp2Kinds);
  add("cacheStats", kCacheStats);
  add("planeStats", kPlaneStats);
  add("askerStats", kAskerStats);
  add("edgeStats", kEdgeStats);
  add("edgeAction", kEdgeActionNames);
  add("cookieState", kCookieStateNames);
  add("rateKind", kRateKindNames);
  add("rateAction", kRateActionNames);
  add("answerResult", kAnswerResults);
  add("controlFlag", kControlFlags);
  add("silence", kSilences);
  add("variantFlag", kVariantFlags);
  add("forgetKind", kForgetKinds);
  add("byteForget", kByteForgetKinds);
  add("getFlag", kGetFlags);
  add("got", kGot);
  add("status", kStatus);
  add("queryVerdict", kQueryVerdicts);
  add("policy", kPolicies);
  add("flightKind", kFlightKinds);
  add("listFormat", kListFormats);
  add("nameKind", kNameKinds);
  add("listAction", kListActions);
  add("listFull", kListFull);
  add("askCommand", kAskCommands);
  add("askFlag", kAskFlags);
  add("askEvent", kAskEvents);
  add("forwardResult", kForwarded);
  add("askFailure", kAskFailures);
  add("limits", kLimits);
  add("flightRecord", kFlightRecord);
  add("askRecord", kAskRecord);
  add("eventRecord", kEventRecord);
  return names;
}

}  // namespace shardns::addon
