// Builds a name list from rules in any order. Of rules of one list that say something of one name in one tier the first
// stays; one that a rule of a name above it makes needless goes, if that changes nothing for any set of lists: real
// lists shrink by a tenth or more. Not in zones, where each name is an end to wildcards above it.
//
// Bound: `max_names` rules, kMaxPolicies policies, 4 GiB of names: what does not fit is told, never left out in
// silence. While it is built, thrice the list's own memory. One thread, any.
#pragma once
#include <unordered_map>

#include "gate/name_list.h"

namespace shardns::gate {

struct NameRule {
  Bytes name;  // in wire form, whole, folded
  NameKind kind;
  uint16_t policy;  // of PolicyOf
  uint32_t line;    // at most kMaxListLine
};

class NameListBuilder {
 public:
  explicit NameListBuilder(uint64_t seed, size_t max_names = kMaxNames);

  // None where there are too many.
  [[nodiscard]] std::optional<uint16_t> PolicyOf(const ListPolicy& policy);
  // False: there is no room for it, nor for any that follows.
  [[nodiscard]] bool Add(const NameRule& rule) { return Stage(rule, 0); }
  // Of a list that is a zone, before and after its rules: a wildcard of it holds for what RFC 4592 says it does. False
  // as that of Add.
  void BeginZone(uint8_t list) { empty_->zones_ |= uint64_t{1} << list; }
  [[nodiscard]] bool EndZone(uint8_t list);
  // Takes rules of that name, kind and tier away, of every list (AdGuard's $badfilter), wherever they stand.
  [[nodiscard]] bool Cancel(const NameRule& rule) { return Stage(rule, kCancels); }

  // Rules that were added, not those that are left.
  size_t rules() const { return staged_.size(); }
  // Once, at the end.
  std::unique_ptr<const NameList> Build() &&;

 private:
  // Of a staged rule's word, where a list has its bit for more.
  static constexpr uint32_t kCancels = NameList::kMoreBit;
  struct Staged {
    uint64_t hash;
    uint32_t at;  // in pool_: the name, and its rule as in a list
  };
  struct Rule {
    uint32_t word;
    uint16_t policy;
    NameKind kind() const { return static_cast<NameKind>(word & 3); }
    uint32_t line() const { return word >> 3; }
  };
  using Rules = std::vector<Rule>;

  bool Stage(const NameRule& rule, uint32_t bits);
  bool IsZone(uint16_t policy) const { return (empty_->zones_ >> policies_[policy].list & 1) != 0; }
  static size_t NameSize(const uint8_t* name) { return wire::PlainNameLength({name, wire::kMaxNameSize}, 0); }
  static Rule ReadRule(const uint8_t* from) { return {LoadNative<uint32_t>(from), LoadNative<uint16_t>(from + 4)}; }
  static const uint8_t* ReadRules(const uint8_t* from, Rules* rules);
  uint64_t HashOf(const uint8_t* name, size_t size) const;
  // Calls visit(hash, from) for each suffix of a name that is not the whole, the longest first, until it says false.
  template <typename Visit>
  void Above(Bytes name, Visit visit) const;

  // Those that stay of all that was said of one name.
  void Settle(Rules* rules) const;
  static constexpr uint32_t kJoined = UINT32_MAX;  // no rule: it has a bit for more
  void Join(Rules* rules) const;
  void Append(uint64_t hash, Bytes name, const Rules& rules, NameList* list) const;
  void MakeRoom(size_t names, size_t octets, NameList* list) const;
  std::unique_ptr<NameList> Gather();
  std::unique_ptr<NameList> Reduce(std::unique_ptr<NameList> all) const;
  void DropNeedless(const NameList& all, const uint8_t* name, size_t size, Rules* rules, Rules* above) const;

  std::unique_ptr<NameList> empty_;  // has the secret
  const size_t max_names_;
  std::vector<uint8_t> pool_;
  std::vector<Staged> staged_;
  std::vector<ListPolicy> policies_;
  std::unordered_map<uint64_t, uint16_t> policy_numbers_;
};

}  // namespace shardns::gate
