// Name rules searched one by one, as a name list is to answer; and names in wire form.
#pragma once
#include <string>
#include <tuple>

#include "gate/name_list_builder.h"

namespace shardns::test {

// "a.b" to wire form; "" or "." is the root.
inline std::vector<uint8_t> WireName(const std::string& text) {
  std::vector<uint8_t> name;
  for (size_t at = 0; at < text.size() && text != ".";) {
    const size_t end = std::min(text.find('.', at), text.size());
    name.push_back(static_cast<uint8_t>(end - at));
    name.insert(name.end(), text.begin() + static_cast<ptrdiff_t>(at), text.begin() + static_cast<ptrdiff_t>(end));
    at = end + 1;
  }
  name.push_back(0);
  return name;
}

struct ModelRule {
  std::vector<uint8_t> name;
  gate::NameKind kind;
  gate::ListPolicy policy;
  uint32_t line;
  bool cancels = false;
};

inline size_t LabelsOf(const std::vector<uint8_t>& name) {
  size_t labels = 0;
  for (size_t at = 0; name[at] != 0; at += 1u + name[at]) ++labels;
  return labels;
}

// The policy that decides. Which of several rules that say the same is told is left open: needless ones were dropped.
inline std::optional<gate::ListPolicy> FindInModel(const std::vector<ModelRule>& rules, std::vector<uint8_t> name,
                                                   uint64_t lists) {
  wire::Fold(name.data(), name.data(), name.size());
  const ModelRule* best = nullptr;
  const auto key = [](const ModelRule& rule) {
    return std::tuple(rule.policy.tier, -static_cast<int>(LabelsOf(rule.name)), rule.kind, rule.policy.list, rule.line);
  };
  for (const ModelRule& rule : rules) {
    if (rule.cancels || (lists >> rule.policy.list & 1) == 0 || !wire::IsAtOrBelow(name, rule.name)) continue;
    const bool itself = name.size() == rule.name.size();
    if (rule.kind == gate::NameKind::kExact && !itself) continue;
    if (rule.kind == gate::NameKind::kBelow && itself) continue;
    bool cancelled = false;
    for (const ModelRule& other : rules) {
      cancelled |=
          other.cancels && other.name == rule.name && other.kind == rule.kind && other.policy.tier == rule.policy.tier;
    }
    if (!cancelled && (best == nullptr || key(rule) < key(*best))) best = &rule;
  }
  if (best == nullptr) return std::nullopt;
  return best->policy;
}

inline std::unique_ptr<const gate::NameList> ListOf(const std::vector<ModelRule>& rules, uint64_t seed = 1) {
  gate::NameListBuilder builder(seed);
  for (const ModelRule& rule : rules) {
    const gate::NameRule one = {
        .name = rule.name, .kind = rule.kind, .policy = *builder.PolicyOf(rule.policy), .line = rule.line};
    SHARDNS_CHECK(rule.cancels ? builder.Cancel(one) : builder.Add(one));
  }
  return std::move(builder).Build();
}

}  // namespace shardns::test
