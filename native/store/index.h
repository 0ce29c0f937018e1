// The index: 64-byte buckets of 8 slots, two candidate buckets a key. A slot is one atomic word, and is all that a
// reader ever writes. Freed slots keep the ghosts of evicted entries until a live entry wants the place.
//
// Reading without a lock: load slot (acquire) - copy the entry - fence(acquire) - load slot again. Writers change the
// slot before they reuse the entry's octets (store, fence(release), write), so an unchanged slot means an unchanged
// entry. The lap count in the slot makes "unchanged" exact: the same word can come back only after 2047 laps of a log.
#pragma once
#include <atomic>

#include "base/clock.h"
#include "base/hash.h"
#include "base/racy.h"
#include "base/status.h"
#include "store/block.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace shardns::store {

enum class Queue : uint8_t { kSmall = 0, kMain = 1, kNegative = 2, kGhost = 3 };
inline constexpr size_t kQueues = 3;  // ghosts have no log

//  63      48    46        45      43    32          0
//  | tag   | freq | refresh | queue | lap | at (units) |      a live entry
//  | tag   |   0  |    0    |   3   | stamp (43 bits)  |      a ghost
class Slot {
 public:
  static constexpr int kTagShift = 48;
  static constexpr int kFreqShift = 46;
  static constexpr int kQueueShift = 43;
  static constexpr uint64_t kRefreshBit = uint64_t{1} << 45;
  static constexpr uint64_t kFreqOne = uint64_t{1} << kFreqShift;
  static constexpr uint64_t kStampMask = (uint64_t{1} << kQueueShift) - 1;
  static constexpr uint32_t kMaxFreq = 3;
  static constexpr uint32_t kLapMask = 0x7FF;

  constexpr Slot() = default;
  constexpr explicit Slot(uint64_t word) : word_(word) {}
  static constexpr Slot Live(uint16_t tag, Queue queue, uint32_t lap, uint32_t at, uint32_t freq) {
    return Slot(uint64_t{tag} << kTagShift | uint64_t{freq} << kFreqShift |
                static_cast<uint64_t>(queue) << kQueueShift | uint64_t{lap} << 32 | at);
  }
  static constexpr Slot Ghost(uint16_t tag, uint64_t stamp) {
    return Slot(uint64_t{tag} << kTagShift | static_cast<uint64_t>(Queue::kGhost) << kQueueShift |
                (stamp & kStampMask));
  }

  constexpr uint64_t word() const { return word_; }
  constexpr bool empty() const { return word_ == 0; }
  constexpr uint16_t tag() const { return static_cast<uint16_t>(word_ >> kTagShift); }
  constexpr uint32_t freq() const { return (word_ >> kFreqShift) & 3; }
  constexpr bool refresh_posted() const { return (word_ & kRefreshBit) != 0; }
  constexpr Queue queue() const { return static_cast<Queue>((word_ >> kQueueShift) & 3); }
  constexpr bool ghost() const { return queue() == Queue::kGhost; }
  constexpr bool live() const { return !empty() && !ghost(); }
  constexpr uint32_t lap() const { return (word_ >> 32) & kLapMask; }
  constexpr uint32_t at() const { return static_cast<uint32_t>(word_); }
  constexpr uint64_t stamp() const { return word_ & kStampMask; }
  // Same entry at the same place, whatever readers noted in the meantime.
  constexpr bool SamePlace(Slot other) const {
    constexpr uint64_t kReaders = kRefreshBit | uint64_t{3} << kFreqShift;
    return ((word_ ^ other.word_) & ~kReaders) == 0;
  }

 private:
  uint64_t word_ = 0;
};

using AtomicSlot = std::atomic<uint64_t>;
inline constexpr size_t kSlotsPerBucket = 8;
struct alignas(64) Bucket {
  AtomicSlot slots[kSlotsPerBucket];
};
static_assert(sizeof(Bucket) == 64 && AtomicSlot::is_always_lock_free);

inline uint16_t TagOf(uint64_t hash) { return static_cast<uint16_t>(hash); }
// Maps 32 uniform bits to [0, n) without a division (Lemire, "Fast random integer generation in an interval", 2019).
inline uint32_t Spread(uint32_t bits, uint32_t n) { return static_cast<uint32_t>((uint64_t{bits} * n) >> 32); }
inline uint32_t FirstBucket(uint64_t hash, uint32_t buckets) {
  return Spread(static_cast<uint32_t>(hash >> 24), buckets);
}
inline uint32_t SecondBucket(uint64_t hash, uint32_t buckets) {
  return Spread(static_cast<uint32_t>(hash * 0x9E3779B97F4A7C15u >> 32), buckets);
}
// The top octet chooses the shard; buckets use the bits below it.
inline constexpr uint32_t kMaxShards = 256;
inline uint32_t ShardOf(uint64_t hash, uint32_t shard_mask) { return static_cast<uint32_t>(hash >> 56) & shard_mask; }

// Bit i for each slot i of the bucket whose tag equals `tag`; ghosts and empty slots included.
inline uint32_t SlotOfMatch(uint32_t matches) { return static_cast<uint32_t>(__builtin_ctz(matches)); }
inline uint32_t MatchTags(const Bucket& bucket, uint16_t tag) {
#if defined(__SSE2__) && !defined(SHARDNS_TSAN)
  // A hint only: whoever follows it loads the slot again, atomically. The tag is the upper half of a slot's upper
  // half: shuffles gather the upper halves, shifts and a saturating pack (of what fits) the tags.
  const __m128* words = reinterpret_cast<const __m128*>(&bucket);
  const auto four = [&](int i) {
    const __m128 upper = _mm_shuffle_ps(words[i], words[i + 1], _MM_SHUFFLE(3, 1, 3, 1));
    return _mm_srai_epi32(_mm_castps_si128(upper), 16);
  };
  const __m128i tags = _mm_packs_epi32(four(0), four(2));
  const __m128i equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(static_cast<int16_t>(tag)));
  return static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
#else
  uint32_t found = 0;
  for (uint32_t i = 0; i < kSlotsPerBucket; ++i) {
    const uint64_t word = bucket.slots[i].load(std::memory_order_relaxed);
    found |= static_cast<uint32_t>((word >> Slot::kTagShift) == tag) << i;
  }
  return found;
#endif
}

}  // namespace shardns::store
