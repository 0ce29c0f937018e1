// Invalidation by epoch: every entry carries the generation it was stored in; forgetting a name, a subtree, a tenant
// or everything notes one record and raises the generation. Entries older than the generation look for a record that
// names them; nothing is walked.
//
// Bound: 768 records. One more forgets everything older instead, which is always safe.
#pragma once
#include "base/counters.h"
#include "base/futex_lock.h"
#include "cache/key.h"

namespace shardns::cache {

class InvalidationTable {
 public:
  uint32_t generation() const { return generation_.load(std::memory_order_acquire); }

  void ForgetName(const HashSecret& secret, Bytes folded_name) { Note(HashOf(secret, folded_name, kName)); }
  void ForgetSuffix(const HashSecret& secret, Bytes folded_suffix) { Note(HashOf(secret, folded_suffix, kSuffix)); }
  void ForgetTenant(const HashSecret& secret, uint32_t tenant) { Note(TenantHash(secret, tenant)); }
  void ForgetAll();

  // Whether an entry of that generation, which is older than the current one, has been forgotten since.
  bool Forgotten(const HashSecret& secret, const Key& key, uint32_t entry_generation) const;

 private:
  enum Kind : uint64_t { kName = 1, kSuffix = 2, kTenant = 3 };
  static constexpr size_t kSlots = 1024;
  static constexpr uint32_t kMaxRecords = 768;

  static uint64_t HashOf(const HashSecret& secret, Bytes octets, Kind kind) {
    return KeyedHash(secret, octets.data(), octets.size(), uint64_t{kind} << 32) | 1;
  }
  static uint64_t TenantHash(const HashSecret& secret, uint32_t tenant) {
    uint8_t octets[4];
    std::memcpy(octets, &tenant, 4);
    return HashOf(secret, octets, kTenant);
  }
  void Note(uint64_t hash);
  bool NotedSince(uint64_t hash, uint32_t generation) const;

  FutexLock lock_;
  uint32_t records_ = 0;
  std::atomic<uint32_t> generation_{1};
  std::atomic<uint32_t> all_generation_{0};
  struct Record {
    std::atomic<uint64_t> hash{0};
    std::atomic<uint32_t> generation{0};
  };
  Record records_table_[kSlots];
};

}  // namespace shardns::cache
