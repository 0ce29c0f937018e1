// Rules to values of prefixes; replacing them.
#include "gate/gate.h"

#include <iterator>

#include "gate/edge.h"

namespace shardns::gate {

std::shared_ptr<const PrefixMap> Rules::Compile(const RuleSet& set) {
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
  return std::make_shared<const PrefixMap>(rules, set.everybody ? kAllow : 0);
}

Rules::Rules(std::shared_ptr<const PrefixMap> prefixes, std::shared_ptr<ClientTable> clients,
             std::shared_ptr<const Edge> edge)
    : prefixes_(std::move(prefixes)), clients_(std::move(clients)), edge_(std::move(edge)) {}

Gate::~Gate() = default;

void Gate::Replace(const RuleSet& set) {
  if (set.clients != room_) {
    clients_ = set.clients == 0 ? nullptr : std::make_shared<ClientTable>(set.clients, secret_);
    room_ = set.clients;
  }
  prefixes_ = set.rules.empty() && set.everybody ? nullptr : Rules::Compile(set);
  edge_ = set.edge;
  Publish();
}

void Gate::ReplaceEdge(std::shared_ptr<const Edge> edge) {
  edge_ = std::move(edge);
  Publish();
}

void Gate::Publish() {
  std::unique_ptr<const Rules> rules;
  if (prefixes_ != nullptr || clients_ != nullptr || edge_ != nullptr) {
    rules = std::make_unique<const Rules>(prefixes_ == nullptr ? Rules::Compile({}) : prefixes_, clients_, edge_);
  }
  rules_.Publish(std::move(rules));
}

size_t Gate::memory_bytes() const {
  return (prefixes_ == nullptr ? 0 : prefixes_->memory_bytes()) + (clients_ == nullptr ? 0 : clients_->memory_bytes()) +
         (edge_ == nullptr ? 0 : edge_->memory_bytes());
}

namespace {
void AddTo(EdgeCounts* sum, const EdgeCounts& one) {
  const auto add = [](auto& to, const auto& from) {
    for (size_t i = 0; i < std::size(to); ++i) to[i].Add(from[i].Get());
  };
  add(sum->actions, one.actions);
  add(sum->cookies, one.cookies);
  add(sum->by_list, one.by_list);
  sum->over_limit.Add(one.over_limit.Get());
  sum->by_override.Add(one.by_override.Get());
}
}  // namespace

std::shared_ptr<EdgeCounts> Gate::NewEdgeCounts() {
  auto counts = edge_counts_.Lock();
  if (counts->empty()) counts->push_back(std::make_shared<EdgeCounts>());
  // Those of threads that have ended are held by nobody else.
  std::erase_if(*counts, [&](const auto& one) {
    if (one == counts->front() || one.use_count() > 1) return false;
    AddTo(counts->front().get(), *one);
    return true;
  });
  counts->push_back(std::make_shared<EdgeCounts>());
  return counts->back();
}

void Gate::ReadEdgeCounts(EdgeCounts* sum) {
  auto counts = edge_counts_.Lock();
  for (const auto& one : *counts) AddTo(sum, *one);
}

void Gate::Remember(Bytes address, uint32_t tag, uint32_t seconds) {
  if (clients_ == nullptr) return;
  clients_->Set(ClientAddress::Of(address), tag, Now(MonotonicMs()) + TicksFromSeconds(seconds));
}

void Gate::ForgetClients() {
  if (clients_ != nullptr) clients_->Clear();
}

}  // namespace shardns::gate
