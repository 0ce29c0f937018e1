// 2Q (Johnson and Shasha, "2Q: a low overhead high performance buffer management replacement algorithm", VLDB'94), the
// full version. A1in is the small queue, first in first out: hits there count for nothing, since they belong together
// with the first. What leaves it is remembered in A1out, the ghosts in the index; who is asked for again while it is
// enters Am, the main queue, and is only now believed to be wanted.
//
// Am is to be an LRU list. Here it is a clock (Corbato, "A paging experiment with the Multics system", 1968), the
// usual stand-in: whoever was hit since the tail last passed goes to the head. So a hit takes no lock, and writes two
// bits in the index slot at most.
#pragma once
#include "store/policy.h"

namespace shardns::store {

class TwoQueuePolicy : public PolicyBase {
 public:
  // Kin: a quarter of the entries (section 3.2).
  static constexpr PolicyTraits kTraits = {.name = "2q", .small_percent = 25, .lists = false, .sketch = false};

  // Kout: A1out remembers as many entries as half of the memory holds (section 3.2).
  template <typename S>
  static uint64_t GhostLife(const S& shard) {
    return (uint64_t{shard.log(Queue::kSmall).capacity()} + shard.log(Queue::kMain).capacity()) / 2;
  }

  template <typename S>
  static void StepTail(S& shard, Queue queue, typename S::Time now, Effort* effort) {
    typename S::TailOf tail;
    AtomicSlot* owner = shard.LiveTail(queue, &tail);
    if (owner == nullptr) return;
    const Slot slot(owner->load(std::memory_order_relaxed));
    const bool expired = shard.PastKeeping(tail.header, now);
    const bool small = queue == Queue::kSmall;
    // "If there are free page slots": nothing has to be turned away yet.
    if (!expired && small && shard.MainHasSpace(tail.units)) return shard.Promote(tail, owner);
    if (!expired && !small && slot.freq() > 0 && shard.Reinsert(queue, tail, owner, 0, effort)) return;
    shard.EvictTail(queue, tail, owner, {.ghost = small && !expired, .expired = expired});
  }
};

}  // namespace shardns::store
