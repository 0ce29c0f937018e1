// All that is decided of a query before anything is looked up, in the order in which it costs and protects: whether the
// client may ask (gate.h, in one look with its classes), its cookie, its rate, and what lists say of the name. The same
// for every way in.
//
// Immutable, published whole; the counters of rates are another object, which stays. A judgement allocates nothing,
// takes no lock and makes no system call. Times are arguments.
#pragma once
#include "base/counters.h"
#include "gate/cookie.h"
#include "gate/gate.h"
#include "gate/list_rules.h"
#include "gate/rate_table.h"

namespace shardns::gate {

struct EdgeRules {
  std::vector<RateClass> classes;        // none: nobody is limited
  std::vector<uint8_t> proven;           // of each class, the one of clients who have proven their address
  std::shared_ptr<RateTable> rates;      // where there are classes
  std::optional<ServerCookies> cookies;  // none: the option is not looked at
  bool require_cookie = false;           // over UDP, of everybody (RFC 7873 section 5.2.3, "under attack")
  std::shared_ptr<const Lists> lists;    // null: there are none
  std::vector<uint64_t> list_sets;       // of each set the lists; a set that is not there has none
};

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

struct EdgeVerdict {
  EdgeAction action = EdgeAction::kAllow;
  CookieState cookie = CookieState::kNone;
  bool over_limit = false;  // also where a dry run lets it pass
  std::optional<NameMatch> match = {};
};

struct EdgeQuery {
  Bytes address;     // 4 or 16 octets
  Bytes name;        // in wire form, letters of any case
  bool tcp = false;  // or TLS, or HTTPS: the address is proven, nothing can be truncated
  bool has_cookie = false;
  Bytes cookie = {};    // the content of the first COOKIE option
  uint64_t now_us = 0;  // of a monotonic clock
  uint32_t wall_s = 0;  // of the wall clock
};

// What one thread has judged; it alone adds to it.
struct EdgeCounts {
  Counter actions[kEdgeActions];
  Counter over_limit;
  Counter by_list[kMaxLists];  // rules that decided, of each list, allowing ones too
  uint32_t turn = 0;           // for slip
};

class Edge {
 public:
  explicit Edge(EdgeRules rules);

  // Of a client that may ask, as the gate judges it.
  EdgeVerdict Judge(const Judgement& client, const EdgeQuery& query, EdgeCounts* counts) const;
  // Once it is known what an allowed query comes to. kBadCookie, kFormErr and kBlocked are no outcomes of it.
  EdgeAction JudgeOutcome(const Judgement& client, const EdgeQuery& query, const EdgeVerdict& verdict, RateKind kind,
                          EdgeCounts* counts) const;

  const ServerCookies* cookies() const { return rules_.cookies ? &*rules_.cookies : nullptr; }
  const Lists* lists() const { return rules_.lists.get(); }
  size_t memory_bytes() const;

 private:
  RateResult Rate(const Judgement& client, const EdgeQuery& query, CookieState cookie, RateKind kind,
                  EdgeCounts* counts) const;
  EdgeVerdict Decide(const Judgement& client, const EdgeQuery& query, EdgeCounts* counts) const;
  void AskLists(const Judgement& client, const EdgeQuery& query, EdgeVerdict* verdict) const;

  const EdgeRules rules_;
  const RateClasses classes_;
};

}  // namespace shardns::gate
