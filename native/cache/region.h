// One fixed block of memory that holds a whole cache: superblock, shard headers, and per shard an index and an arena.
// Everything is found by offset from its base, never by pointer.
#pragma once
#include <memory>

#include "cache/invalidation.h"
#include "cache/log.h"

namespace shardns::cache {

enum class PolicyKind : uint32_t { kS3Fifo = 0, kLru = 1 };

struct RegionOptions {
  size_t bytes = size_t{64} << 20;
  uint32_t shards = 0;  // 0: one per 4 MiB, at most 64
  PolicyKind policy = PolicyKind::kS3Fifo;
  // Sizes the index. Smaller answers than this leave arena unused, greater ones leave index unused (as ghosts).
  uint32_t average_entry_bytes = 184;
  uint64_t seed = 0;
};

inline constexpr size_t kMinRegionBytes = size_t{1} << 20;
inline constexpr size_t kMinShardBytes = size_t{1} << 20;
inline constexpr size_t kMaxShardBytes = size_t{8} << 30;
inline constexpr uint64_t kRegionMagic = 0x31304e4452414853u;  // "SHARDN01"
inline constexpr uint32_t kLayoutVersion = 1;

struct alignas(64) Superblock {
  uint64_t magic;
  uint32_t layout_version;
  uint32_t header_bytes;
  uint64_t region_bytes;
  uint64_t shard_bytes;
  uint32_t shards;
  uint32_t buckets_per_shard;
  PolicyKind policy;
  uint32_t reserved;
  HashSecret secret;
  // The latest expiry of any stored failure: without one alive, a miss need not look for it.
  std::atomic<Ticks> failures_until;
  std::atomic<uint32_t> any_failure;
  // Subnet scopes in use, a bit a prefix length: IPv4 in the first word, IPv6 in the other three.
  std::atomic<uint64_t> scopes[4];
  InvalidationTable invalidations;
};

// The writer's side of the statistics; readers count for themselves (reader.h).
struct ShardCounters {
  Counter inserts;
  Counter updates;
  Counter evictions[kQueues];
  Counter index_evictions;
  Counter expired;  // reclaimed past their time
  Counter removed;
  Counter reinsertions;
  Counter promotions;
  Counter entries;
  Counter live_bytes;
  Counter rebuilds;  // shards begun anew because what they held could not be right
};

struct alignas(64) ShardHeader {
  FutexLock lock;
  std::atomic<Ticks> stale_window;
  uint32_t index_units;  // where the arena begins, in units from the shard's base
  Log logs[kQueues];
  uint32_t newest[kQueues];  // lru lists, in units; 0 = none
  uint32_t oldest[kQueues];
  uint32_t live_units[kQueues];
  ShardCounters counters;
};

// What of a superblock is followed, in memory of our own: read once, checked, and never read again.
struct Layout {
  uint64_t region_bytes;
  uint64_t shard_bytes;
  uint32_t shards;
  uint32_t buckets_per_shard;
  PolicyKind policy;

  // Units from a shard's base.
  uint32_t arena_begin() const {
    return static_cast<uint32_t>((sizeof(ShardHeader) + size_t{buckets_per_shard} * sizeof(Bucket)) / kUnit);
  }
  uint32_t arena_end() const { return static_cast<uint32_t>(shard_bytes / kUnit); }
  uint8_t* ShardBase(uint8_t* base, uint32_t shard) const;
};

// The memory of a cache: its own, or somebody else's that outlives it.
class Region {
 public:
  // Anonymous memory, given back on destruction. Pages are touched as they fill.
  static std::unique_ptr<Region> Create(const RegionOptions& options);
  // Lays out zeroed memory of somebody else's, as much of it as is aligned; options.bytes is ignored.
  static std::unique_ptr<Region> CreateIn(MutableBytes memory, RegionOptions options);
  // Memory that another has laid out; null with the reason when it is not what it should be.
  static std::unique_ptr<Region> Attach(MutableBytes memory, const char** problem);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  uint8_t* base() const { return base_; }
  const Layout& layout() const { return layout_; }

 private:
  Region(uint8_t* base, size_t owned_bytes) : base_(base), owned_bytes_(owned_bytes) {}
  uint8_t* base_;
  Layout layout_ = {};
  size_t owned_bytes_;  // 0: somebody else's
};

// Lays out zeroed memory. False when `bytes` is too small for what is asked.
bool FormatRegion(uint8_t* base, const RegionOptions& options);

// The range of a queue's log within a shard, in units from its base.
struct LogRange {
  uint32_t begin;
  uint32_t end;
};
LogRange RangeOf(PolicyKind policy, uint32_t arena_begin, uint32_t arena_end, size_t queue);

// What is wrong with memory that should hold a region; null = nothing, and `layout` is filled.
const char* CheckRegion(uint8_t* base, size_t bytes, Layout* layout);

inline Superblock* SuperblockOf(uint8_t* base) { return reinterpret_cast<Superblock*>(base); }

}  // namespace shardns::cache
