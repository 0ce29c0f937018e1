// The shards of one region, and the statistics of those who read them: what every cache is made of, whatever its
// entries are.
#pragma once
#include <algorithm>
#include <vector>

#include "base/guarded.h"
#include "store/shard.h"

namespace shardns::store {

struct Stats {
  uint64_t hits_positive, hits_negative, hits_failure, hits_stale, misses, refreshes, retries;
  uint64_t inserts, updates, evictions_small, evictions_main, evictions_negative, evictions_index, expired, removed;
  uint64_t reinsertions, promotions, entries, live_bytes, rebuilds, recoveries, stale_after_miss;
};

template <typename Format>
class Stripes {
 public:
  using ShardType = Shard<Format>;
  static constexpr RegionKind kKind = Format::kKind;

  // A cache over that region; null if there is none.
  template <typename Cache>
  static std::unique_ptr<Cache> Over(std::unique_ptr<Region> region) {
    return region == nullptr ? nullptr : std::make_unique<Cache>(std::move(region));
  }

  // A thread's statistics; valid as long as the cache. At most 256, then the last one is shared.
  Reader* NewReader() {
    constexpr size_t kMaxReaders = 256;
    auto readers = readers_.Lock();
    if (readers->size() < kMaxReaders) {
      readers->push_back(std::make_unique<Reader>(shards(), secret().words[0] + readers->size()));
    }
    return readers->back().get();
  }

  void ForgetAll() { invalidations_.ForgetAll(); }

  // The region's time, in milliseconds; `monotonic_ms` from a clock that has just been read.
  uint64_t NowMs(uint64_t monotonic_ms) const {
    return monotonic_ms + region_->clock_offset_ms() + clock_shift_ms_.load(std::memory_order_relaxed);
  }
  // Moves time for this object: tests do, nothing else does.
  void ShiftClock(uint64_t ms) { clock_shift_ms_.store(ms, std::memory_order_relaxed); }

  uint32_t shards() const { return static_cast<uint32_t>(shards_.size()); }
  ShardType& shard(uint32_t number) { return shards_[number]; }
  const ShardType& shard(uint32_t number) const { return shards_[number]; }
  const Region& region() const { return *region_; }
  size_t region_bytes() const { return region_->layout().region_bytes; }
  PolicyKind policy() const { return region_->layout().policy; }
  const HashSecret& secret() const { return region_->layout().secret; }
  uint32_t generation() const { return invalidations_.generation(); }

  Stats ShardStats(uint32_t number) const {
    Stats stats = {};
    {
      auto readers = readers_.Lock();
      for (const auto& reader : *readers) {
        const ReaderCounters& counters = reader->of(number);
        stats.hits_positive += counters.hits_positive.Get();
        stats.hits_negative += counters.hits_negative.Get();
        stats.hits_failure += counters.hits_failure.Get();
        stats.hits_stale += counters.hits_stale.Get();
        stats.misses += counters.misses.Get();
        stats.stale_after_miss += counters.stale_after_miss.Get();
        stats.refreshes += counters.refreshes.Get();
        stats.retries += counters.retries.Get();
      }
    }
    const ShardCounters& counters = shards_[number].counters();
    stats.inserts = counters.inserts.Get();
    stats.updates = counters.updates.Get();
    stats.evictions_small = counters.evictions[0].Get();
    stats.evictions_main = counters.evictions[1].Get();
    stats.evictions_negative = counters.evictions[2].Get();
    stats.evictions_index = counters.index_evictions.Get();
    stats.expired = counters.expired.Get();
    stats.removed = counters.removed.Get();
    stats.reinsertions = counters.reinsertions.Get();
    stats.promotions = counters.promotions.Get();
    stats.entries = counters.entries.Get();
    stats.live_bytes = counters.live_bytes.Get();
    stats.rebuilds = counters.rebuilds.Get();
    stats.recoveries = counters.recoveries.Get();
    return stats;
  }
  Stats TotalStats() const {
    Stats total = {};
    for (uint32_t i = 0; i < shards(); ++i) {
      const Stats one = ShardStats(i);
      const uint64_t* from = reinterpret_cast<const uint64_t*>(&one);
      uint64_t* to = reinterpret_cast<uint64_t*>(&total);
      for (size_t word = 0; word < sizeof(Stats) / sizeof(uint64_t); ++word) to[word] += from[word];
    }
    return total;
  }
  bool CheckInvariants() const {
    return std::all_of(shards_.begin(), shards_.end(), [](const ShardType& shard) { return shard.CheckInvariants(); });
  }

 protected:
  explicit Stripes(std::unique_ptr<Region> region)
      : region_(std::move(region)),
        super_(SuperblockOf(region_->base())),
        shard_mask_(region_->layout().shards - 1),
        invalidations_(region_->layout().Invalidations(region_->base())) {
    const uint32_t count = region_->layout().shards;
    shards_.reserve(count);
    for (uint32_t i = 0; i < count; ++i) shards_.emplace_back(*region_, i);
  }
  const ShardType& shard_of(const typename Format::Key& key) const { return shards_[ShardOf(key.hash, shard_mask_)]; }
  ShardType& shard_of(const typename Format::Key& key) { return shards_[ShardOf(key.hash, shard_mask_)]; }

  std::unique_ptr<Region> region_;
  Superblock* super_;
  std::vector<ShardType> shards_;
  uint32_t shard_mask_;
  InvalidationTable invalidations_;
  std::atomic<uint64_t> clock_shift_ms_{0};
  mutable Guarded<std::vector<std::unique_ptr<Reader>>> readers_;
};

}  // namespace shardns::store
