// What a region's layout and a shard must know of a policy beforehand, and what policies share. How each decides what
// stays is in a file of its own: policy_s3fifo.h, policy_lru.h, policy_lfu.h, policy_2q.h.
//
// Wherever an entry stands is a log: small (what is new), main, or negative (what says that there is nothing), so that
// a flood of failures cannot push out real entries under any policy. Room in a log is made at its tail.
#pragma once
#include "store/log.h"

namespace shardns::store {

// In the superblock: these numbers never change their meaning.
enum class PolicyKind : uint32_t { kS3Fifo = 0, kLru = 1, kLfu = 2, kTwoQueue = 3 };
inline constexpr uint32_t kPolicies = 4;

struct PolicyTraits {
  const char* name;
  uint32_t small_percent;  // the small queue's share of what is not the negative one's
  bool lists;              // entries carry the links of a list (recency.h), and hits take the shard's lock
  bool sketch;             // the shard has a frequency sketch (frequency_sketch.h) behind its index
};

// What an entry at a log's tail, or one that is stored, is handled with.
struct Effort {
  uint32_t copies = 64;   // of live entries that stay, at most: what bounds the work of an insert
  uint32_t contests = 8;  // of them, entries that stay for no other reason than that they are worth more
  uint32_t worth = 0;     // of the entry that room is made for, where the policy counts
  bool optional = false;  // the entry may be turned away:
  bool turned_away = false;
};

// What most policies do alike.
struct PolicyBase {
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
  // How many units pass through the small queue until a ghost is forgotten.
  template <typename S>
  static uint64_t GhostLife(const S&) {
    return 0;
  }
  // Before an entry is stored: it was asked for and was not there, or has been renewed.
  template <typename S>
  static void NoteStored(const S&, uint64_t /*hash*/, Effort*) {}
  // Brings the live entries of a log under the policy's limit; false when an entry of so many units cannot be.
  template <typename S>
  static bool KeepUnderLimit(S&, Queue, uint32_t /*units*/, typename S::Time) {
    return true;
  }
};

}  // namespace shardns::store
