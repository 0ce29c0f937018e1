// What lists say of an answer: of the names that its aliases lead to, of the addresses in it, those of hints of HTTPS
// and SVCB records too (RFC 9460 section 7.3), and of the servers of the zones that these names lie in. It is asked of
// each reply before it is sent, from the cache or not: so what is cached is judged by the lists as they are now, and by
// those of this client.
//
// Which rule (draft-vixie-dnsop-dns-rpz section 5): that of the earliest name of the chain; for one name the lowest
// tier; in a tier the name before addresses, these before names of servers, these before their addresses; of addresses
// the longest prefix, then the smallest. An address that DNS64 has made counts as the IPv4 one in it, too.
//
// Bound: one pass over the answer section, at most kMaxRecords records. Never allocates.
#pragma once
#include "gate/list_rules.h"

namespace shardns::gate {

// Of a translator (RFC 6052 section 2.2).
struct TranslationPrefix {
  uint8_t octets[16] = {};
  uint8_t bits = 0;  // 32, 40, 48, 56, 64 or 96; 0: nothing is translated
  // The IPv4 address in an IPv6 one; false where it has none.
  bool Embedded(Bytes address, uint8_t (&out)[4]) const;
};

struct AnswerRules {
  const Lists* lists = nullptr;  // null: there are none
  const Lists* overrides = nullptr;
  uint64_t set = 0;  // the client's lists, as bits
  // The rule for the question, where one of its answer may come before it; and whether it is one of the overrides,
  // which nothing comes before.
  std::optional<NameMatch> question = {};
  bool question_by_override = false;
  TranslationPrefix translation = {};
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
  // By who serves the zone that a folded name lies in.
  void Servers(Bytes name);
  void Address(Bytes address);
  void OneAddress(Bytes address);
  void Take(const NameMatch& match, Trigger trigger, bool by_override = false);
  // Whether a rule comes before the one that was found.
  bool Precedes(const NameMatch& match, Trigger trigger) const {
    if (!best_) return true;
    const uint8_t tier = best_->match.policy.tier;
    return match.policy.tier != tier ? match.policy.tier < tier : trigger < best_trigger_;
  }

  const AnswerRules& rules_;
  const Bytes reply_;
  AnswerMatch at_;  // the name that is looked at
  std::optional<AnswerMatch> best_;
  Trigger best_trigger_ = Trigger::kQuestion;
  uint8_t best_address_[16] = {};  // of kAnswerAddress
  size_t best_address_size_ = 0;
};

}  // namespace shardns::gate
