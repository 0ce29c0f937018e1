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
inline constexpr int32_t kContract = 17;

// Set in the result of drain() and receive() when there is more.
inline constexpr uint32_t kMoreWait = 1u << 30;

// An enum with the text of its names, from which Names tells JavaScript: kUdpSize is "udpSize" there. Of words of an
// array, in their order; and of values.
#define SHARDNS_WORDS(space, ...)                       \
  namespace space {                                     \
  enum Word : size_t { __VA_ARGS__, kWords };           \
  inline constexpr const char* kSpelled = #__VA_ARGS__; \
  }
#define SHARDNS_VALUES(space, Type, Base, ...)          \
  namespace space {                                     \
  enum Type : Base { __VA_ARGS__ };                     \
  inline constexpr const char* kSpelled = #__VA_ARGS__; \
  }

// configure() of a cache. Shares are of 256, by popularity.
SHARDNS_WORDS(tunable, kMinTtlSeconds, kMaxTtlSeconds, kNegativeMinTtlSeconds, kNegativeMaxTtlSeconds,
              kTtlJitterPercent, kStaleWindowSeconds, kStaleTtlSeconds, kPrefetchShare0, kPrefetchShare1,
              kPrefetchShare2, kPrefetchShare3, kEarlyRefreshBetaTicks, kUdpSize, kRotate, kClientSubnet, kOriginalTtl,
              kAuthority)

// The control array of a cache: what goes in and what comes out beside a result.
SHARDNS_WORDS(control, kFlags, kTenant, kRefresh, kAnsweredBy, kRemainingTicks, kPopularity, kNextBucket, kBuckets,
              kQueryLength, kType, kAgeTicks, kClientOctets, kClient0, kClient1, kClient2, kClient3, kSilence)

// The same of a byte cache.
SHARDNS_WORDS(byte_control, kKind, kStale, kRefresh, kPopularity, kLength, kNextBucket, kBuckets)

// configure() of a byte cache. Shares are of 256, by popularity.
SHARDNS_WORDS(byte_tunable, kStaleWindowMs, kRefreshShare0, kRefreshShare1, kRefreshShare2, kRefreshShare3,
              kEarlyRefreshBetaMs)

// parseQuery(): the subnet's address takes four, its first octet uppermost.
SHARDNS_WORDS(query_word, kFlags, kType, kDnsClass, kQuestionEnd, kHasEdns, kDnssecOk, kEdnsVersion, kUdpSize,
              kSubnetFamily, kSubnetPrefix, kSubnetAddress0, kSubnetAddress1, kSubnetAddress2, kSubnetAddress3)

// What a client over HTTP/2 has come to: requests that were told of, whether it is over, and by a fault; octets of
// queries, and of replies that are not taken; requests that are not whole, and when the oldest began.
SHARDNS_WORDS(http2_word, kEvents, kOver, kFaulty, kHeld, kUnsent, kPartial, kOldestMs)
// One of these requests: its kind, and by it the query's type, or the status.
SHARDNS_WORDS(http2_event, kKind, kStream, kValue, kTenant)
// A source of a name list. Instead: the action data where its rules are kept as they are.
SHARDNS_WORDS(list_source, kFormat, kList, kTierImportantAllow, kTierImportantBlock, kTierAllow, kTierBlock, kBlock,
              kAllows, kPlain, kWildcard, kInstead)

// A rule that a name list has found.
SHARDNS_WORDS(list_match, kList, kTier, kAction, kData, kLine, kLabels)

// Results of answer() other than the reply's length. kDropped: no reply is due.
SHARDNS_VALUES(answer_result, Result, int32_t, kDropped = 0, kMiss = -1, kMissWithStale = -2, kForAuthority = -3)

// Kinds of http2_event. Answered; the same, and its entry is to be refreshed; not in the cache; no reply is due;
// refused without being asked; not looked up, since a proxy asks for somebody else.
SHARDNS_VALUES(http2_kind, Kind, uint32_t, kAnswered = 0, kRefresh = 1, kMissed = 2, kDropped = 3, kRefused = 4,
               kProxied = 5)

// Bits of control::kFlags. kCountReply: the question was counted before, only the reply counts; kCountNothing: nor
// does the reply. kResolves: misses are resolved, ANY too. kClient: for a client at the address of kClientOctets octets
// from kClient0 on, as the gate of judgeBy() judges it; kTenant is its tag afterwards, and kUnknownTag for one that may
// not ask. kOtherTag, with kCountReply: it is asked again under a tag of a list's alias, and judged as it was at first.
// kAuthority: what is for an authority comes to kForAuthority.
SHARDNS_VALUES(control_flag, Bit, uint32_t, kUdp = 1, kAllowStale = 2, kCountReply = 4, kCountNothing = 8,
               kResolves = 16, kClient = 32, kOtherTag = 64, kAuthority = 128)

// control::kSilence, after a reply of no octets to a client: what it has sent is no query, it is over a rate, or a list
// says so.
SHARDNS_VALUES(silence, Value, uint32_t, kNoQuery = 0, kLimited = 1, kBlocked = 2)

// Bits that tell variants of an entry apart. From kAuthoritative on they are no part of the key: the answer is our own;
// it was asked for with neither AD nor DO; it is made of the entry that was peeked at, and control::kRemainingTicks and
// kAgeTicks say how long it may live; it is a zone's own.
SHARDNS_VALUES(variant_flag, Bit, uint32_t, kDnssecOk = 1, kCheckingDisabled = 2, kAuthoritative = 4, kAdUnknown = 8,
               kInherited = 16, kOfZone = 32)

// forget() of a cache.
SHARDNS_VALUES(forget_kind, Value, uint32_t, kAll = 0, kName = 1, kSuffix = 2, kTenant = 3)

// forget() of a byte cache.
SHARDNS_VALUES(byte_forget, Value, uint32_t, kAll = 0, kNamespace = 1, kTag = 2)

// Flags of a byte cache's get(); from kKindShift on stands the kind that the value must have.
SHARDNS_VALUES(get_flag, Bit, uint32_t, kAllowStale = 1, kUncounted = 2)
namespace get_flag {
inline constexpr int kKindShift = 8;
}  // namespace get_flag
namespace answer_result {
// Of finish(), where the client is to get no reply; 0 is a response that is unusable.
inline constexpr int32_t kNotDue = -1;
}  // namespace answer_result

// Results of a byte cache's get() other than the value's length. kFailure: the value is a noted failure.
SHARDNS_VALUES(got, Result, int32_t, kMiss = -1, kFailure = -2, kTooLong = -3, kKeyTooLong = -4)

#undef SHARDNS_VALUES
#undef SHARDNS_WORDS

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
