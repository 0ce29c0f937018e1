// One stripe of the cache: an index, its logs, one writer lock. What an entry looks like is its Format's.
//
// Lock order: a shard's lock is the only one held.
// Without the lock: Find(), but under a policy with lists. It is safe because it trusts nothing it reads (every offset
// is checked before the copy) and believes the copy only when the slot word it started from has not changed (index.h).
//
// A Format gives Key (with `hash`), Image, Header (with `flags`), FindArgs, Found, Time, and the functions of
// answer_format.h and byte_format.h.
#pragma once
#include <functional>

#include "base/prefetch.h"
#include "base/status.h"
#include "store/reader.h"
#include "store/region.h"

namespace shardns::store {

class LfuPolicy;
class LruPolicy;
class Recency;
class S3FifoPolicy;
class TwoQueuePolicy;

template <typename Format>
class alignas(64) Shard {
 public:
  using Key = typename Format::Key;
  using Image = typename Format::Image;
  using Header = typename Format::Header;
  using FindArgs = typename Format::FindArgs;
  using Found = typename Format::Found;
  using Time = typename Format::Time;

  // Views the shard's part of a formatted region.
  Shard(const Region& region, uint32_t number);

  // Copies the entry of `key` to `out`, for use there: see the format.
  // `found` is written in place: returning it would copy a struct of small fields that were stored a moment ago.
  void Find(const FindArgs& args, MutableBytes out, ReaderCounters* counters, Found* found) const;

  // The short way of a lookup: where its entry stands in nearly every case, looked for in its first or in its second
  // bucket. Null: not there, or under a policy whose hits take the lock.
  AtomicSlot* FirstCandidate(uint64_t hash) const { return CandidateIn(FirstBucket(hash, bucket_count_), hash); }
  AtomicSlot* SecondCandidate(uint64_t hash) const { return CandidateIn(SecondBucket(hash, bucket_count_), hash); }
  // `read(at, end)` is shown the entry that a candidate leads to, and says whether it has what it wants; the arena ends
  // at `end`. False: it has not, or the entry changed meanwhile.
  template <typename Read>
  bool Glance(const AtomicSlot& candidate, Read read, Slot* seen) const;
  // Notes a hit in an entry's popularity; returns the slot as it is then.
  static Slot CountHit(AtomicSlot* atomic, Slot seen);

  // Stores the image. Replaces an entry of the same key, keeping its popularity, or `freq` if that is more.
  Status Insert(const Image& image, const Key& key, Time now, uint32_t generation, uint32_t freq = 0);
  bool Remove(const Key& key);
  // Lets a hit be chosen to refresh the entry once more: the refresh that was asked for has failed.
  void AllowRefresh(const Key& key);
  // Stores an image made from the entry that is there, in one hold of the lock. `make` copies what it needs of the
  // entry, and says by false that nothing is to be done. False when there is none.
  using Maker = std::function<bool(const uint8_t* at, const Header& header, Image* image)>;
  bool Renew(const Key& key, Time now, const Maker& make);

  void PrefetchFirst(uint64_t hash) const { PrefetchLine(&buckets_[FirstBucket(hash, bucket_count_)]); }
  void PrefetchSecond(uint64_t hash) const { PrefetchLine(&buckets_[SecondBucket(hash, bucket_count_)]); }
  void PrefetchEntry(const AtomicSlot& candidate) const;
  void PrefetchBuckets(uint64_t hash) const {
    PrefetchFirst(hash);
    PrefetchSecond(hash);
  }

  const ShardCounters& counters() const { return header_->counters; }

  // Whether index, logs and lists agree; walks everything. For tests.
  bool CheckInvariants() const;
  // Octets of live entries (without padding), of the arena, and of the index.
  struct Space {
    uint64_t live_octets, live_units, arena_octets, index_octets, entries, message_octets;
  };
  Space MeasureSpace() const;

  // Writes a record of the format for each live entry from bucket `from` on that `passed_over(at, header)` does not say
  // is none any more, as long as whole buckets fit; for inspection. Returns the bucket to go on with: bucket_count()
  // when all are done. At least kMostListed octets of `out` are needed.
  static constexpr size_t kMostListed = kSlotsPerBucket * Format::kMostListed;
  using PassedOver = std::function<bool(const uint8_t* at, const Header& header)>;
  uint32_t List(uint32_t from, Time now, const PassedOver& passed_over, MutableBytes out, size_t* written) const;
  uint32_t bucket_count() const { return bucket_count_; }

  // Shows the live entries bucket by bucket, from `from` on, until `enough` says so between two buckets; all in one
  // hold of the lock. Returns the bucket to go on with: bucket_count() when all are done. Between two calls an entry
  // may move and be shown twice, or not at all.
  using Visitor = std::function<void(const uint8_t* at, const Header& header, uint32_t freq)>;
  uint32_t Visit(uint32_t from, const Visitor& visit, const std::function<bool()>& enough) const;

 private:
  friend class LfuPolicy;
  friend class LruPolicy;
  friend class Recency;
  friend class S3FifoPolicy;
  friend class TwoQueuePolicy;
  friend struct PolicyBase;

  // A main queue with more than this free has never been full.
  static constexpr uint32_t kSpareUnits = 3 * 4096 / kUnit;

  Status Store(const Image& image, const Key& key, Time now, uint32_t generation, uint32_t freq);

  // Holds the lock. Positions of the logs are worked on in memory of our own, after they have been checked: what lies
  // in the region may have been left half-written by a process that died, or scribbled over by one that should not.
  class Writing {
   public:
    explicit Writing(const Shard& shard) : shard_(shard) { shard.Lock(); }
    ~Writing() { shard_.Unlock(); }
    Writing(const Writing&) = delete;
    Writing& operator=(const Writing&) = delete;

   private:
    const Shard& shard_;
  };
  [[gnu::noinline]] void Lock() const;
  [[gnu::noinline]] void Unlock() const;
  // Forgets everything that the shard holds.
  [[gnu::cold, gnu::noinline]] void Rebuild() const;
  // Puts a shard in order whose last writer died within an operation: what its logs hold from tail to head is kept,
  // what lies beyond, and what does not read as an entry, is not.
  [[gnu::cold, gnu::noinline]] void Recover() const;
  bool Sound() const;
  void PublishLogs() const { RacyWrite(header_->logs, logs_, sizeof logs_); }
  // What was met cannot be right; the operation is given up and the shard begun anew when the lock is let go.
  void Doubt() const { in_doubt_ = true; }
  bool InArena(uint32_t unit) const { return unit >= arena_begin_ && unit <= last_entry_; }

  // Whether entries are on recency lists, and hits take the lock.
  bool lists() const { return links_ != 0; }
  uint32_t header_units() const { return UnitsOf(links_ + sizeof(Header)); }
  uint8_t* At(uint32_t unit) const { return base_ + size_t{unit} * kUnit; }
  uint8_t* EntryAt(uint32_t unit) const { return At(unit) + links_; }
  Log& log(Queue queue) const { return logs_[static_cast<size_t>(queue)]; }
  Header HeaderAt(uint32_t unit) const {
    Header header;
    RacyRead(&header, EntryAt(unit), sizeof header);
    return header;
  }
  // The units of an entry of which nothing is certain; 0 when it cannot be one, or reaches beyond `most` units.
  uint32_t CheckedUnitsAt(uint32_t unit, const Header& header, uint32_t most) const {
    const size_t octets =
        size_t{most} * kUnit < links_ ? 0 : Format::CheckedOctets(EntryAt(unit), header, size_t{most} * kUnit - links_);
    return octets == 0 ? 0 : UnitsOf(links_ + octets);
  }
  bool Matches(uint32_t unit, const Key& key) const;
  bool KeyAt(uint32_t unit, const Header& header, Key* key) const {
    return Format::KeyAt(*secret_, EntryAt(unit), header, key);
  }
  bool HashAt(uint32_t unit, const Header& header, uint64_t* hash) const {
    return Format::HashAt(*secret_, EntryAt(unit), header, hash);
  }
  // Whether padding, not an entry, stands at a log's position.
  bool PaddingAt(const Log& log, Place place) const {
    return log.UntilEnd(place) < header_units() || (HeaderAt(place.at).flags & Format::kPad) != 0;
  }

  AtomicSlot* CandidateIn(uint32_t number, uint64_t hash) const;
  template <typename See>
  bool VisitCandidates(uint64_t hash, See see) const;
  AtomicSlot* FindSlot(const Key& key) const;
  // The slot that holds exactly this place; null when the entry there is dead.
  AtomicSlot* OwnerOf(uint64_t hash, Queue queue, Place place) const;
  AtomicSlot* GhostOf(uint64_t hash) const;
  AtomicSlot* FreeSlotIn(uint32_t number) const;
  AtomicSlot* Displace(uint32_t number) const;
  AtomicSlot* ChooseSlot(uint64_t hash);

  void WrapLog(Log& log);
  bool SkipPadding(Log& log);
  // Drops a live entry.
  struct Departure {
    bool ghost;  // leaves a trace of it in the slot
    bool expired;
  };
  void Evict(AtomicSlot* slot, Queue queue, uint32_t unit, uint32_t units, Departure departure);
  void NoteDead(Queue queue, uint32_t unit, uint32_t units);
  // Moves the entry at the tail of `from` to the head of `to`. The caller has made room in `to` where they differ.
  bool MoveTail(Queue from, Queue to, AtomicSlot* slot, uint32_t units, uint32_t freq);
  bool MakeRoom(Queue queue, uint32_t units, Time now, Effort* effort);
  struct TailOf {
    Place place;
    Header header;
    uint32_t units;
    uint64_t hash;
  };
  // Walks a copy of a log over the next entries, at most kSteps, and asks memory for their index lines. Returns how
  // many there are; 0 with `*sound` cleared at what cannot be an entry.
  static constexpr size_t kSteps = 16;
  size_t Walk(Log* walk, TailOf* steps, bool* sound) const;
  // The entry at a log's tail; false with doubt when there is none.
  bool TailEntry(Queue queue, TailOf* tail) const;

  // What a policy does with the entry at a log's tail.
  // Its slot. Null when there was none: padding or a dead entry has been given back, or the shard is in doubt.
  AtomicSlot* LiveTail(Queue queue, TailOf* tail);
  void EvictTail(Queue queue, const TailOf& tail, AtomicSlot* owner, Departure departure) {
    Evict(owner, queue, tail.place.at, tail.units, departure);
    log(queue).GiveBack(tail.units);
  }
  // Moves it to the log's head; false when no more copies may be made. It may have been let go for want of a place.
  bool Reinsert(Queue queue, const TailOf& tail, AtomicSlot* owner, uint32_t freq, Effort* effort);
  // From the small queue to the main one, where room has been made.
  void Promote(const TailOf& tail, AtomicSlot* owner);
  // While the main queue still has space of its own, and the index too, nothing has to be turned away.
  bool MainHasSpace(uint32_t units) const { return log(Queue::kMain).HasRoom(units, kSpareUnits) && !IndexIsFull(); }
  FrequencySketch sketch() const {
    return {reinterpret_cast<uint8_t*>(buckets_ + bucket_count_), FrequencySketch::LinesFor(bucket_count_),
            &header_->sketch};
  }

  uint32_t LiveUnits(Slot slot) const;
  // Nine tenths of its slots are taken: more, and entries lose theirs to others whatever their worth.
  bool IndexIsFull() const {
    return header_->counters.entries.Get() * 10 >= uint64_t{bucket_count_} * kSlotsPerBucket * 9;
  }

  bool PastKeeping(const Header& header, Time now) const {
    return Format::PastKeeping(header, now, super_->stale_window.load(std::memory_order_relaxed));
  }

  bool ReadSlot(const FindArgs& args, Slot slot, MutableBytes out, Found* found) const;
  bool TrySlot(const FindArgs& args, AtomicSlot* atomic, MutableBytes out, Found* found) const;
  void Search(const FindArgs& args, MutableBytes out, ReaderCounters* counters, Found* found) const;

  uint8_t* base_;
  ShardHeader* header_;
  Bucket* buckets_;
  const Superblock* super_;
  const HashSecret* secret_;
  uint32_t bucket_count_;
  uint32_t arena_begin_;
  uint32_t arena_end_;
  uint32_t last_entry_;  // where the last entry may begin
  uint32_t links_;
  PolicyKind policy_;
  // A hit reads only what stands above.
  LockHolder holder_;
  // In a file: keeps the threads of one opening apart even when the file, and the lock in it, is cut away.
  std::unique_ptr<FutexLock> own_lock_;
  const MappedFile* file_;
  LogRange ranges_[kQueues];
  // All under the lock.
  mutable bool forgot_lost_file_ = false;
  mutable Log logs_[kQueues];
  mutable bool in_doubt_ = false;
};

template <typename Format>
inline Slot Shard<Format>::CountHit(AtomicSlot* atomic, Slot seen) {
  uint64_t expected = seen.word();
  if (seen.freq() == Slot::kMaxFreq) [[likely]]
    return seen;
  const uint64_t counted = expected + Slot::kFreqOne;
  return Slot(atomic->compare_exchange_strong(expected, counted, std::memory_order_relaxed) ? counted : expected);
}

template <typename Format>
inline AtomicSlot* Shard<Format>::CandidateIn(uint32_t number, uint64_t hash) const {
  Bucket& bucket = buckets_[number];
  const uint32_t match = MatchTags(bucket, TagOf(hash));
  return match == 0 || lists() ? nullptr : &bucket.slots[SlotOfMatch(match)];
}

template <typename Format>
inline void Shard<Format>::PrefetchEntry(const AtomicSlot& candidate) const {
  const Slot slot(candidate.load(std::memory_order_relaxed));
  if (slot.ghost() || !InArena(slot.at())) return;
  const uint8_t* entry = At(slot.at());
  PrefetchLine(entry);
  PrefetchLine(entry + 64);
  PrefetchLine(entry + 128);
}

template <typename Format>
template <typename Read>
[[gnu::always_inline]] inline bool Shard<Format>::Glance(const AtomicSlot& candidate, Read read, Slot* seen) const {
  const Slot slot(candidate.load(std::memory_order_acquire));
  if (slot.ghost() || !InArena(slot.at()) || !read(EntryAt(slot.at()), At(arena_end_))) [[unlikely]] {
    return false;
  }
  FenceAcquire();
  *seen = Slot(candidate.load(std::memory_order_relaxed));
  return seen->SamePlace(slot);
}

}  // namespace shardns::store
