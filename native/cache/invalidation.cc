// Invalidation records: open addressing, written under a lock, read without one.
#include "cache/invalidation.h"

namespace shardns::cache {

void InvalidationTable::Note(uint64_t hash) {
  ScopedLock lock(lock_);
  const uint32_t next = generation_.load(std::memory_order_relaxed) + 1;
  // Counted by steps, not by `records_` alone: in shared memory that may be anything.
  Record* place = nullptr;
  for (size_t i = hash % kSlots, n = 0; n < kSlots && records_ < kMaxRecords; ++n, i = (i + 1) % kSlots) {
    const uint64_t noted = records_table_[i].hash.load(std::memory_order_relaxed);
    if (noted != 0 && noted != hash) continue;
    place = &records_table_[i];
    if (noted == 0) ++records_;
    break;
  }
  if (place != nullptr) {
    place->generation.store(next, std::memory_order_relaxed);
    place->hash.store(hash, std::memory_order_release);
  } else {
    all_generation_.store(next, std::memory_order_release);
    for (Record& record : records_table_) {
      record.hash.store(0, std::memory_order_relaxed);
      record.generation.store(0, std::memory_order_relaxed);
    }
    records_ = 0;
  }
  generation_.store(next, std::memory_order_release);
}

void InvalidationTable::ForgetAll() {
  ScopedLock lock(lock_);
  const uint32_t next = generation_.load(std::memory_order_relaxed) + 1;
  all_generation_.store(next, std::memory_order_release);
  generation_.store(next, std::memory_order_release);
}

bool InvalidationTable::NotedSince(uint64_t hash, uint32_t generation) const {
  for (size_t i = hash % kSlots, n = 0; n < kSlots; ++n, i = (i + 1) % kSlots) {
    const uint64_t noted = records_table_[i].hash.load(std::memory_order_acquire);
    if (noted == 0) return false;
    if (noted == hash) {
      return static_cast<int32_t>(records_table_[i].generation.load(std::memory_order_relaxed) - generation) > 0;
    }
  }
  return false;
}

bool InvalidationTable::Forgotten(const HashSecret& secret, const Key& key, uint32_t entry_generation) const {
  if (static_cast<int32_t>(all_generation_.load(std::memory_order_acquire) - entry_generation) > 0) return true;
  if (NotedSince(HashOf(secret, key.name_bytes(), kName), entry_generation)) return true;
  for (size_t at = 0; at < key.name_length; at += 1u + key.name[at]) {
    if (NotedSince(HashOf(secret, key.name_bytes().subspan(at), kSuffix), entry_generation)) return true;
    if (key.name[at] == 0) break;
  }
  uint32_t tenant = 0;
  if (key.extra_length >= 4) std::memcpy(&tenant, key.extra, 4);
  return tenant != 0 && NotedSince(TenantHash(secret, tenant), entry_generation);
}

}  // namespace shardns::cache
