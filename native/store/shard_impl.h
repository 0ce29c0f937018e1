// The shard: lookup, and the writer's operations on index and logs that the policies are made of. Included once for
// each format, where its shards are made.
#pragma once
#include <algorithm>

#include "store/policies.h"
#include "store/recency.h"
#include "store/shard_index.h"
#include "store/shard_walks.h"

namespace shardns::store {

inline constexpr uint32_t kReserveUnits = 4096 / kUnit;

template <typename Format>
Shard<Format>::Shard(const Region& region, uint32_t number)
    : base_(region.layout().ShardBase(region.base(), number)),
      header_(reinterpret_cast<ShardHeader*>(base_)),
      buckets_(reinterpret_cast<Bucket*>(base_ + sizeof(ShardHeader))),
      super_(SuperblockOf(region.base())),
      secret_(&region.layout().secret),
      bucket_count_(region.layout().buckets_per_shard),
      arena_begin_(region.layout().arena_begin()),
      arena_end_(region.layout().arena_end()),
      last_entry_(arena_end_ -
                  UnitsOf((TraitsOf(region.layout().policy).lists ? sizeof(EntryLinks) : 0) + sizeof(Header))),
      links_(TraitsOf(region.layout().policy).lists ? sizeof(EntryLinks) : 0),
      policy_(region.layout().policy),
      holder_(region.holder()),
      own_lock_(region.file() != nullptr ? new FutexLock : nullptr),
      file_(region.file()) {
  for (size_t q = 0; q < kQueues; ++q) ranges_[q] = RangeOf(region.layout(), q);
}

// --- the writer's lock ---

template <typename Format>
void Shard<Format>::Lock() const {
  if (own_lock_) own_lock_->Lock();
  const bool inherited = header_->lock.LockAs(holder_);
  RacyRead(logs_, header_->logs, sizeof logs_);
  in_doubt_ = false;
  // Whoever wrote while the memory was replaced has left halves of two states.
  const bool forget = file_ != nullptr && !forgot_lost_file_ && file_->lost();
  if (forget || !Sound()) {
    forgot_lost_file_ |= forget;
    Rebuild();
  } else if (inherited) [[unlikely]] {
    Recover();
  }
}

template <typename Format>
void Shard<Format>::Unlock() const {
  if (in_doubt_) Rebuild();
  PublishLogs();
  header_->lock.Unlock();
  if (own_lock_) own_lock_->Unlock();
}

template <typename Format>
bool Shard<Format>::Sound() const {
  for (size_t q = 0; q < kQueues; ++q) {
    const auto [begin, end] = ranges_[q];
    if (begin != end && !logs_[q].Sound(begin, end)) return false;
  }
  return true;
}

// --- entries ---

template <typename Format>
bool Shard<Format>::Matches(uint32_t unit, const Key& key) const {
  if (!InArena(unit)) return false;
  const Header header = HeaderAt(unit);
  return CheckedUnitsAt(unit, header, arena_end_ - unit) != 0 && Format::Matches(EntryAt(unit), header, key);
}

template <typename Format>
uint32_t Shard<Format>::LiveUnits(Slot slot) const {
  const uint32_t units =
      InArena(slot.at()) ? CheckedUnitsAt(slot.at(), HeaderAt(slot.at()), arena_end_ - slot.at()) : 0;
  if (units == 0) Doubt();
  return units;
}

// --- logs ---

template <typename Format>
void Shard<Format>::WrapLog(Log& log) {
  const uint32_t left = log.UntilEnd(log.head());
  const uint32_t at = log.Wrap();
  if (left < header_units()) return;  // PaddingAt knows by the size alone
  Header pad = {};
  pad.flags = Format::kPad;
  RacyWrite(EntryAt(at), &pad, sizeof pad);
}

template <typename Format>
bool Shard<Format>::SkipPadding(Log& log) {
  if (!PaddingAt(log, log.tail())) return false;
  const uint32_t left = log.UntilEnd(log.tail());
  if (left > log.used()) {
    Doubt();
  } else {
    log.GiveBack(left);
  }
  return true;
}

template <typename Format>
void Shard<Format>::NoteDead(Queue queue, uint32_t unit, uint32_t units) {
  header_->counters.entries.Subtract(1);
  header_->counters.live_bytes.Subtract(uint64_t{units} * kUnit);
  if (lists()) Recency::Leave(*this, queue, unit, units);
}

template <typename Format>
void Shard<Format>::Evict(AtomicSlot* slot, Queue queue, uint32_t unit, uint32_t units, Departure departure) {
  const uint16_t tag = Slot(slot->load(std::memory_order_relaxed)).tag();
  slot->store(departure.ghost ? Slot::Ghost(tag, log(Queue::kSmall).appended()).word() : 0, std::memory_order_relaxed);
  FenceRelease();
  NoteDead(queue, unit, units);
  if (departure.expired) {
    header_->counters.expired.Add();
  } else {
    header_->counters.evictions[static_cast<size_t>(queue)].Add();
  }
}

template <typename Format>
bool Shard<Format>::MoveTail(Queue from, Queue to, AtomicSlot* slot, uint32_t units, uint32_t freq) {
  Log& source = log(from);
  Log& target = log(to);
  const Place place = source.tail();
  const Slot before(slot->load(std::memory_order_relaxed));
  if (from == to) {
    const bool apart = target.HasRoom(units);
    source.GiveBack(units);
    if (!apart && (target.PaddingFor(units) != 0 || !target.HasRoom(units))) {
      // The gap is smaller than the entry and lies at the log's end: there is nowhere to move it to.
      Evict(slot, from, place.at, units, {.ghost = false, .expired = false});
      return false;
    }
    if (!apart) {
      // It moves over its own octets: out of sight for readers until it is whole again.
      slot->store(0, std::memory_order_relaxed);
      FenceRelease();
    }
  }
  if (target.PaddingFor(units) != 0) WrapLog(target);
  const Place moved = target.Append(units);
  RacyWrite(At(moved.at), At(place.at), size_t{units} * kUnit);
  if (lists()) Recency::Relink(*this, to, moved.at);
  slot->store(Slot::Live(before.tag(), to, moved.lap, moved.at, freq).word() | (before.word() & Slot::kRefreshBit),
              std::memory_order_release);
  FenceRelease();
  if (from != to) source.GiveBack(units);
  return true;
}

template <typename Format>
bool Shard<Format>::MakeRoom(Queue queue, uint32_t units, Time now, Effort* effort) {
  Log& target = log(queue);
  if (units > target.capacity()) return false;
  // A free gap at the tail lets live entries be copied without passing over their own octets.
  const uint32_t reserve = std::min({kReserveUnits, target.capacity() / 16, target.capacity() - units});
  return WithPolicy(policy_, [&](auto policy) {
    if (!policy.KeepUnderLimit(*this, queue, units, now)) return false;
    while (!target.HasRoom(units, reserve)) {
      if (target.empty()) {
        // Empty, but the head stands too near the end for this entry: begin anew at the beginning.
        WrapLog(target);
        SkipPadding(target);
        return target.HasRoom(units);
      }
      policy.StepTail(*this, queue, now, effort);
      if (in_doubt_ || effort->turned_away) return false;
      // Before what was freed is written over: whoever recovers the shard must find entries where its logs say.
      PublishLogs();
    }
    return true;
  });
}

template <typename Format>
bool Shard<Format>::TailEntry(Queue queue, TailOf* tail) const {
  const Log& from = log(queue);
  tail->place = from.tail();
  tail->header = HeaderAt(tail->place.at);
  tail->units = CheckedUnitsAt(tail->place.at, tail->header, std::min(from.used(), from.UntilEnd(tail->place)));
  if (tail->units != 0 && HashAt(tail->place.at, tail->header, &tail->hash)) return true;
  Doubt();
  return false;
}

template <typename Format>
AtomicSlot* Shard<Format>::LiveTail(Queue queue, TailOf* tail) {
  Log& from = log(queue);
  if (SkipPadding(from) || !TailEntry(queue, tail)) return nullptr;
  AtomicSlot* owner = OwnerOf(tail->hash, queue, tail->place);
  if (owner == nullptr) from.GiveBack(tail->units);
  return owner;
}

template <typename Format>
bool Shard<Format>::Reinsert(Queue queue, const TailOf& tail, AtomicSlot* owner, uint32_t freq, Effort* effort) {
  if (effort->copies == 0) return false;
  --effort->copies;
  if (MoveTail(queue, queue, owner, tail.units, freq)) header_->counters.reinsertions.Add();
  return true;
}

template <typename Format>
void Shard<Format>::Promote(const TailOf& tail, AtomicSlot* owner) {
  MoveTail(Queue::kSmall, Queue::kMain, owner, tail.units, 0);
  header_->counters.promotions.Add();
}

// --- operations ---

template <typename Format>
Status Shard<Format>::Insert(const Image& image, const Key& key, Time now, uint32_t generation, uint32_t freq) {
  Writing writing(*this);
  return Store(image, key, now, generation, freq);
}

template <typename Format>
bool Shard<Format>::Renew(const Key& key, Time now, const Maker& make) {
  Writing writing(*this);
  const AtomicSlot* slot = FindSlot(key);
  if (slot == nullptr) return false;
  const uint32_t unit = Slot(slot->load(std::memory_order_relaxed)).at();
  // Checked once more: the copy that is worked with is the one that is right.
  const Header header = HeaderAt(unit);
  if (CheckedUnitsAt(unit, header, arena_end_ - unit) == 0) return false;
  Image image;
  return make(EntryAt(unit), header, &image) && Store(image, key, now, header.generation, 0) == Status::kOk;
}

template <typename Format>
Status Shard<Format>::Store(const Image& image, const Key& key, Time now, uint32_t generation, uint32_t freq) {
  const bool negative = Format::Negative(image);
  const uint32_t units = UnitsOf(links_ + Format::Octets(image, key));
  AtomicSlot* slot = FindSlot(key);
  Effort effort;
  const Queue queue = WithPolicy(policy_, [&](auto policy) {
    policy.NoteStored(*this, key.hash, &effort);
    return policy.QueueFor(*this, key, negative, slot, units);
  });
  const uint64_t before = log(queue).given_back();
  if (!MakeRoom(queue, units, now, &effort)) {
    if (!in_doubt_) return Status::kTooLarge;
    // What it held could not be right. It is empty now, and takes this entry as its first.
    Rebuild();
    if (!MakeRoom(queue, units, now, &effort)) return Status::kTooLarge;
    slot = nullptr;
  }
  if (lists() || log(queue).given_back() != before) slot = FindSlot(key);  // moved or gone
  if (slot != nullptr) {
    const Slot old(slot->load(std::memory_order_relaxed));
    freq = std::max(freq, old.freq());
    NoteDead(old.queue(), old.at(), LiveUnits(old));
    header_->counters.updates.Add();
  }
  Log& target = log(queue);
  if (target.PaddingFor(units) != 0) WrapLog(target);
  const Place place = target.Append(units);
  Format::Write(EntryAt(place.at), image, key, now, generation);
  if (slot == nullptr) slot = ChooseSlot(key.hash);
  if (lists()) Recency::Enter(*this, queue, place.at, units);
  slot->store(Slot::Live(TagOf(key.hash), queue, place.lap, place.at, freq).word(), std::memory_order_release);
  FenceRelease();
  header_->counters.inserts.Add();
  header_->counters.entries.Add();
  header_->counters.live_bytes.Add(uint64_t{units} * kUnit);
  return Status::kOk;
}

template <typename Format>
void Shard<Format>::AllowRefresh(const Key& key) {
  Writing writing(*this);
  if (AtomicSlot* slot = FindSlot(key)) slot->fetch_and(~Slot::kRefreshBit, std::memory_order_relaxed);
}

template <typename Format>
bool Shard<Format>::Remove(const Key& key) {
  Writing writing(*this);
  AtomicSlot* slot = FindSlot(key);
  if (slot == nullptr) return false;
  const Slot old(slot->load(std::memory_order_relaxed));
  const uint32_t units = LiveUnits(old);
  slot->store(0, std::memory_order_relaxed);
  FenceRelease();
  NoteDead(old.queue(), old.at(), units);
  header_->counters.removed.Add();
  return true;
}

// Copies the entry that `slot` (a live one) leads to, if it is the key's. Whether it was intact is for the caller to
// see.
template <typename Format>
inline bool Shard<Format>::ReadSlot(const FindArgs& args, Slot slot, MutableBytes out, Found* found) const {
  if (!InArena(slot.at())) return false;
  return Format::Read(EntryAt(slot.at()), size_t{arena_end_ - slot.at()} * kUnit - links_, args, out, found);
}

// False: `slot` changed meanwhile, whatever was read is void.
template <typename Format>
inline bool Shard<Format>::TrySlot(const FindArgs& args, AtomicSlot* atomic, MutableBytes out, Found* found) const {
  const Slot slot(atomic->load(std::memory_order_acquire));
  if (!slot.live()) return true;
  const bool read = ReadSlot(args, slot, out, found);
  FenceAcquire();
  const uint64_t after = atomic->load(std::memory_order_relaxed);
  if (!Slot(after).SamePlace(slot)) return false;
  if (read) {
    found->slot = atomic;
    found->slot_word = after;
    found->freq = slot.freq();
    found->found = true;
  }
  return true;
}

template <typename Format>
inline void Shard<Format>::Search(const FindArgs& args, MutableBytes out, ReaderCounters* counters,
                                  Found* found) const {
  constexpr int kTries = 4;
  for (int attempt = 0; attempt < kTries; ++attempt) {
    bool disturbed = false;
    VisitCandidates(args.key.hash, [&](AtomicSlot* atomic, uint64_t) {
      disturbed = !TrySlot(args, atomic, out, found);
      return disturbed || found->found;
    });
    if (!disturbed) return;
    counters->retries.Add();
  }
}

template <typename Format>
void Shard<Format>::Find(const FindArgs& args, MutableBytes out, ReaderCounters* counters, Found* found) const {
  if (out.size() < Format::kLeastRoom) return;
  if (lists()) Lock();
  Search(args, out, counters, found);
  if (found->found) {
    if (!Format::Usable(args, found->header)) {
      found->found = false;
    } else if (lists() && args.count) {
      const Slot slot(found->slot_word);
      Recency::Renew(*this, slot.queue(), slot.at());
    }
    if (found->found && args.count) found->slot_word = CountHit(found->slot, Slot(found->slot_word)).word();
  }
  if (lists()) Unlock();
  if (found->found) Format::Finish(args, out, *found);
}

}  // namespace shardns::store
