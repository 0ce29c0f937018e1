// The cache's public face: raw query octets in, complete reply out; raw upstream response in, status out.
//
// Threads: Answer and AnswerBatch may run on any number of threads, each with its own Reader. Insert, Remove and the
// Forget family may run on any thread too; they lock the shard they touch.
#pragma once
#include <vector>

#include "base/guarded.h"
#include "cache/prepare.h"
#include "cache/shard.h"
#include "wire/reply_patch.h"

namespace shardns::cache {

// What may change while the cache serves. Plain words, read relaxed: a reader may see a mix of old and new for one
// query, which is harmless.
struct Tunables {
  std::atomic<uint32_t> stale_window_seconds{0};  // RFC 8767 section 5: 1 to 3 days; 0 = no stale answers
  std::atomic<uint32_t> stale_ttl_seconds{30};    // RFC 8767 section 4
  // Prefetch when less than this share (of 256) of the TTL is left, by popularity 0 to 3.
  std::atomic<uint32_t> prefetch_share[4]{};
  // Probabilistic early refresh: probability exp(-remaining / beta); 0 = off (Vattani et al., VLDB 2015).
  std::atomic<uint32_t> early_refresh_beta_ticks{0};
  std::atomic<uint32_t> udp_size{1232};  // RFC 9715 section 3.1
  std::atomic<bool> rotate{false};
  // Added to the monotonic clock by whoever asks it the time: tests move time with it, nothing else does.
  std::atomic<uint64_t> clock_shift_ms{0};
  std::atomic<bool> client_subnet{false};  // answer by RFC 7871 scopes; else the option is ignored
};

enum class Outcome : uint8_t { kHit, kStaleHit, kFailureHit, kMiss };

struct Answer {
  Outcome outcome = Outcome::kMiss;
  bool refresh = false;    // this hit was chosen to ask for a refresh; once per entry
  bool has_stale = false;  // a miss for which a stale answer could be served
  size_t length = 0;
};

struct AnswerArgs {
  const wire::Query& query;
  Ticks now;
  uint32_t tenant = 0;
  bool udp = true;
  bool allow_stale = false;  // answer from an expired entry at once
  const wire::ClientSubnet* reply_subnet = nullptr;
};

struct InsertArgs {
  PrepareArgs prepare = {};
  Variant variant = {};
  Ticks now = 0;
};

struct FailureArgs {
  Bytes folded_name = {};
  uint16_t type = 0;
  Variant variant = {};
  uint32_t ttl_seconds = 5;
  uint16_t rcode = wire::rcode::kServFail;
  Ticks now = 0;
};

struct Stats {
  uint64_t hits_positive, hits_negative, hits_failure, hits_stale, misses, refreshes, retries;
  uint64_t inserts, updates, evictions_small, evictions_main, evictions_negative, evictions_index, expired, removed;
  uint64_t reinsertions, promotions, entries, live_bytes, rebuilds;
};

class Cache {
 public:
  // Takes all its memory at once. Null when the options do not fit (RegionOptions).
  static std::unique_ptr<Cache> Create(const RegionOptions& options);
  // The same in memory of somebody else's (zeroed), and over memory that another cache has laid out.
  static std::unique_ptr<Cache> CreateIn(MutableBytes memory, const RegionOptions& options);
  static std::unique_ptr<Cache> Attach(MutableBytes memory, const char** problem);

  // A thread's statistics; valid as long as the cache. At most 256, then the last one is shared.
  Reader* NewReader();

  // Builds the reply to a query whose verdict is kAnswer. `out` must have kLooseSlack octets more than the reply may
  // take; 65535 + kLooseSlack serves everything.
  // `answer` is written in place: a struct of small fields returned in registers would be read back too soon.
  void AnswerQuery(const AnswerArgs& args, Reader* reader, MutableBytes out, Answer* answer) const;
  // Computes the key ahead and asks memory for the index lines, so that a batch waits for memory once.
  void PrefetchQuery(const wire::Query& query, uint32_t tenant, Key* key) const;
  void PrefetchEntry(const Key& key) const { shard_of(key).PrefetchEntry(key); }
  void AnswerPrefetched(const AnswerArgs& args, const Key& key, Reader* reader, MutableBytes out, Answer* answer) const;

  Status Insert(const InsertArgs& args, PrepareScratch* scratch, EntryImage* image);
  Status InsertFailure(const FailureArgs& args);
  bool Remove(Bytes folded_name, uint16_t type, const Variant& variant);

  // The stored message of a key, TTLs aged, without touching statistics; 0 = none. `remaining_ticks` may be negative.
  struct Peeked {
    size_t length = 0;
    int32_t remaining_ticks = 0;
    uint32_t freq = 0;
  };
  Peeked Peek(Bytes folded_name, uint16_t type, const Variant& variant, Ticks now, MutableBytes out) const;

  void ForgetName(Bytes folded_name) { super_->invalidations.ForgetName(super_->secret, folded_name); }
  void ForgetSuffix(Bytes folded_suffix) { super_->invalidations.ForgetSuffix(super_->secret, folded_suffix); }
  void ForgetTenant(uint32_t tenant) { super_->invalidations.ForgetTenant(super_->secret, tenant); }
  void ForgetAll() { super_->invalidations.ForgetAll(); }

  // The time now, in ticks; `monotonic_ms` from a clock that has just been read.
  Ticks NowTicks(uint64_t monotonic_ms) const {
    return TicksFromMs(monotonic_ms + tunables_.clock_shift_ms.load(std::memory_order_relaxed));
  }
  Tunables& tunables() { return tunables_; }
  const Tunables& tunables() const { return tunables_; }
  void SetStaleWindow(uint32_t seconds);

  uint32_t shards() const { return static_cast<uint32_t>(shards_.size()); }
  Shard& shard(uint32_t number) { return shards_[number]; }
  size_t region_bytes() const { return region_->layout().region_bytes; }
  PolicyKind policy() const { return region_->layout().policy; }
  const HashSecret& secret() const { return super_->secret; }
  Stats ShardStats(uint32_t number) const;
  Stats TotalStats() const;
  bool CheckInvariants() const;

 private:
  explicit Cache(std::unique_ptr<Region> region);

  const Shard& shard_of(const Key& key) const { return shards_[ShardOf(key.hash, shard_mask_)]; }
  Variant VariantOf(const wire::Query& query, uint32_t tenant) const;
  bool ChooseRefresh(const Found& found, int32_t remaining, Reader* reader) const;
  bool Forgotten(const Found& found, const Key& key) const;

  std::unique_ptr<Region> region_;
  Superblock* super_;
  std::vector<Shard> shards_;
  uint32_t shard_mask_;
  Tunables tunables_;
  mutable Guarded<std::vector<std::unique_ptr<Reader>>> readers_;
};

}  // namespace shardns::cache
