// What stands at which place of the words that cross into JavaScript: each list once, as the enum that reads and writes
// them here. The module exports the names in order (Names), and lib/native/contract.ts refuses an addon whose lists
// are not its own. The fields of structs that cross whole are named, and pinned to their places, in contract.cc.
#pragma once
#include <node_api.h>

#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace shardns::addon {

// Raised with every change that the lists of names do not show: a method, an argument, a unit.
inline constexpr int32_t kContract = 13;

// Set in the result of drain() and receive() when there is more.
inline constexpr uint32_t kMoreWait = 1u << 30;

#define SHARDNS_WORD(constant, name) k##constant,

// configure() of a cache. Shares are of 256, by popularity.
#define SHARDNS_TUNABLES(WORD)                       \
  WORD(MinTtlSeconds, minTtlSeconds)                 \
  WORD(MaxTtlSeconds, maxTtlSeconds)                 \
  WORD(NegativeMinTtlSeconds, negativeMinTtlSeconds) \
  WORD(NegativeMaxTtlSeconds, negativeMaxTtlSeconds) \
  WORD(TtlJitterPercent, ttlJitterPercent)           \
  WORD(StaleWindowSeconds, staleWindowSeconds)       \
  WORD(StaleTtlSeconds, staleTtlSeconds)             \
  WORD(PrefetchShare0, prefetchShare0)               \
  WORD(PrefetchShare1, prefetchShare1)               \
  WORD(PrefetchShare2, prefetchShare2)               \
  WORD(PrefetchShare3, prefetchShare3)               \
  WORD(EarlyRefreshBetaTicks, earlyRefreshBetaTicks) \
  WORD(UdpSize, udpSize)                             \
  WORD(Rotate, rotate)                               \
  WORD(ClientSubnet, clientSubnet)                   \
  WORD(OriginalTtl, originalTtl)                     \
  WORD(Authority, authority)
namespace tunable {
enum Word : size_t { SHARDNS_TUNABLES(SHARDNS_WORD) kWords };
}

// The control array of a cache: what goes in and what comes out beside a result.
#define SHARDNS_CONTROL(WORD)          \
  WORD(Flags, flags)                   \
  WORD(Tenant, tenant)                 \
  WORD(Refresh, refresh)               \
  WORD(Outcome, outcome)               \
  WORD(RemainingTicks, remainingTicks) \
  WORD(Popularity, popularity)         \
  WORD(NextBucket, nextBucket)         \
  WORD(Buckets, buckets)               \
  WORD(QueryLength, queryLength)       \
  WORD(Type, type)                     \
  WORD(AgeTicks, ageTicks)             \
  WORD(ClientOctets, clientOctets)     \
  WORD(Client0, client0)               \
  WORD(Client1, client1)               \
  WORD(Client2, client2)               \
  WORD(Client3, client3)               \
  WORD(Silence, silence)
namespace control {
enum Word : size_t { SHARDNS_CONTROL(SHARDNS_WORD) kWords };
}

// The same of a byte cache.
#define SHARDNS_BYTE_CONTROL(WORD) \
  WORD(Kind, kind)                 \
  WORD(Stale, stale)               \
  WORD(Refresh, refresh)           \
  WORD(Popularity, popularity)     \
  WORD(Length, length)             \
  WORD(NextBucket, nextBucket)     \
  WORD(Buckets, buckets)
namespace byte_control {
enum Word : size_t { SHARDNS_BYTE_CONTROL(SHARDNS_WORD) kWords };
}

// configure() of a byte cache. Shares are of 256, by popularity.
#define SHARDNS_BYTE_TUNABLES(WORD)  \
  WORD(StaleWindowMs, staleWindowMs) \
  WORD(RefreshShare0, refreshShare0) \
  WORD(RefreshShare1, refreshShare1) \
  WORD(RefreshShare2, refreshShare2) \
  WORD(RefreshShare3, refreshShare3) \
  WORD(EarlyRefreshBetaMs, earlyRefreshBetaMs)
namespace byte_tunable {
enum Word : size_t { SHARDNS_BYTE_TUNABLES(SHARDNS_WORD) kWords };
}

// parseQuery(): the subnet's address takes four, its first octet uppermost.
#define SHARDNS_QUERY_WORDS(WORD)      \
  WORD(Flags, flags)                   \
  WORD(Type, type)                     \
  WORD(DnsClass, dnsClass)             \
  WORD(QuestionEnd, questionEnd)       \
  WORD(HasEdns, hasEdns)               \
  WORD(DnssecOk, dnssecOk)             \
  WORD(EdnsVersion, ednsVersion)       \
  WORD(UdpSize, udpSize)               \
  WORD(SubnetFamily, subnetFamily)     \
  WORD(SubnetPrefix, subnetPrefix)     \
  WORD(SubnetAddress0, subnetAddress0) \
  WORD(SubnetAddress1, subnetAddress1) \
  WORD(SubnetAddress2, subnetAddress2) \
  WORD(SubnetAddress3, subnetAddress3)
namespace query_word {
enum Word : size_t { SHARDNS_QUERY_WORDS(SHARDNS_WORD) kWords };
}

// What a client over HTTP/2 has come to: requests that were told of, whether it is over, and by a fault; octets of
// queries, and of replies that are not taken; requests that are not whole, and when the oldest began.
#define SHARDNS_HTTP2_WORDS(WORD) \
  WORD(Events, events)            \
  WORD(Over, over)                \
  WORD(Faulty, faulty)            \
  WORD(Held, held)                \
  WORD(Unsent, unsent)            \
  WORD(Partial, partial)          \
  WORD(OldestMs, oldestMs)
namespace http2_word {
enum Word : size_t { SHARDNS_HTTP2_WORDS(SHARDNS_WORD) kWords };
}
// One of these requests: its kind, and by it the query's type, or the status.
#define SHARDNS_HTTP2_EVENT(WORD) \
  WORD(Kind, kind)                \
  WORD(Stream, stream)            \
  WORD(Value, value)              \
  WORD(Tenant, tenant)
namespace http2_event {
enum Word : size_t { SHARDNS_HTTP2_EVENT(SHARDNS_WORD) kWords };
}
// A source of a name list. Instead: the action data where its rules are kept as they are.
#define SHARDNS_LIST_SOURCE(WORD)              \
  WORD(Format, format)                         \
  WORD(List, list)                             \
  WORD(TierImportantAllow, tierImportantAllow) \
  WORD(TierImportantBlock, tierImportantBlock) \
  WORD(TierAllow, tierAllow)                   \
  WORD(TierBlock, tierBlock)                   \
  WORD(Block, block)                           \
  WORD(Allows, allows)                         \
  WORD(Plain, plain)                           \
  WORD(Wildcard, wildcard)                     \
  WORD(Instead, instead)
namespace list_source {
enum Word : size_t { SHARDNS_LIST_SOURCE(SHARDNS_WORD) kWords };
}

// A rule that a name list has found.
#define SHARDNS_LIST_MATCH(WORD) \
  WORD(List, list)               \
  WORD(Tier, tier)               \
  WORD(Action, action)           \
  WORD(Data, data)               \
  WORD(Line, line)               \
  WORD(Labels, labels)
namespace list_match {
enum Word : size_t { SHARDNS_LIST_MATCH(SHARDNS_WORD) kWords };
}

#undef SHARDNS_WORD
#define SHARDNS_VALUE(constant, name, value) k##constant = value,

// Results of answer() other than the reply's length. kDropped: no reply is due.
#define SHARDNS_ANSWER_RESULTS(VALUE)     \
  VALUE(Dropped, dropped, 0)              \
  VALUE(Miss, miss, -1)                   \
  VALUE(MissWithStale, missWithStale, -2) \
  VALUE(ForAuthority, forAuthority, -3)
namespace answer_result {
enum Result : int32_t { SHARDNS_ANSWER_RESULTS(SHARDNS_VALUE) };
}

// Kinds of http2_event. Answered; the same, and its entry is to be refreshed; not in the cache; no reply is due;
// refused without being asked; not looked up, since a proxy asks for somebody else.
#define SHARDNS_HTTP2_KINDS(VALUE) \
  VALUE(Answered, answered, 0)     \
  VALUE(Refresh, refresh, 1)       \
  VALUE(Missed, missed, 2)         \
  VALUE(Dropped, dropped, 3)       \
  VALUE(Refused, refused, 4)       \
  VALUE(Proxied, proxied, 5)
namespace http2_kind {
enum Kind : uint32_t { SHARDNS_HTTP2_KINDS(SHARDNS_VALUE) };
}

// Bits of control::kFlags. kCountReply: the question was counted before, only the reply counts; kCountNothing: nor
// does the reply. kResolves: misses are resolved, ANY too. kClient: for a client at the address of kClientOctets octets
// from kClient0 on, as the gate of judgeBy() judges it; kTenant is its tag afterwards, and kUnknownTag for one that may
// not ask. kOtherTag, with kCountReply: it is asked again under a tag of a list's alias, and judged as it was at first.
// kAuthority: what is for an authority comes to kForAuthority.
#define SHARDNS_CONTROL_FLAGS(VALUE)   \
  VALUE(Udp, udp, 1)                   \
  VALUE(AllowStale, allowStale, 2)     \
  VALUE(CountReply, countReply, 4)     \
  VALUE(CountNothing, countNothing, 8) \
  VALUE(Resolves, resolves, 16)        \
  VALUE(Client, client, 32)            \
  VALUE(OtherTag, otherTag, 64)        \
  VALUE(Authority, authority, 128)
namespace control_flag {
enum Bit : uint32_t { SHARDNS_CONTROL_FLAGS(SHARDNS_VALUE) };
}

// control::kSilence, after a reply of no octets to a client: what it has sent is no query, it is over a rate, or a list
// says so.
#define SHARDNS_SILENCES(VALUE) \
  VALUE(NoQuery, noQuery, 0)    \
  VALUE(Limited, limited, 1)    \
  VALUE(Blocked, blocked, 2)
namespace silence {
enum Value : uint32_t { SHARDNS_SILENCES(SHARDNS_VALUE) };
}

// Bits that tell variants of an entry apart. From kAuthoritative on they are no part of the key: the answer is our own;
// it was asked for with neither AD nor DO; it is made of the entry that was peeked at, and control::kRemainingTicks and
// kAgeTicks say how long it may live; it is a zone's own.
#define SHARDNS_VARIANT_FLAGS(VALUE)           \
  VALUE(DnssecOk, dnssecOk, 1)                 \
  VALUE(CheckingDisabled, checkingDisabled, 2) \
  VALUE(Authoritative, authoritative, 4)       \
  VALUE(AdUnknown, adUnknown, 8)               \
  VALUE(Inherited, inherited, 16)              \
  VALUE(OfZone, ofZone, 32)
namespace variant_flag {
enum Bit : uint32_t { SHARDNS_VARIANT_FLAGS(SHARDNS_VALUE) };
}

// forget() of a cache.
#define SHARDNS_FORGET_KINDS(VALUE) \
  VALUE(All, all, 0)                \
  VALUE(Name, name, 1)              \
  VALUE(Suffix, suffix, 2)          \
  VALUE(Tenant, tenant, 3)
namespace forget_kind {
enum Value : uint32_t { SHARDNS_FORGET_KINDS(SHARDNS_VALUE) };
}

// forget() of a byte cache.
#define SHARDNS_BYTE_FORGET_KINDS(VALUE) \
  VALUE(All, all, 0)                     \
  VALUE(Namespace, namespace, 1)         \
  VALUE(Tag, tag, 2)
namespace byte_forget {
enum Value : uint32_t { SHARDNS_BYTE_FORGET_KINDS(SHARDNS_VALUE) };
}

// Flags of a byte cache's get(); from kKindShift on stands the kind that the value must have.
#define SHARDNS_GET_FLAGS(VALUE)   \
  VALUE(AllowStale, allowStale, 1) \
  VALUE(Uncounted, uncounted, 2)
namespace get_flag {
enum Bit : uint32_t { SHARDNS_GET_FLAGS(SHARDNS_VALUE) };
inline constexpr int kKindShift = 8;
}  // namespace get_flag
namespace answer_result {
// Of finish(), where the client is to get no reply; 0 is a response that is unusable.
inline constexpr int32_t kNotDue = -1;
}  // namespace answer_result

// Results of a byte cache's get() other than the value's length. kFailure: the value is a noted failure.
#define SHARDNS_GOT(VALUE)    \
  VALUE(Miss, miss, -1)       \
  VALUE(Failure, failure, -2) \
  VALUE(TooLong, tooLong, -3) \
  VALUE(KeyTooLong, keyTooLong, -4)
namespace got {
enum Result : int32_t { SHARDNS_GOT(SHARDNS_VALUE) };
}

#undef SHARDNS_VALUE

// {tunables: [name...], controlFlag: {name: value...}, ...}
napi_value Names(napi_env env);

// Statistics of words of 8 octets, as JavaScript numbers; `out` has room for them.
template <typename Stats>
inline constexpr size_t kStatsWords = sizeof(Stats) / sizeof(uint64_t);
template <typename Stats>
void WriteStats(const Stats& stats, MutableBytes out) {
  uint64_t words[kStatsWords<Stats>];
  static_assert(sizeof words == sizeof stats);
  std::memcpy(words, &stats, sizeof words);
  for (size_t i = 0; i < kStatsWords<Stats>; ++i) {
    const double value = static_cast<double>(words[i]);
    std::memcpy(out.data() + i * sizeof value, &value, sizeof value);
  }
}

}  // namespace shardns::addon
