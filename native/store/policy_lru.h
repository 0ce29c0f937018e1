// Exact LRU within a shard: a doubly linked list through the entries, relinked by every hit under the shard's lock.
// The victim is the list's oldest entry wherever it lies in the log; its space returns when the tail passes it, and
// live entries that the tail meets are copied to the head. Live entries fill at most 91 % of a log, which keeps that
// copying below ten entries an insert.
#pragma once
#include "store/policy.h"

namespace shardns::store {

class LruPolicy : public PolicyBase {
 public:
  static constexpr PolicyTraits kTraits = {.name = "lru", .small_percent = 0, .lists = true, .sketch = false};

  template <typename S>
  static Queue QueueFor(const S&, const typename S::Key&, bool negative, const AtomicSlot*, uint32_t) {
    return negative ? Queue::kNegative : Queue::kMain;
  }

  template <typename S>
  static bool KeepUnderLimit(S& shard, Queue queue, uint32_t units, typename S::Time now) {
    const auto limit = static_cast<uint32_t>(uint64_t{shard.log(queue).capacity()} * 91 / 100);
    if (units > limit) return false;
    while (shard.header_->live_units[static_cast<size_t>(queue)] + uint64_t{units} > limit) {
      EvictOldest(shard, queue, now);
      if (shard.in_doubt_) return false;
    }
    return true;
  }

  template <typename S>
  static void StepTail(S& shard, Queue queue, typename S::Time now, Effort* effort) {
    typename S::TailOf tail;
    AtomicSlot* owner = shard.LiveTail(queue, &tail);
    if (owner == nullptr || shard.Reinsert(queue, tail, owner, 0, effort)) return;
    shard.EvictTail(queue, tail, owner, {.ghost = false, .expired = shard.PastKeeping(tail.header, now)});
  }

 private:
  template <typename S>
  static void EvictOldest(S& shard, Queue queue, typename S::Time now) {
    const uint32_t unit = shard.header_->oldest[static_cast<size_t>(queue)];
    if (!shard.InArena(unit)) return shard.Doubt();
    const auto header = shard.HeaderAt(unit);
    const uint32_t units = shard.CheckedUnitsAt(unit, header, shard.arena_end_ - unit);
    typename S::Key key;
    if (units == 0 || !shard.KeyAt(unit, header, &key)) return shard.Doubt();
    AtomicSlot* owner = shard.FindSlot(key);
    if (owner == nullptr || Slot(owner->load(std::memory_order_relaxed)).at() != unit) return shard.Doubt();
    shard.Evict(owner, queue, unit, units, {.ghost = false, .expired = shard.PastKeeping(header, now)});
  }
};

}  // namespace shardns::store
