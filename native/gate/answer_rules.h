// What lists say of an answer: of the names that its aliases lead to, and of the addresses in it, those of hints of
// HTTPS and SVCB records too (RFC 9460 section 7.3). It is asked of each reply before it is sent, from the cache or
// not: so what is cached is judged by the lists as they are now, and by those of this client.
//
// Which rule (draft-vixie-dnsop-dns-rpz section 5): that of the earliest name of the chain; for one name the lowest
// tier; in a tier the name before addresses; of addresses the longest prefix, then the smallest.
//
// Bound: one pass over the answer section, at most kMaxRecords records. Never allocates.
#pragma once
#include "gate/list_rules.h"

namespace shardns::gate {

struct AnswerRules {
  const Lists* lists = nullptr;  // null: there are none
  const Lists* overrides = nullptr;
  uint64_t set = 0;  // the client's lists, as bits
  // The rule for the question, where one of its answer may come before it; and whether it is one of the overrides,
  // which nothing comes before.
  std::optional<NameMatch> question = {};
  bool question_by_override = false;
};

struct AnswerMatch {
  NameMatch match;
  bool by_override = false;
  // What of the answer leads to what the rule is about, and stays: octets up to here, so many records, and the name
  // that it is about.
  size_t end;
  uint16_t records = 0;
  size_t owner = wire::kHeaderSize;
};

class AnswerSearch {
 public:
  AnswerSearch(const AnswerRules& rules, Bytes reply, size_t question_end)
      : rules_(rules), reply_(reply), at_{.match = {}, .by_override = false, .end = question_end} {}
  std::optional<AnswerMatch> Find();

 private:
  // False: nothing of what follows comes before what was found.
  bool Alias(size_t target, size_t record_end, uint16_t records);
  void Service(size_t rdata, size_t end);
  void Name(size_t name);
  void Address(Bytes address);
  void Take(const NameMatch& match, bool by_override);

  const AnswerRules& rules_;
  const Bytes reply_;
  AnswerMatch at_;  // the name that is looked at
  std::optional<AnswerMatch> best_;
  Bytes best_address_ = {};  // empty: it is about a name
};

}  // namespace shardns::gate
