// Exact LRU within a shard: a doubly linked list through the entries, relinked by every hit under the shard's lock.
// The victim is the list's oldest entry wherever it lies in the log; its space returns when the tail passes it, and
// live entries that the tail meets are copied to the head. Live entries fill at most 91 % of a log, which keeps that
// copying below ten entries an insert.
#pragma once
#include "cache/shard.h"

namespace shardns::cache {

class LruPolicy {
 public:
  static uint32_t LiveLimit(const Log& log) { return static_cast<uint32_t>(uint64_t{log.capacity()} * 91 / 100); }

  static Queue QueueFor(bool negative) { return negative ? Queue::kNegative : Queue::kMain; }

  static void EvictOldest(Shard& shard, Queue queue, Ticks now) {
    const uint32_t unit = shard.header_->oldest[static_cast<size_t>(queue)];
    SHARDNS_CHECK(unit != 0);
    const EntryHeader header = shard.HeaderAt(unit);
    Key key;
    shard.KeyAt(unit, header, &key);
    AtomicSlot* owner = shard.FindSlot(key);
    SHARDNS_CHECK(owner != nullptr && Slot(owner->load(std::memory_order_relaxed)).at() == unit);
    const bool expired = shard.PastKeeping(header, now);
    shard.Evict(owner, queue, unit, shard.UnitsAt(unit, header), false, expired);
  }

  static void StepTail(Shard& shard, Queue queue, Ticks now, Shard::Budget* budget) {
    Log& log = shard.log(queue);
    if (shard.SkipPadding(log)) return;
    const Place place = log.tail();
    const EntryHeader header = shard.HeaderAt(place.at);
    const uint32_t units = shard.UnitsAt(place.at, header);
    Key key;
    shard.KeyAt(place.at, header, &key);
    AtomicSlot* owner = shard.OwnerOf(key, queue, place);
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

}  // namespace shardns::cache
