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
  return PutServerName(name, kind, PolicyOf(says), line);
}
ListLine ListRules::PutServerName(const WireName& name, NameKind kind, const ListPolicy& policy, uint32_t line) {
  uint8_t& lowest = server_name_tiers_[policy.list];
  lowest = std::min(lowest, policy.tier);
  return Put(servers_, name, kind, policy, line);
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
      put = owner.trigger == Trigger::kQuestion ? Put(names_, name, owner.kind, policy, records.line)
                                                : PutServerName(name, owner.kind, policy, records.line);
    } else {
      Prefix prefix;
      SHARDNS_CHECK(owner.octets.size() == sizeof prefix);
      std::memcpy(&prefix, owner.octets.data(), sizeof prefix);
      put = PutAddress(owner.trigger, prefix, policy, records.line);
    }
    if (put == ListLine::kFull) return false;
  }
  records_.clear();
  return source_.format != ListFormat::kZone || (names_.EndZone(source_.list) && servers_.EndZone(source_.list));
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
  if (lists->servers_->names() > 0 || lists->Has(Trigger::kServerAddress)) {
    lists->served_ = std::make_unique<ServedZones>(seed_ + 2);
  }
  lists->server_name_tiers_ = std::move(server_name_tiers_);
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

bool Lists::MayPrecede(uint8_t tier, uint64_t lists) const {
  const auto applies = [&](size_t list) { return (lists >> list & 1) != 0; };
  for (const AddressList& list : addresses_) {
    if (list.trigger != Trigger::kClientAddress && applies(list.list) && list.lowest_tier < tier) return true;
  }
  if (servers_->names() == 0) return false;
  for (size_t list = 0; list < server_name_tiers_.size(); ++list) {
    if (applies(list) && server_name_tiers_[list] < tier) return true;
  }
  return false;
}

namespace {

// The trigger that a rule for a name stands under: the part of the name that it names, behind "*." where that is not
// all.
WireName TriggerOf(Bytes name, size_t labels) {
  WireName trigger;
  size_t count = 0;
  for (size_t at = 0; name[at] != 0; at += 1u + name[at]) ++count;
  size_t from = 0;
  for (size_t more = count - labels; more > 0; --more) from += 1u + name[from];
  if (from > 0) {
    trigger.octets[trigger.size++] = 1;
    trigger.octets[trigger.size++] = '*';
  }
  std::memcpy(trigger.octets + trigger.size, name.data() + from, name.size() - from);
  trigger.size += name.size() - from;
  return trigger;
}

// RFC 4034 section 6.1, of folded names.
bool ComesAfter(Bytes a, Bytes b) {
  const auto labels = [](Bytes name) {
    std::vector<std::string_view> list;
    for (size_t at = 0; name[at] != 0; at += 1u + name[at]) {
      list.insert(list.begin(), {reinterpret_cast<const char*>(name.data()) + at + 1, name[at]});
    }
    return list;
  };
  return labels(a) > labels(b);
}

}  // namespace

// Of names of servers the trigger that is the last in canonical order decides, of addresses the longest prefix, then
// the smallest (section 5 of the draft).
bool Lists::NoteServers(Bytes zone, std::span<const Bytes> names, std::span<const Bytes> addresses) const {
  SHARDNS_CHECK(served_ != nullptr);
  std::vector<ServedRule> rules;
  for (size_t list = 0; list < kMaxLists; ++list) {
    const uint64_t only = uint64_t{1} << list;
    std::optional<NameMatch> by_name, by_address;
    WireName last;
    for (const Bytes name : names) {
      const auto match = servers_->Find(name, only);
      if (!match) continue;
      const WireName trigger = TriggerOf(name, match->labels);
      if (by_name && !ComesAfter(trigger.bytes(), last.bytes())) continue;
      by_name = match;
      last = trigger;
    }
    Bytes smallest;
    for (const Bytes address : addresses) {
      const auto match = FindAddress(Trigger::kServerAddress, address, only);
      if (!match || (by_address && match->labels < by_address->labels)) continue;
      const bool smaller =
          !by_address || match->labels > by_address->labels || address.size() < smallest.size() ||
          (address.size() == smallest.size() &&
           std::lexicographical_compare(address.begin(), address.end(), smallest.begin(), smallest.end()));
      if (!smaller) continue;
      by_address = match;
      smallest = address;
    }
    if (by_name) rules.push_back({.match = *by_name, .trigger = Trigger::kServerName});
    if (by_address) rules.push_back({.match = *by_address, .trigger = Trigger::kServerAddress});
  }
  std::stable_sort(rules.begin(), rules.end(), [](const ServedRule& a, const ServedRule& b) {
    return std::pair(a.match.policy.tier, a.trigger) < std::pair(b.match.policy.tier, b.trigger);
  });
  return served_->Put(zone, std::move(rules));
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
  if (served_ != nullptr) bytes += served_->memory_bytes();
  return bytes;
}

}  // namespace shardns::gate
