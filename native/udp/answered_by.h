// How a query was answered, for those who watch.
#pragma once
#include <cstdint>

namespace shardns::udp {

// From the cache; from it past its time; a failure that it remembers; by a zone, local data or a hook of ours; by the
// second level, an upstream, recursion; in the way of a list; not let in, or over a rate; not as a query has to be;
// with a failure. Values cross into TypeScript.
enum class AnsweredBy : uint8_t {
  kHit,
  kStale,
  kFailure,
  kZone,
  kLocal,
  kHook,
  kSecondLevel,
  kUpstream,
  kRecursion,
  kBlocked,
  kRefused,
  kInvalid,
  kFailed,
};

}  // namespace shardns::udp
