// One fixed block of memory that holds a whole cache: superblock, shard headers, and per shard an index and an arena.
// Everything is found by offset from its base, never by pointer.
#pragma once
#include <memory>
#include <type_traits>

#include "base/counters.h"
#include "store/clock_anchor.h"
#include "store/frequency_sketch.h"
#include "store/invalidation.h"
#include "store/mapped_file.h"
#include "store/policy.h"

namespace shardns::store {

// What the entries are: each kind has a format of its own.
enum class RegionKind : uint32_t { kAnswers = 0, kBytes = 1 };

struct RegionOptions {
  size_t bytes = size_t{64} << 20;
  uint32_t shards = 0;  // 0: one per 4 MiB, at most 64
  PolicyKind policy = PolicyKind::kS3Fifo;
  RegionKind kind = RegionKind::kAnswers;
  // Sizes the index. Smaller answers than this leave arena unused, greater ones leave index unused (as ghosts).
  uint32_t average_entry_bytes = 184;
  uint64_t seed = 0;
  uint64_t configuration = 0;  // see Superblock; 0 = whatever it is
};

inline constexpr size_t kMinRegionBytes = size_t{1} << 20;
inline constexpr size_t kMinShardBytes = size_t{1} << 20;
inline constexpr size_t kMaxShardBytes = size_t{8} << 30;
inline constexpr uint64_t kRegionMagic = 0x31304e4452414853u;  // "SHARDN01"
inline constexpr uint32_t kLayoutVersion = 4;

inline constexpr size_t kFormatOctets = 64;

struct alignas(64) Superblock {
  uint64_t magic;
  uint32_t layout_version;
  uint32_t header_bytes;
  uint64_t region_bytes;
  uint64_t shard_bytes;
  uint32_t shards;
  uint32_t buckets_per_shard;
  PolicyKind policy;
  RegionKind kind;
  HashSecret secret;
  // In a file: the region's time is the monotonic clock plus this, so that it goes on over restarts of the machine.
  ClockAnchor clock;
  // Words of the format's own (FormatWords).
  alignas(8) uint8_t format[kFormatOctets];
  // How long past its time an entry is kept before a log's tail may drop it, in the format's units of time.
  std::atomic<uint32_t> stale_window;
  // What decides who may be told what, as a hash: entries are for those that have declared the same. 0 = nobody has.
  std::atomic<uint64_t> configuration;
  OpeningsHead openings;
  InvalidationTable::Head invalidations;
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
  Counter rebuilds;    // shards begun anew because what they held could not be right
  Counter recoveries;  // shards put in order after a writer died
};

struct alignas(64) ShardHeader {
  FutexLock lock;
  Log logs[kQueues];
  FrequencySketch::Head sketch;
  uint32_t newest[kQueues];  // recency lists, in units; 0 = none
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
  RegionKind kind;
  HashSecret secret;

  // A shard is its header, the index, the sketch of a policy that counts, and the arena.
  size_t sketch_octets() const;
  // Units from a shard's base.
  uint32_t arena_begin() const {
    return static_cast<uint32_t>((sizeof(ShardHeader) + size_t{buckets_per_shard} * sizeof(Bucket) + sketch_octets()) /
                                 kUnit);
  }
  uint32_t arena_end() const { return static_cast<uint32_t>(shard_bytes / kUnit); }
  // From the region's beginning: superblock and places of invalidations, then the shards.
  size_t header_bytes() const;
  uint8_t* ShardBase(uint8_t* base, uint32_t shard) const { return base + header_bytes() + shard_bytes * shard; }
  InvalidationTable Invalidations(uint8_t* base) const;
};

// The memory of a cache: its own, or somebody else's that outlives it.
class Region {
 public:
  // Anonymous memory, given back on destruction. Pages are touched as they fill.
  static std::unique_ptr<Region> Create(const RegionOptions& options);
  // Lays out zeroed memory of somebody else's, as much of it as is aligned; options.bytes is ignored.
  static std::unique_ptr<Region> CreateIn(MutableBytes memory, RegionOptions options);
  // Memory that another has laid out; null with the reason when it is not what it should be.
  static std::unique_ptr<Region> Attach(MutableBytes memory, RegionKind kind, const char** problem);
  // A file that processes share: laid out if it is new, attached to if it holds a region already.
  struct FileOptions {
    const char* path;
    // Zero in `shards`: whatever the file has.
    RegionOptions region;
    bool any_size = false;    // of a file that is there
    bool any_policy = false;  // the same
    bool recreate = false;    // replace a file that cannot be attached to
    // What is said of a file with another `region.configuration`.
    const char* other_configuration = "it belongs to another configuration";
    uint64_t monotonic_ms;
    uint64_t wall_ms;
  };
  static std::unique_ptr<Region> Open(const FileOptions& options, FileProblem* problem);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;
  uint8_t* base() const { return base_; }
  const Layout& layout() const { return layout_; }
  LockHolder holder() const { return file_ ? file_->holder() : LockHolder{}; }
  uint64_t clock_offset_ms() const { return clock_offset_ms_; }
  // Null unless it lies in a file.
  MappedFile* file() const { return file_.get(); }

 private:
  Region(uint8_t* base, size_t owned_bytes) : base_(base), owned_bytes_(owned_bytes) {}
  void ForgetEverything();
  bool Settle(const FileOptions& options, MappedFile* file, FileProblem* problem);
  uint8_t* base_;
  Layout layout_ = {};
  size_t owned_bytes_;  // 0: somebody else's
  uint64_t clock_offset_ms_ = 0;
  std::unique_ptr<MappedFile> file_;
};

// Lays out zeroed memory. False when `bytes` is too small for what is asked.
bool FormatRegion(uint8_t* base, const RegionOptions& options);

// The range of a queue's log within a shard, in units from its base.
struct LogRange {
  uint32_t begin;
  uint32_t end;
};
LogRange RangeOf(const Layout& layout, size_t queue);

// What is wrong with memory that should hold a region of that kind; null = nothing, and `layout` is filled.
const char* CheckRegion(uint8_t* base, size_t bytes, RegionKind kind, Layout* layout);

inline Superblock* SuperblockOf(uint8_t* base) { return reinterpret_cast<Superblock*>(base); }

// What a format keeps for the whole region: words that are right when they are zero, changed atomically.
template <typename Words>
Words* FormatWords(Superblock* super) {
  static_assert(sizeof(Words) <= kFormatOctets && alignof(Words) <= 8 && std::is_trivially_destructible_v<Words>);
  return reinterpret_cast<Words*>(super->format);
}

}  // namespace shardns::store
