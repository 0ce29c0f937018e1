// Rules to values of prefixes; replacing them.
#include "gate/gate.h"

#include <vector>

namespace shardns::gate {

PrefixMap Rules::Compile(const RuleSet& set) {
  std::vector<PrefixRule> rules;
  rules.reserve(set.rules.size());
  for (const ClientRule& rule : set.rules) {
    PrefixRule compiled = {.prefix = rule.prefix, .value = 0, .mask = 0};
    if (rule.allow) {
      compiled.value |= kAllow;
      compiled.mask |= kAllow;
    }
    if (rule.tag) {
      SHARDNS_CHECK(*rule.tag <= kMaxRuleTag);
      compiled.value |= *rule.tag << kTagShift;
      compiled.mask |= kMaxRuleTag << kTagShift;
    }
    if (rule.rate_class) {
      compiled.value |= uint32_t{*rule.rate_class} << kClassShift;
      compiled.mask |= uint32_t{UINT8_MAX} << kClassShift;
    }
    if (rule.list_set) {
      SHARDNS_CHECK(*rule.list_set <= kMaxListSet);
      compiled.value |= uint32_t{*rule.list_set} << kSetShift;
      compiled.mask |= kMaxListSet << kSetShift;
    }
    rules.push_back(compiled);
  }
  return PrefixMap(rules, set.everybody ? kAllow : 0);
}

Rules::Rules(const RuleSet& set, std::shared_ptr<ClientTable> clients)
    : prefixes_(Compile(set)), clients_(std::move(clients)) {}

void Gate::Replace(const RuleSet& set) {
  if (set.clients != room_) {
    clients_ = set.clients == 0 ? nullptr : std::make_shared<ClientTable>(set.clients, secret_);
    room_ = set.clients;
  }
  std::unique_ptr<const Rules> rules;
  if (!set.rules.empty() || !set.everybody || clients_ != nullptr) rules = std::make_unique<const Rules>(set, clients_);
  rule_bytes_ = rules == nullptr ? 0 : rules->memory_bytes();
  rules_.Publish(std::move(rules));
}

void Gate::Remember(Bytes address, uint32_t tag, uint32_t seconds) {
  if (clients_ == nullptr) return;
  clients_->Set(ClientAddress::Of(address), tag, Now(MonotonicMs()) + TicksFromSeconds(seconds));
}

void Gate::ForgetClients() {
  if (clients_ != nullptr) clients_->Clear();
}

}  // namespace shardns::gate
