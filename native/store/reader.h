// A reader's own statistics: one block a thread, so that a hit writes no line another core reads. Whoever creates a
// reader registers it with the cache, which adds them up.
#pragma once
#include <memory>

#include "base/counters.h"

namespace shardns::store {

struct ReaderCounters {
  Counter hits_positive;
  Counter hits_negative;
  Counter hits_failure;
  Counter hits_stale;
  Counter misses;
  Counter stale_after_miss;  // of hits_stale: the question had been counted as a miss before
  Counter refreshes;
  Counter retries;  // lock-free reads that had to be repeated
};

class Reader {
 public:
  explicit Reader(uint32_t shards, uint64_t seed)
      : shards_(shards), counters_(new ReaderCounters[shards]), random_(seed | 1) {}
  ReaderCounters& of(uint32_t shard) { return counters_[shard]; }
  const ReaderCounters& of(uint32_t shard) const { return counters_[shard]; }
  uint32_t shards() const { return shards_; }

  // xorshift64* (Vigna 2016): for early refresh and rotation, nothing that must be unpredictable.
  uint32_t Random() {
    random_ ^= random_ >> 12;
    random_ ^= random_ << 25;
    random_ ^= random_ >> 27;
    return static_cast<uint32_t>(random_ * 0x2545F4914F6CDD1Du >> 32);
  }

 private:
  uint32_t shards_;
  std::unique_ptr<ReaderCounters[]> counters_;
  uint64_t random_;
};

}  // namespace shardns::store
