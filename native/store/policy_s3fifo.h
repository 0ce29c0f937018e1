// S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP'23): a small queue that most
// one-hit wonders leave quickly, a main queue with second chances, and ghosts of what left the small one. What says
// that there is nothing has a queue of its own, with second chances.
//
// A hit writes two bits in the index slot, and nothing once they are full.
#pragma once
#include "store/policy.h"

namespace shardns::store {

class S3FifoPolicy : public PolicyBase {
 public:
  // A tenth is the paper's (section 4.1).
  static constexpr PolicyTraits kTraits = {.name = "s3fifo", .small_percent = 10, .lists = false, .sketch = false};
  // Hits in the small queue that earn a place in the main one.
  static constexpr uint32_t kPromoteAt = 1;

  // As long as the main queue's worth of octets takes to pass through the small one.
  template <typename S>
  static uint64_t GhostLife(const S& shard) {
    return shard.log(Queue::kMain).capacity();
  }

  // Handles the entry at the queue's tail: keep it or let it go.
  template <typename S>
  static void StepTail(S& shard, Queue queue, typename S::Time now, Effort* effort) {
    typename S::TailOf tail;
    AtomicSlot* owner = shard.LiveTail(queue, &tail);
    if (owner == nullptr) return;
    const Slot slot(owner->load(std::memory_order_relaxed));
    const bool expired = shard.PastKeeping(tail.header, now);
    const bool small = queue == Queue::kSmall;
    if (!expired && small &&
        (shard.MainHasSpace(tail.units) ||
         (slot.freq() >= kPromoteAt && shard.MakeRoom(Queue::kMain, tail.units, now, effort)))) {
      return shard.Promote(tail, owner);
    }
    if (!expired && !small && slot.freq() > 0 && shard.Reinsert(queue, tail, owner, slot.freq() - 1, effort)) return;
    shard.EvictTail(queue, tail, owner, {.ghost = small && !expired, .expired = expired});
  }
};

}  // namespace shardns::store
