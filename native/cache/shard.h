// One stripe of the cache: an index, its logs, one writer lock.
//
// Lock order: a shard's lock is the only one held, except that InvalidationTable locks by itself, never inside.
// Without the lock: Find() under s3fifo. It is safe because it trusts nothing it reads (every offset is checked before
// the copy) and believes the copy only when the slot word it started from has not changed (index.h).
#pragma once
#include "base/status.h"
#include "cache/reader.h"
#include "cache/region.h"

namespace shardns::cache {

// What a lookup found, copied out. `length` may exceed what was copied: then only header and question are there.
struct Found {
  EntryHeader header;
  uint32_t freq = 0;
  AtomicSlot* slot = nullptr;
  uint64_t slot_word = 0;
  bool found = false;
};

struct FindArgs {
  const Key& key;
  // Ages TTLs while the entry is still readable; false = leave the message as stored.
  bool age_ttls = true;
  Ticks now;
  Ticks stale_window = 0;  // an entry expired for longer is not found
  uint32_t stale_ttl_seconds = 30;
};

class alignas(64) Shard {
 public:
  // Views the shard's part of a formatted region.
  Shard(uint8_t* region_base, const Layout& layout, uint32_t number);

  // Copies the entry of `key` to `out` and ages it. `out` must have kLooseSlack octets to spare.
  // `found` is written in place: returning it would copy a struct of small fields that were stored a moment ago.
  void Find(const FindArgs& args, MutableBytes out, ReaderCounters* counters, Found* found) const;

  // Stores the image. Replaces an entry of the same key, keeping its popularity.
  Status Insert(const EntryImage& image, const Key& key, Ticks now, uint32_t generation);
  bool Remove(const Key& key);

  void Prefetch(const Key& key) const { __builtin_prefetch(&buckets_[FirstBucket(key.hash, bucket_count_)]); }
  void PrefetchEntry(const Key& key) const;

  const ShardCounters& counters() const { return header_->counters; }
  // How long past its time an entry is kept as a stale answer before the log's tail may drop it.
  void set_stale_window(Ticks window) { header_->stale_window.store(window, std::memory_order_relaxed); }

  // Whether index, logs and lists agree; walks everything. For tests.
  bool CheckInvariants() const;
  // Octets of live entries (without padding), of the arena, and of the index.
  struct Space {
    uint64_t live_octets, live_units, arena_octets, index_octets, entries, message_octets;
  };
  Space MeasureSpace() const;

  // Calls visit(header, message) for each live entry, under the lock.
  template <typename Visit>
  void ForEach(Visit visit) const;

  // Writes a record for each live entry from bucket `from` on, as long as whole buckets fit; for inspection. Returns
  // the bucket to go on with: bucket_count() when all are done.
  //  0        4                 8        10      11     12     14              15
  //  | octets | remaining ticks | length | flags | freq | type | name's length | tenant etc.: length |  name, extra
  // and is padded to 4. At least kMostListed octets of `out` are needed.
  static constexpr size_t kListHead = 16;
  static constexpr size_t kMostListed = kSlotsPerBucket * (kListHead + wire::kMaxNameSize + kMaxExtra + 4);
  uint32_t List(uint32_t from, Ticks now, MutableBytes out, size_t* written) const;
  uint32_t bucket_count() const { return bucket_count_; }

 private:
  friend class S3FifoPolicy;
  friend class LruPolicy;

  // A main queue with more than this free has never been full.
  static constexpr uint32_t kSpareUnits = 3 * 4096 / kUnit;

  // Work an insert may do on entries that stay: copies of live entries by the log's cleaning.
  struct Budget {
    uint32_t copies = 64;
  };

  // Holds the lock. Positions of the logs are worked on in memory of our own, after they have been checked: what lies
  // in the region may have been left half-written by a process that died, or scribbled over by one that should not.
  class Writing {
   public:
    explicit Writing(const Shard& shard);
    ~Writing();
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;

   private:
    const Shard& shard_;
  };
  // Forgets everything that the shard holds.
  void Rebuild() const;
  bool Sound() const;
  // What was met cannot be right; the operation is given up and the shard begun anew when the lock is let go.
  void Doubt() const { in_doubt_ = true; }
  bool InArena(uint32_t unit) const {
    return unit >= arena_begin_ && unit <= arena_end_ - UnitsOf(links_ + sizeof(EntryHeader));
  }

  uint8_t* At(uint32_t unit) const { return base_ + size_t{unit} * kUnit; }
  Log& log(Queue queue) const { return logs_[static_cast<size_t>(queue)]; }
  EntryHeader HeaderAt(uint32_t unit) const {
    EntryHeader header;
    RacyRead(&header, At(unit) + links_, sizeof header);
    return header;
  }
  uint8_t ExtraLength(uint32_t unit, const EntryHeader& header) const;
  uint32_t UnitsAt(uint32_t unit, const EntryHeader& header) const;
  // The same for an entry of which nothing is certain; 0 when it cannot be one, or reaches beyond `most` units.
  uint32_t CheckedUnitsAt(uint32_t unit, const EntryHeader& header, uint32_t most) const;
  bool Matches(uint32_t unit, const Key& key) const;
  // The key of the entry at `unit`, from its own octets; false when it has none.
  bool KeyAt(uint32_t unit, const EntryHeader& header, Key* key) const;

  template <typename Visit>
  bool VisitCandidates(const Key& key, Visit visit) const;
  AtomicSlot* FindSlot(const Key& key) const;
  // The slot that holds exactly this place; null when the entry there is dead.
  AtomicSlot* OwnerOf(const Key& key, Queue queue, Place place) const;
  AtomicSlot* GhostOf(const Key& key) const;
  AtomicSlot* ChooseSlot(const Key& key);

  void WriteEntry(uint32_t unit, const EntryImage& image, const Key& key, Ticks now, uint32_t generation);
  void WrapLog(Log& log);
  bool SkipPadding(Log& log);
  // Drops a live entry; `ghost` leaves a trace of it in the slot.
  void Evict(AtomicSlot* slot, Queue queue, uint32_t unit, uint32_t units, bool ghost, bool expired);
  void NoteDead(Queue queue, uint32_t unit, uint32_t units);
  // Moves the entry at the tail of `from` to the head of `to`. The caller has made room in `to` where they differ.
  bool MoveTail(Queue from, Queue to, AtomicSlot* slot, uint32_t units, uint32_t freq);
  bool MakeRoom(Queue queue, uint32_t units, Ticks now, Budget* budget);
  struct TailOf {
    Place place;
    EntryHeader header;
    uint32_t units;
    Key key;
  };
  // The entry at a log's tail; false with doubt when there is none.
  bool TailEntry(Queue queue, TailOf* tail) const;
  uint32_t LiveUnits(Slot slot) const;

  bool PastKeeping(const EntryHeader& header, Ticks now) const {
    return TicksUntil(header.expires + header_->stale_window.load(std::memory_order_relaxed), now) <= 0;
  }

  // lru lists
  EntryLinks* LinksAt(uint32_t unit) const;
  void LinkNewest(Queue queue, uint32_t unit) const;
  void Unlink(Queue queue, uint32_t unit) const;
  void Relink(Queue queue, uint32_t to);

  bool ReadSlot(const FindArgs& args, Slot slot, MutableBytes out, Found* found) const;
  bool TrySlot(const FindArgs& args, AtomicSlot* atomic, MutableBytes out, Found* found) const;
  void Search(const FindArgs& args, MutableBytes out, ReaderCounters* counters, Found* found) const;

  uint8_t* base_;
  ShardHeader* header_;
  Bucket* buckets_;
  const HashSecret* secret_;
  uint32_t bucket_count_;
  uint32_t arena_begin_;
  uint32_t arena_end_;
  uint32_t links_;
  PolicyKind policy_;
  // A hit reads only what stands above.
  LogRange ranges_[kQueues];
  // Both under the lock.
  mutable Log logs_[kQueues];
  mutable bool in_doubt_ = false;
};

template <typename Visit>
void Shard::ForEach(Visit visit) const {
  Writing writing(*this);
  for (uint32_t b = 0; b < bucket_count_; ++b) {
    for (const AtomicSlot& atomic : buckets_[b].slots) {
      const Slot slot(atomic.load(std::memory_order_relaxed));
      if (!slot.live() || !InArena(slot.at())) continue;
      const EntryHeader header = HeaderAt(slot.at());
      if (CheckedUnitsAt(slot.at(), header, arena_end_ - slot.at()) == 0) continue;
      const uint8_t* message = At(slot.at()) + links_ + sizeof(EntryHeader) + header.ttl_count;
      visit(header, Bytes(message, header.length));
    }
  }
}

}  // namespace shardns::cache
