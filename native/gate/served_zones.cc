// Zones by their names; all suffixes of a name.
#include "gate/served_zones.h"

#include <algorithm>

namespace shardns::gate {

namespace {

bool IsSame(const std::vector<ServedRule>& a, const std::vector<ServedRule>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const ServedRule& one, const ServedRule& other) {
    return one.match.policy == other.match.policy && one.match.line == other.match.line && one.trigger == other.trigger;
  });
}

}  // namespace

bool ServedZones::Put(Bytes zone, std::vector<ServedRule> rules) {
  size_t at = SlotOf(zone);
  const Zone* before;
  for (; (before = slots_[at].load(std::memory_order_relaxed)) != nullptr; at = (at + 1) % kSlots) {
    if (std::equal(zone.begin(), zone.end(), before->name.begin(), before->name.end())) break;
  }
  if (before == nullptr ? rules.empty() : IsSame(before->rules, rules)) return true;
  if (entries_.size() == kMaxEntries) return false;
  entries_.push_back(std::make_unique<const Zone>(Zone{.name = {zone.begin(), zone.end()}, .rules = std::move(rules)}));
  const size_t depth = wire::CountLabels(zone);
  slots_[at].store(entries_.back().get(), std::memory_order_release);
  depths_[depth / 64].fetch_or(uint64_t{1} << depth % 64, std::memory_order_release);
  any_.store(true, std::memory_order_release);
  return true;
}

std::optional<ServedRule> ServedZones::Find(Bytes name, uint64_t lists) const {
  if (empty() || name.empty()) return std::nullopt;
  std::optional<ServedRule> best;
  size_t labels = wire::CountLabels(name);
  for (size_t from = 0;; from += 1u + name[from], --labels) {
    if ((depths_[labels / 64].load(std::memory_order_acquire) >> labels % 64 & 1) != 0) {
      const Bytes suffix = name.subspan(from);
      const Zone* zone;
      for (size_t at = SlotOf(suffix); (zone = slots_[at].load(std::memory_order_acquire)) != nullptr;
           at = (at + 1) % kSlots) {
        if (std::equal(suffix.begin(), suffix.end(), zone->name.begin(), zone->name.end())) break;
      }
      for (size_t i = 0; zone != nullptr && i < zone->rules.size(); ++i) {
        const ServedRule& rule = zone->rules[i];
        if ((lists >> rule.match.policy.list & 1) == 0) continue;
        if (!best ||
            std::pair(rule.match.policy.tier, rule.trigger) < std::pair(best->match.policy.tier, best->trigger)) {
          best = rule;
        }
        break;
      }
    }
    if (name[from] == 0) return best;
  }
}

size_t ServedZones::memory_bytes() const {
  size_t bytes = sizeof *this + kSlots * sizeof(slots_[0]);
  for (const auto& zone : entries_) {
    bytes += sizeof *zone + zone->name.capacity() + zone->rules.capacity() * sizeof(ServedRule);
  }
  return bytes;
}

}  // namespace shardns::gate
