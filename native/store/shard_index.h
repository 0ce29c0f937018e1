// A shard's index: finding a slot, and making one free. A part of shard_impl.h.
#pragma once
#include "store/policies.h"
#include "store/shard.h"

namespace shardns::store {

template <typename Format>
template <typename See>
bool Shard<Format>::VisitCandidates(uint64_t hash, See see) const {
  const uint16_t tag = TagOf(hash);
  uint32_t number = FirstBucket(hash, bucket_count_);
  for (bool last = false;; last = true) {
    Bucket& bucket = buckets_[number];
    for (uint32_t match = MatchTags(bucket, tag); match != 0; match &= match - 1) {
      AtomicSlot& slot = bucket.slots[SlotOfMatch(match)];
      if (see(&slot, slot.load(std::memory_order_acquire))) return true;
    }
    if (last) return false;
    const uint32_t second = SecondBucket(hash, bucket_count_);
    if (second == number) return false;
    number = second;
  }
}

template <typename Format>
AtomicSlot* Shard<Format>::FindSlot(const Key& key) const {
  AtomicSlot* found = nullptr;
  VisitCandidates(key.hash, [&](AtomicSlot* atomic, uint64_t word) {
    const Slot slot(word);
    if (!slot.live() || slot.tag() != TagOf(key.hash) || !Matches(slot.at(), key)) return false;
    found = atomic;
    return true;
  });
  return found;
}

template <typename Format>
AtomicSlot* Shard<Format>::OwnerOf(uint64_t hash, Queue queue, Place place) const {
  AtomicSlot* owner = nullptr;
  VisitCandidates(hash, [&](AtomicSlot* atomic, uint64_t word) {
    const Slot slot(word);
    if (!slot.live() || slot.queue() != queue || slot.at() != place.at || slot.lap() != place.lap) return false;
    owner = atomic;
    return true;
  });
  return owner;
}

template <typename Format>
AtomicSlot* Shard<Format>::GhostOf(uint64_t hash) const {
  AtomicSlot* ghost = nullptr;
  const uint64_t appended = log(Queue::kSmall).appended();
  const uint64_t life = WithPolicy(policy_, [&](auto policy) { return policy.GhostLife(*this); });
  VisitCandidates(hash, [&](AtomicSlot* atomic, uint64_t word) {
    const Slot slot(word);
    if (slot.empty() || !slot.ghost() || slot.tag() != TagOf(hash)) return false;
    if (((appended - slot.stamp()) & Slot::kStampMask) > life) return false;
    ghost = atomic;
    return true;
  });
  return ghost;
}

// An empty slot of the bucket, or else the one whose ghost is the oldest; null when all are live.
template <typename Format>
AtomicSlot* Shard<Format>::FreeSlotIn(uint32_t number) const {
  AtomicSlot* oldest = nullptr;
  uint64_t oldest_age = 0;
  for (AtomicSlot& atomic : buckets_[number].slots) {
    const Slot slot(atomic.load(std::memory_order_relaxed));
    if (slot.empty()) return &atomic;
    if (!slot.ghost()) continue;
    const uint64_t age = (log(Queue::kSmall).appended() - slot.stamp()) & Slot::kStampMask;
    if (oldest == nullptr || age > oldest_age) {
      oldest = &atomic;
      oldest_age = age;
    }
  }
  return oldest;
}

// Frees a slot of a full bucket by moving an entry to its second bucket. Only entries that are in their first: readers
// look there first, so that whoever finds it moved away finds it moved to. Null: none has anywhere to go.
template <typename Format>
AtomicSlot* Shard<Format>::Displace(uint32_t number) const {
  AtomicSlot* const slots = buckets_[number].slots;
  for (size_t i = 0; i < kSlotsPerBucket; ++i) PrefetchEntry(slots[i]);
  for (size_t i = 0; i < kSlotsPerBucket; ++i) {
    const Slot slot(slots[i].load(std::memory_order_relaxed));
    uint64_t hash;
    if (LiveUnits(slot) == 0 || !HashAt(slot.at(), HeaderAt(slot.at()), &hash)) continue;
    const uint32_t second = SecondBucket(hash, bucket_count_);
    if (FirstBucket(hash, bucket_count_) != number || second == number) continue;
    AtomicSlot* to = FreeSlotIn(second);
    if (to == nullptr) continue;
    to->store(slot.word(), std::memory_order_release);
    slots[i].store(0, std::memory_order_release);
    FenceRelease();
    return &slots[i];
  }
  return nullptr;
}

// Of every live entry of the bucket, down to none. A reader that counts a hit at this moment may win: it is wanted.
inline void LowerPopularity(Bucket& bucket, uint32_t by) {
  for (AtomicSlot& atomic : bucket.slots) {
    uint64_t word = atomic.load(std::memory_order_relaxed);
    const Slot slot(word);
    const uint64_t less = std::min(by, slot.freq()) * Slot::kFreqOne;
    if (slot.live()) atomic.compare_exchange_strong(word, word - less, std::memory_order_relaxed);
  }
}

template <typename Format>
AtomicSlot* Shard<Format>::ChooseSlot(uint64_t hash) {
  if (AtomicSlot* ghost = GhostOf(hash)) return ghost;  // it has served
  // The first bucket while it has room: a lookup that needs the second waits for memory once more.
  const uint32_t candidates[2] = {FirstBucket(hash, bucket_count_), SecondBucket(hash, bucket_count_)};
  for (const uint32_t number : candidates) {
    if (AtomicSlot* free = FreeSlotIn(number)) return free;
  }
  for (const uint32_t number : candidates) {
    if (AtomicSlot* freed = Displace(number)) return freed;
  }
  AtomicSlot* victim = nullptr;
  uint32_t victim_rank = UINT32_MAX;
  for (const uint32_t number : candidates) {
    for (AtomicSlot& atomic : buckets_[number].slots) {
      const Slot slot(atomic.load(std::memory_order_relaxed));
      // Of two entries as popular, the one in the smaller queue goes.
      const uint32_t rank = slot.freq() * 4 + (slot.queue() == Queue::kMain ? 1 : 0);
      if (rank < victim_rank) {
        victim_rank = rank;
        victim = &atomic;
      }
    }
  }
  const Slot slot(victim->load(std::memory_order_relaxed));
  // As the hand of a clock that had to go round until it found this one. Popularity is lowered at a log's tail
  // otherwise, which hardly moves where the index is full and the arena is not: what was asked for often, once, would
  // have its place for ever. A flood of what nobody asks for again, whose own slots come first, lowers nothing.
  if (slot.freq() > 0) {
    for (const uint32_t number : candidates) LowerPopularity(buckets_[number], slot.freq());
  }
  header_->counters.index_evictions.Add();
  NoteDead(slot.queue(), slot.at(), LiveUnits(slot));
  victim->store(0, std::memory_order_relaxed);
  FenceRelease();
  return victim;
}

}  // namespace shardns::store
