// Rules into builders; records of one owner into one answer.
#include "gate/list_rules.h"

#include <algorithm>

namespace shardns::gate {

ListPolicy ListRules::PolicyOf(RuleSays says, uint32_t data) const {
  const ListTiers& tiers = source_.tiers;
  const bool allow = says.action == ListAction::kPass;
  if (!allow && source_.instead) {
    says.action = *source_.instead;
    data = 0;
  }
  return {.list = source_.list,
          .tier = allow ? (says.important ? tiers.important_allow : tiers.allow)
                        : (says.important ? tiers.important_block : tiers.block),
          .action = says.action,
          .data = data};
}

ListLine ListRules::Put(NameListBuilder& into, const WireName& name, NameKind kind, const ListPolicy& policy,
                        uint32_t line) {
  const std::optional<uint16_t> number = into.PolicyOf(policy);
  if (!number || !into.Add({.name = name.bytes(), .kind = kind, .policy = *number, .line = line})) {
    return ListLine::kFull;
  }
  return ListLine::kRule;
}

ListLine ListRules::Name(const WireName& name, NameKind kind, RuleSays says, uint32_t line) {
  return Put(names_, name, kind, PolicyOf(says), line);
}
ListLine ListRules::ServerName(const WireName& name, NameKind kind, RuleSays says, uint32_t line) {
  return Put(servers_, name, kind, PolicyOf(says), line);
}
ListLine ListRules::CancelName(const WireName& name, NameKind kind, RuleSays says, uint32_t line) {
  const std::optional<uint16_t> number = names_.PolicyOf(PolicyOf(says));
  if (!number || !names_.Cancel({.name = name.bytes(), .kind = kind, .policy = *number, .line = line})) {
    return ListLine::kFull;
  }
  return ListLine::kRule;
}

ListLine ListRules::PutAddress(Trigger trigger, const Prefix& prefix, const ListPolicy& policy, uint32_t line) {
  AddressRules& rules = addresses_[{source_.list, trigger}];
  if (rules.rules.size() == PrefixMap::kMaxRules) return ListLine::kFull;
  rules.rules.push_back(
      {.policy = policy, .line = line, .bits = static_cast<uint8_t>(prefix.length + (prefix.v6 ? 0 : 96))});
  rules.prefixes.push_back(
      {.prefix = prefix, .value = static_cast<uint32_t>(rules.rules.size()), .mask = PrefixMap::kMaxValue});
  ++address_rules_;
  return ListLine::kRule;
}
ListLine ListRules::Address(Trigger trigger, const Prefix& prefix, RuleSays says, uint32_t line) {
  return PutAddress(trigger, prefix, PolicyOf(says), line);
}

ListLine ListRules::Record(const Owner& owner, std::string record, uint32_t line) {
  if (records_.size() == kMaxDataOwners && !records_.contains(owner)) return ListLine::kFull;
  const auto [at, is_new] = records_.try_emplace(owner, Records{.lines = {}, .line = line});
  std::vector<std::string>& lines = at->second.lines;
  if (lines.size() == kMaxRecords) return ListLine::kBroken;
  if (std::find(lines.begin(), lines.end(), record) == lines.end()) lines.push_back(std::move(record));
  return ListLine::kRule;
}

bool ListRules::End() {
  for (auto& [owner, records] : records_) {
    std::sort(records.lines.begin(), records.lines.end());
    std::string text;
    for (const std::string& one : records.lines) text += (text.empty() ? "" : "\n") + one;
    const auto [data, is_new] = data_numbers_.try_emplace(std::move(text), static_cast<uint32_t>(data_.size()));
    if (is_new) data_.push_back(data->first);
    const ListPolicy policy = PolicyOf({.action = ListAction::kData, .important = owner.important}, data->second);
    ListLine put;
    if (owner.trigger == Trigger::kQuestion || owner.trigger == Trigger::kServerName) {
      WireName name;
      name.size = owner.octets.size();
      std::memcpy(name.octets, owner.octets.data(), name.size);
      put = Put(owner.trigger == Trigger::kQuestion ? names_ : servers_, name, owner.kind, policy, records.line);
    } else {
      Prefix prefix;
      SHARDNS_CHECK(owner.octets.size() == sizeof prefix);
      std::memcpy(&prefix, owner.octets.data(), sizeof prefix);
      put = PutAddress(owner.trigger, prefix, policy, records.line);
    }
    if (put == ListLine::kFull) return false;
  }
  records_.clear();
  return true;
}

std::unique_ptr<const Lists> ListRules::Build() && {
  std::unique_ptr<Lists> lists(new Lists);
  lists->names_ = std::move(names_).Build();
  lists->servers_ = std::move(servers_).Build();
  for (auto& [key, rules] : addresses_) {
    // Of two rules for one prefix the first counts, as it does for names.
    std::reverse(rules.prefixes.begin(), rules.prefixes.end());
    uint8_t lowest = UINT8_MAX;
    for (const AddressList::Rule& rule : rules.rules) lowest = std::min(lowest, rule.policy.tier);
    lists->triggers_ |= 1u << static_cast<unsigned>(key.second);
    lists->addresses_.push_back({.list = key.first,
                                 .trigger = key.second,
                                 .lowest_tier = lowest,
                                 .prefixes = PrefixMap(rules.prefixes, 0),
                                 .rules = std::move(rules.rules)});
  }
  lists->data_ = std::move(data_);
  return lists;
}

std::optional<NameMatch> Lists::FindAddress(Trigger trigger, Bytes address, uint64_t lists) const {
  std::optional<NameMatch> best;
  for (const AddressList& list : addresses_) {
    if (list.trigger != trigger || (lists >> list.list & 1) == 0) continue;
    const uint32_t number = list.prefixes.Find(address);
    if (number == 0) continue;
    const AddressList::Rule& rule = list.rules[number - 1];
    if (!best || rule.policy.tier < best->policy.tier) {
      best = {.policy = rule.policy, .line = rule.line, .labels = rule.bits};
    }
  }
  return best;
}

bool Lists::MayPrecede(Trigger trigger, uint8_t tier, uint64_t lists) const {
  if (!Has(trigger)) return false;
  return std::any_of(addresses_.begin(), addresses_.end(), [&](const AddressList& list) {
    return list.trigger == trigger && (lists >> list.list & 1) != 0 && list.lowest_tier < tier;
  });
}

std::optional<NameMatch> Lists::Find(Bytes name, Bytes client, uint64_t lists) const {
  const std::optional<NameMatch> by_name = names_->Find(name, lists);
  if (!Has(Trigger::kClientAddress)) return by_name;
  const std::optional<NameMatch> by_client = FindAddress(Trigger::kClientAddress, client, lists);
  if (!by_client || (by_name && by_name->policy.tier < by_client->policy.tier)) return by_name;
  return by_client;
}

size_t Lists::memory_bytes() const {
  size_t bytes = sizeof *this + names_->memory_bytes() + servers_->memory_bytes();
  for (const AddressList& list : addresses_) {
    bytes += list.prefixes.memory_bytes() + list.rules.capacity() * sizeof(AddressList::Rule);
  }
  for (const std::string& data : data_) bytes += sizeof data + data.capacity();
  return bytes;
}

}  // namespace shardns::gate
