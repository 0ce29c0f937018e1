// Exact LRU within a shard: a doubly linked list through the entries, relinked by every hit under the shard's lock.
// The victim is the list's oldest entry wherever it lies in the log; its space returns when the tail passes it, and
// live entries that the tail meets are copied to the head. Live entries fill at most 91 % of a log, which keeps that
// copying below ten entries an insert.
#pragma once
#include "store/shard.h"

namespace shardns::store {

class LruPolicy {
 public:
  static uint32_t LiveLimit(const Log& log) { return static_cast<uint32_t>(uint64_t{log.capacity()} * 91 / 100); }

  static Queue QueueFor(bool negative) { return negative ? Queue::kNegative : Queue::kMain; }

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
    const bool expired = shard.PastKeeping(header, now);
    shard.Evict(owner, queue, unit, units, false, expired);
  }

  template <typename S>
  static void StepTail(S& shard, Queue queue, typename S::Time now, typename S::Budget* budget) {
    Log& log = shard.log(queue);
    if (shard.SkipPadding(log)) return;
    typename S::TailOf tail;
    if (!shard.TailEntry(queue, &tail)) return;
    const auto& [place, header, units, hash] = tail;
    AtomicSlot* owner = shard.OwnerOf(hash, queue, place);
    if (owner == nullptr) {
      log.GiveBack(units);
      return;
    }
    if (budget->copies > 0) {
      --budget->copies;
      if (shard.MoveTail(queue, queue, owner, units, 0)) shard.header_->counters.reinsertions.Add();
      return;
    }
    const bool expired = shard.PastKeeping(header, now);
    shard.Evict(owner, queue, place.at, units, false, expired);
    log.GiveBack(units);
  }
};

}  // namespace shardns::store
