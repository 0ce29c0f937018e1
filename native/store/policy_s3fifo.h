// S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP'23): a small queue that most
// one-hit wonders leave quickly, a main queue with second chances, and ghosts of what left the small one. Negative
// answers have a queue of their own, with second chances, so that a flood of random names cannot push out real ones.
//
// A hit writes two bits in the index slot, and nothing once they are full.
#pragma once
#include "store/shard.h"

namespace shardns::store {

class S3FifoPolicy {
 public:
  // Hits in the small queue that earn a place in the main one.
  static constexpr uint32_t kPromoteAt = 1;

  template <typename S>
  static Queue QueueFor(const S& shard, const typename S::Key& key, bool negative, const AtomicSlot* existing,
                        uint32_t units) {
    if (negative) return Queue::kNegative;
    // An entry that would fill a good part of the small queue goes past it.
    if (units > shard.log(Queue::kSmall).capacity() / 4) return Queue::kMain;
    if (existing != nullptr) {
      const Slot slot(existing->load(std::memory_order_relaxed));
      if (slot.queue() != Queue::kNegative) return slot.queue();
    }
    return shard.GhostOf(key.hash) != nullptr ? Queue::kMain : Queue::kSmall;
  }

  // Handles the entry at the queue's tail: keep it or let it go.
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
    const Slot slot(owner->load(std::memory_order_relaxed));
    const bool expired = shard.PastKeeping(header, now);
    if (!expired && queue == Queue::kSmall) {
      // While the main queue still has space of its own, and the index too, nothing has to be turned away.
      const bool spare = shard.log(Queue::kMain).HasRoom(units, S::kSpareUnits) && !shard.IndexIsFull();
      if (spare || (slot.freq() >= kPromoteAt && shard.MakeRoom(Queue::kMain, units, now, budget))) {
        shard.MoveTail(queue, Queue::kMain, owner, units, 0);
        shard.header_->counters.promotions.Add();
        return;
      }
    }
    if (!expired && queue != Queue::kSmall && slot.freq() > 0 && budget->copies > 0) {
      --budget->copies;
      if (shard.MoveTail(queue, queue, owner, units, slot.freq() - 1)) {
        shard.header_->counters.reinsertions.Add();
        return;
      }
      return;  // MoveTail has let it go
    }
    shard.Evict(owner, queue, place.at, units, queue == Queue::kSmall && !expired, expired);
    log.GiveBack(units);
  }
};

}  // namespace shardns::store
