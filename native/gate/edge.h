// All that is decided of a query before anything is looked up, in the order in which it costs and protects: whether the
// client may ask (gate.h, in one look with its classes), its cookie, its rate, and what lists say of the name. The same
// for every way in.
//
// Immutable, published whole; the counters of rates are another object, which stays. A judgement allocates nothing,
// takes no lock and makes no system call. Times are arguments.
#pragma once
#include "gate/answer_rules.h"
#include "gate/edge_counts.h"
#include "gate/gate.h"
#include "gate/list_rules.h"
#include "gate/rate_table.h"

namespace shardns::gate {

// How those who ask for a blocked name are told.
struct BlockedSays {
  uint32_t ttl_seconds = 10;
  // Of each list: its extended error (RFC 8914), and its name where those who are blocked may know it.
  std::vector<uint16_t> errors = {};
  std::vector<std::string> names = {};
  // What a policy's `data` stands for, one behind the other, each as wire::AreBlockedRecords has it; and their ends.
  std::vector<uint8_t> records = {};
  std::vector<uint32_t> record_ends = {};
  // Of each, where it is an alias, the tag (with kAliasTag) under which what it leads to is answered; 0: it is none.
  std::vector<uint32_t> alias_tags = {};

  Bytes RecordsOf(uint32_t data) const {
    if (data >= record_ends.size()) return {};
    const uint32_t begin = data == 0 ? 0 : record_ends[data - 1];
    return Bytes(records).subspan(begin, record_ends[data] - begin);
  }
  // 0 where the match says no alias.
  uint32_t AliasOf(const NameMatch& match) const {
    const bool is_data = match.policy.action == ListAction::kData && match.policy.data < alias_tags.size();
    return is_data ? alias_tags[match.policy.data] : 0;
  }
};

// Answers behind an alias that a list has put in place of a name are kept under a tag of their own: the alias's,
// whether it stands in the place of a name that the question's leads to (behind), and that of the client's view, whose
// answers they are made of.
//  31  30      17   16      15    0
//  | 1 | alias     | behind | view |
inline constexpr uint32_t kAliasTag = 1u << 31;
inline constexpr uint32_t kBehindBit = 1u << 16;
constexpr bool IsAliasTag(uint32_t tag) { return tag >= kAliasTag && tag != kUnknownTag; }

struct EdgeRules {
  std::vector<RateClass> classes;        // none: nobody is limited
  std::vector<uint8_t> proven;           // of each class, the one of clients who have proven their address
  std::shared_ptr<RateTable> rates;      // where there are classes
  std::optional<ServerCookies> cookies;  // none: the option is not looked at
  bool require_cookie = false;           // over UDP, of everybody (RFC 7873 section 5.2.3, "under attack")
  std::shared_ptr<const Lists> lists;    // null: there are none
  // Asked before the lists, and of everybody: what the operator blocks or allows beside them. Null: nothing.
  std::shared_ptr<const Lists> overrides;
  std::vector<uint64_t> list_sets;  // of each set the lists; a set that is not there has none
  TranslationPrefix translation;    // of addresses that are made of IPv4 ones here (DNS64)
  BlockedSays blocked;
  std::vector<uint8_t> nsid;  // the server's name, for those who ask for it (RFC 5001); at most wire::kMaxNsid octets
};

struct EdgeVerdict {
  EdgeAction action = EdgeAction::kAllow;
  CookieState cookie = CookieState::kNone;
  bool over_limit = false;  // also where a dry run lets it pass
  std::optional<NameMatch> match = {};
  bool by_override = false;  // `match` is of the overrides
  // `match` decides once the answer is known, unless one about that comes before it.
  bool pending = false;
};

struct EdgeQuery {
  Bytes address;     // 4 or 16 octets
  Bytes name;        // in wire form, letters of any case; empty: there is none that lists could have
  bool tcp = false;  // or TLS, or HTTPS: the address is proven, nothing can be truncated
  bool has_cookie = false;
  Bytes cookie = {};    // the content of the first COOKIE option
  uint64_t now_us = 0;  // of a monotonic clock
  uint32_t wall_s = 0;  // of the wall clock
};

class Edge {
 public:
  explicit Edge(EdgeRules rules);

  // Before Judge, of all queries of a batch; `name` as in EdgeQuery.
  void Prefetch(const Judgement& client, Bytes address, Bytes name) const {
    if (client.rate_class < rules_.classes.size()) {
      rules_.rates->Prefetch(classes_, ClientAddress::Of(address), client.rate_class);
    }
    if (rules_.lists != nullptr && !name.empty()) rules_.lists->Prefetch(name);
  }
  // Of a client that may ask, as the gate judges it.
  EdgeVerdict Judge(const Judgement& client, const EdgeQuery& query, EdgeCounts* counts) const;
  // Once it is known what an allowed query comes to. kBadCookie, kFormErr and kBlocked are no outcomes of it.
  EdgeAction JudgeOutcome(const Judgement& client, const EdgeQuery& query, const EdgeVerdict& verdict, RateKind kind,
                          EdgeCounts* counts) const;

  // Whether a client that may not ask is told so: a refusal is limited as everything else is.
  bool MayRefuse(const Judgement& client, const EdgeQuery& query, EdgeCounts* counts) const;
  // Of a query that was judged before, the state of its cookie once more.
  CookieState CookieOf(const EdgeQuery& query) const {
    return rules_.cookies && query.has_cookie ? rules_.cookies->Check(query.cookie, query.address, query.wall_s)
                                              : CookieState::kNone;
  }
  // What lists say of a question, again or for the first time, and nothing else: it was judged before.
  void AskLists(const Judgement& client, const EdgeQuery& query, EdgeVerdict* verdict) const;
  // Whether anything is to be found in answers.
  bool JudgesAnswers() const { return rules_.lists != nullptr || rules_.overrides != nullptr; }
  // The same of those that have no records.
  bool JudgesServers() const { return rules_.lists != nullptr && rules_.lists->JudgesServers(); }
  // Whether there is nothing in a reply that a rule could be about, as in most: the question's name has the records
  // itself. An alias would be the first.
  bool IsPlain(uint16_t type, Bytes reply, size_t question_end) const {
    constexpr uint16_t kQuestionsName = 0xC00C;
    if (reply.size() < question_end + 4 || Load16(reply.data() + question_end) != kQuestionsName) return false;
    if (Load16(reply.data() + question_end + 2) != type) return false;
    switch (type) {
      case wire::type::kA:
      case wire::type::kAaaa:
        return rules_.lists == nullptr || !(rules_.lists->Has(Trigger::kAnswerAddress) || JudgesServers());
      default:
        return false;
    }
  }
  // What they say of the answer to it, which is a whole reply in `reply`; nullopt: nothing.
  std::optional<AnswerMatch> JudgeAnswer(const Judgement& client, const EdgeVerdict& verdict, Bytes reply,
                                         size_t question_end) const;
  // The tag of kAliasTag under which a question is answered for which there is that rule; 0: the rule is no alias, or
  // it is told and not followed, as for clients whose tag has no room in it.
  uint32_t AliasOf(const Judgement& client, const NameMatch& match, bool by_override) const {
    const uint32_t alias = by_override ? 0 : rules_.blocked.AliasOf(match);
    return alias == 0 || client.tag > kMaxRuleTag ? 0 : alias | client.tag;
  }
  // The same of a rule for an answer: what leads to the name that it is about stays.
  uint32_t AliasOf(const Judgement& client, const AnswerMatch& found) const {
    const uint32_t tag = AliasOf(client, found.match, found.by_override);
    return tag == 0 || found.records == 0 ? tag : tag | kBehindBit;
  }

  // What the reply's option has, of kFullCookieSize octets. False: it has none.
  bool MakeCookie(const EdgeQuery& query, CookieState state, uint8_t* out) const;

  Bytes nsid() const { return rules_.nsid; }
  bool limits() const { return !rules_.classes.empty(); }
  const BlockedSays& blocked() const { return rules_.blocked; }
  const ServerCookies* cookies() const { return rules_.cookies ? &*rules_.cookies : nullptr; }
  const Lists* lists() const { return rules_.lists.get(); }
  size_t memory_bytes() const;

 private:
  RateResult Rate(const Judgement& client, const EdgeQuery& query, CookieState cookie, RateKind kind,
                  EdgeCounts* counts) const;
  EdgeVerdict Decide(const Judgement& client, const EdgeQuery& query, EdgeCounts* counts) const;
  uint64_t ListsOf(const Judgement& client) const {
    return client.list_set < rules_.list_sets.size() ? rules_.list_sets[client.list_set] : 0;
  }

  const EdgeRules rules_;
  const RateClasses classes_;
};

}  // namespace shardns::gate
