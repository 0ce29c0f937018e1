// LFU with aging, after W-TinyLFU (Einziger, Friedman, Manes, "TinyLFU: a highly efficient cache admission policy", ACM
// Transactions on Storage 13(4), 2017): new entries wait in a window, the small queue. What leaves it must be worth
// more than what stands at the main queue's tail, or is turned away. Worth is how often a key was asked for, by a
// sketch that also counts what is not there (so there are no ghosts), and that forgets by half again and again: what
// was hot and is no more loses to whatever is asked for now (frequency_sketch.h).
//
// Two things differ from the paper. A hit does not touch the sketch: it writes two bits in the index slot, as under
// the other policies, and the tail counts them when it passes; so readers take no lock and no line of memory more. And
// the main queue is a clock: whoever was hit since the tail last passed, or has just won a contest, goes to the head,
// and what is dead or expired behind it comes up.
#pragma once
#include "store/policy.h"

namespace shardns::store {

class LfuPolicy : public PolicyBase {
 public:
  // The paper's window is a hundredth, good for traces of searches and databases; a tenth serves recency as well
  // (bench/native/policy_bench.cc).
  static constexpr PolicyTraits kTraits = {.name = "lfu", .small_percent = 10, .lists = false, .sketch = true};

  template <typename S>
  static void NoteStored(const S& shard, uint64_t hash, Effort* effort) {
    auto sketch = shard.sketch();
    sketch.Add(hash);
    effort->worth = sketch.Estimate(hash);
  }

  template <typename S>
  static void StepTail(S& shard, Queue queue, typename S::Time now, Effort* effort) {
    typename S::TailOf tail;
    AtomicSlot* owner = shard.LiveTail(queue, &tail);
    if (owner == nullptr) return;
    const uint32_t hits = Slot(owner->load(std::memory_order_relaxed)).freq();
    const bool expired = shard.PastKeeping(tail.header, now);
    if (!expired) {
      auto sketch = shard.sketch();
      for (uint32_t i = 0; i < hits; ++i) sketch.Add(tail.hash);
      const uint32_t worth = sketch.Estimate(tail.hash);
      if (queue == Queue::kSmall) {
        if (shard.MainHasSpace(tail.units) ||
            (worth >= kAskedAgain && Admit(shard, tail.units, worth, now, effort))) {
          return shard.Promote(tail, owner);
        }
      } else if (hits > 0) {
        if (shard.Reinsert(queue, tail, owner, 0, effort)) return;
      } else if (queue == Queue::kMain && worth >= effort->worth && effort->contests > 0) {
        --effort->contests;
        effort->turned_away = effort->optional;
        if (shard.Reinsert(queue, tail, owner, 0, effort)) return;
      }
    }
    shard.EvictTail(queue, tail, owner, {.ghost = false, .expired = expired});
  }

 private:
  // What was asked for once wins no contest, be it against what has been forgotten: a scan would flush whatever is
  // asked for less often than counts are halved.
  static constexpr uint32_t kAskedAgain = 2;

  // Makes room in the main queue, unless one of those that would have to go is worth as much.
  template <typename S>
  static bool Admit(S& shard, uint32_t units, uint32_t worth, typename S::Time now, Effort* effort) {
    Effort contest = {.copies = effort->copies, .contests = 1, .worth = worth, .optional = true};
    const bool admitted = shard.MakeRoom(Queue::kMain, units, now, &contest);
    effort->copies = contest.copies;
    return admitted;
  }
};

}  // namespace shardns::store
