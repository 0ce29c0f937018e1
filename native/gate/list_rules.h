// What readers of lists put their rules into, and what becomes of them: lists of names and of addresses, and the
// records of answers of one's own, all published together.
//
// Bound: NameListBuilder's for names, PrefixMap::kMaxRules addresses a list and trigger, kMaxDataOwners names with
// records of their own.
#pragma once
#include <map>
#include <string>
#include <tuple>

#include "gate/list_text.h"
#include "gate/name_list_builder.h"
#include "gate/served_zones.h"

namespace shardns::gate {

enum class ListFormat : uint8_t { kHosts, kDomains, kAdblock, kZone };

// The tiers of a list's rules; a response policy zone has one for all.
struct ListTiers {
  uint8_t important_allow, important_block, allow, block;
};

struct ListSource {
  ListFormat format;
  uint8_t list;  // below kMaxLists
  ListTiers tiers;
  ListAction block = ListAction::kNxDomain;  // what is answered where a rule does not say
  bool allows = false;                       // hosts, domains: it is a list of what is allowed
  NameKind plain = NameKind::kSubtree;       // domains: what a bare name is about,
  NameKind wildcard = NameKind::kSubtree;    // and *.name
  std::optional<ListAction> instead = {};    // whatever its blocking rules say (an override of RPZ)
  std::string origin = "";                   // zone: its name; none: where its SOA stands
};

// What a line comes to.
enum class ListLine : uint8_t {
  kNothing,  // blank, a comment, a header, a name of this host
  kRule,
  kUnsupported,  // it means something that is not for a DNS server, or not for this one
  kBroken,
  kForeign,  // to be read again with A-labels
  kFull,     // a bound was reached: the lists are not to be used
};

struct RuleSays {
  ListAction action;
  bool important = false;
};

// Matches of addresses in one trigger of one list.
struct AddressList {
  struct Rule {
    ListPolicy policy;
    uint32_t line;
    uint8_t bits;  // of its prefix; of an IPv4 one as it is IPv6-mapped
  };
  uint8_t list;
  Trigger trigger;
  uint8_t lowest_tier;
  PrefixMap prefixes;  // to numbers of rules, from 1
  std::vector<Rule> rules;
};

class Lists {
 public:
  // The rule for a question by its name and who asks it. In a tier the client's address comes first.
  std::optional<NameMatch> Find(Bytes name, Bytes client, uint64_t lists) const;
  void Prefetch(Bytes name) const { names_->Prefetch(name); }
  // The same whoever asks.
  std::optional<NameMatch> FindName(Bytes name, uint64_t lists) const { return names_->Find(name, lists); }
  // The rule for an address of that trigger. `labels` of a match are the bits of its prefix, IPv4 ones 96 more.
  std::optional<NameMatch> FindAddress(Trigger trigger, Bytes address, uint64_t lists) const;
  bool Has(Trigger trigger) const { return (triggers_ >> static_cast<unsigned>(trigger) & 1) != 0; }
  // Whether a rule that is about the answer may come before those of a tier.
  bool MayPrecede(uint8_t tier, uint64_t lists) const;

  // Whether there are rules for names or addresses of servers.
  bool HasServerRules() const { return served_ != nullptr; }
  // Of one thread: who serves a zone, as it is known now. What rules say of that holds for all names at and below it.
  // False: there is no room for a zone that has a rule.
  [[nodiscard]] bool NoteServers(Bytes zone, std::span<const Bytes> names, std::span<const Bytes> addresses) const;
  // Whether a zone was noted that has a rule.
  bool JudgesServers() const { return served_ != nullptr && !served_->empty(); }
  // The rule for a folded name by who serves the zones that it lies in.
  std::optional<ServedRule> FindServed(Bytes name, uint64_t lists) const { return served_->Find(name, lists); }

  // Records that a policy's `data` stands for: "[TTL] TYPE RDATA" in a line each.
  const std::vector<std::string>& data() const { return data_; }
  size_t names() const { return names_->names() + servers_->names(); }
  size_t memory_bytes() const;

 private:
  friend class ListRules;
  std::unique_ptr<const NameList> names_, servers_;
  std::vector<AddressList> addresses_;
  uint32_t triggers_ = 0;                   // of those, as bits
  std::vector<uint8_t> server_name_tiers_;  // of each list the lowest of its rules for names of servers
  std::unique_ptr<ServedZones> served_;     // null where there are no rules for servers
  std::vector<std::string> data_;
};

class ListRules {
 public:
  static constexpr size_t kMaxDataOwners = size_t{1} << 20;
  static constexpr size_t kMaxRecords = 64;  // of one owner

  ListRules(uint64_t seed, size_t max_names)
      : seed_(seed), names_(seed, max_names), servers_(seed + 1, max_names), server_name_tiers_(kMaxLists, UINT8_MAX) {}

  void Begin(const ListSource& source) {
    source_ = source;
    if (source.format != ListFormat::kZone) return;
    names_.BeginZone(source.list);
    servers_.BeginZone(source.list);
  }
  const ListSource& source() const { return source_; }

  ListLine Name(const WireName& name, NameKind kind, RuleSays says, uint32_t line);
  ListLine CancelName(const WireName& name, NameKind kind, RuleSays says, uint32_t line);
  ListLine ServerName(const WireName& name, NameKind kind, RuleSays says, uint32_t line);
  ListLine Address(Trigger trigger, const Prefix& prefix, RuleSays says, uint32_t line);
  // One record of an answer of one's own for a name (kQuestion, kServerName) or a prefix. All that one source says of
  // one owner is one answer.
  struct Owner {
    Trigger trigger;
    NameKind kind = NameKind::kExact;
    bool important = false;
    std::string octets = "";  // of the name, or of a Prefix
  };
  ListLine Record(const Owner& owner, std::string record, uint32_t line);
  // Of a source: false where a bound was reached.
  [[nodiscard]] bool End();

  size_t rules() const { return names_.rules() + servers_.rules() + address_rules_; }
  std::unique_ptr<const Lists> Build() &&;

 private:
  struct OwnerOrder {
    bool operator()(const Owner& a, const Owner& b) const {
      return std::tie(a.trigger, a.kind, a.important, a.octets) < std::tie(b.trigger, b.kind, b.important, b.octets);
    }
  };
  struct Records {
    std::vector<std::string> lines;
    uint32_t line;
  };
  struct AddressRules {
    std::vector<PrefixRule> prefixes;
    std::vector<AddressList::Rule> rules;
  };

  ListPolicy PolicyOf(RuleSays says, uint32_t data = 0) const;
  ListLine Put(NameListBuilder& into, const WireName& name, NameKind kind, const ListPolicy& policy, uint32_t line);
  ListLine PutServerName(const WireName& name, NameKind kind, const ListPolicy& policy, uint32_t line);
  ListLine PutAddress(Trigger trigger, const Prefix& prefix, const ListPolicy& policy, uint32_t line);

  const uint64_t seed_;
  ListSource source_ = {};
  NameListBuilder names_, servers_;
  std::vector<uint8_t> server_name_tiers_;
  std::map<std::pair<uint8_t, Trigger>, AddressRules> addresses_;
  size_t address_rules_ = 0;
  std::map<Owner, Records, OwnerOrder> records_;
  std::map<std::string, uint32_t> data_numbers_;
  std::vector<std::string> data_;
};

}  // namespace shardns::gate
