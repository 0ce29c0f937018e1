// What the edge decides of a query, and how often it has: one set of counters a thread that judges, which alone adds to
// them.
#pragma once
#include "base/counters.h"
#include "gate/cookie.h"
#include "gate/name_list.h"

namespace shardns::gate {

enum class EdgeAction : uint8_t {
  kAllow,  // also by a rule that says so: `match` is set
  kDrop,
  kRefuse,     // REFUSED
  kTruncate,   // TC, no answer: over UDP only
  kFormErr,    // a cookie of a length that there is not
  kBadCookie,  // BADCOOKIE with a fresh cookie, no answer
  kBlocked,    // what `match` says: NXDOMAIN, NODATA, 0.0.0.0, REFUSED or records
};
inline constexpr size_t kEdgeActions = 7;
inline constexpr size_t kCookieStates = 6;

struct EdgeCounts {
  Counter actions[kEdgeActions];
  Counter over_limit;
  Counter cookies[kCookieStates];  // queries, where cookies are on
  Counter by_list[kMaxLists];      // rules that decided, of each list, allowing ones too
  Counter by_override;             // those that the operator set beside the lists
  uint32_t turn = 0;               // for slip
};

}  // namespace shardns::gate
