// What goes through a whole shard: beginning anew, recovery, listing, snapshots, checks. A part of shard_impl.h.
#pragma once
#include <algorithm>
#include <memory>
#include <new>

#include "base/prefetch.h"
#include "store/recency.h"
#include "store/shard.h"

namespace shardns::store {

// --- putting in order ---

template <typename Format>
void Shard<Format>::Rebuild() const {
  for (uint32_t b = 0; b < bucket_count_; ++b) {
    for (AtomicSlot& slot : buckets_[b].slots) slot.store(0, std::memory_order_relaxed);
  }
  FenceRelease();
  for (size_t q = 0; q < kQueues; ++q) {
    const auto [begin, end] = ranges_[q];
    logs_[q].Init(begin, end - begin);
    header_->newest[q] = header_->oldest[q] = header_->live_units[q] = 0;
  }
  ShardCounters& counters = header_->counters;
  counters.entries.Subtract(counters.entries.Get());
  counters.live_bytes.Subtract(counters.live_bytes.Get());
  counters.rebuilds.Add();
  in_doubt_ = false;
}

template <typename Format>
void Shard<Format>::Recover() const {
  // The index's slots that an entry of the logs stands behind, a bit each.
  const std::unique_ptr<uint8_t[]> owned(new (std::nothrow) uint8_t[bucket_count_]());
  if (!owned) return Rebuild();
  uint64_t entries = 0, live_bytes = 0;
  for (size_t q = 0; q < kQueues; ++q) {
    header_->newest[q] = header_->oldest[q] = header_->live_units[q] = 0;
    Log walk = logs_[q];
    TailOf steps[kSteps];
    bool sound = true;
    while (const size_t count = Walk(&walk, steps, &sound)) {
      for (size_t i = 0; i < count; ++i) {
        const auto& [place, header, units, hash] = steps[i];
        const AtomicSlot* owner = OwnerOf(hash, static_cast<Queue>(q), place);
        if (owner == nullptr) continue;
        const size_t slot = static_cast<size_t>(owner - buckets_[0].slots);
        owned[slot / kSlotsPerBucket] |= static_cast<uint8_t>(1u << (slot % kSlotsPerBucket));
        ++entries;
        live_bytes += uint64_t{units} * kUnit;
        if (lists()) Recency::Enter(*this, static_cast<Queue>(q), place.at, units);
      }
    }
    if (!sound) return Rebuild();
  }
  for (uint32_t b = 0; b < bucket_count_; ++b) {
    for (size_t i = 0; i < kSlotsPerBucket; ++i) {
      AtomicSlot& slot = buckets_[b].slots[i];
      if (Slot(slot.load(std::memory_order_relaxed)).live() && (owned[b] >> i & 1) == 0) {
        slot.store(0, std::memory_order_relaxed);
      }
    }
  }
  FenceRelease();
  ShardCounters& counters = header_->counters;
  counters.entries.Add(entries - counters.entries.Get());
  counters.live_bytes.Add(live_bytes - counters.live_bytes.Get());
  counters.recoveries.Add();
}

template <typename Format>
size_t Shard<Format>::Walk(Log* walk, TailOf* steps, bool* sound) const {
  size_t count = 0;
  while (count < kSteps && !walk->empty()) {
    const Place place = walk->tail();
    if (PaddingAt(*walk, place)) {
      *sound = walk->UntilEnd(place) <= walk->used();
      if (!*sound) return 0;
      walk->GiveBack(walk->UntilEnd(place));
      continue;
    }
    TailOf& entry = steps[count++];
    entry.place = place;
    entry.header = HeaderAt(place.at);
    entry.units = CheckedUnitsAt(place.at, entry.header, std::min(walk->used(), walk->UntilEnd(place)));
    *sound = entry.units != 0 && HashAt(place.at, entry.header, &entry.hash);
    if (!*sound) return 0;
    PrefetchLine(&buckets_[FirstBucket(entry.hash, bucket_count_)]);
    PrefetchLine(&buckets_[SecondBucket(entry.hash, bucket_count_)]);
    walk->GiveBack(entry.units);
  }
  return count;
}

// --- showing ---

template <typename Format>
uint32_t Shard<Format>::List(uint32_t from, Time now, const PassedOver& passed_over, MutableBytes out,
                             size_t* written) const {
  Writing writing(*this);
  *written = 0;
  for (uint32_t b = from; b < bucket_count_; ++b) {
    if (out.size() - *written < kMostListed) return b;
    for (const AtomicSlot& atomic : buckets_[b].slots) {
      const Slot slot(atomic.load(std::memory_order_relaxed));
      if (!slot.live() || !InArena(slot.at())) continue;
      const Header header = HeaderAt(slot.at());
      Key key;
      if (CheckedUnitsAt(slot.at(), header, arena_end_ - slot.at()) == 0 || !KeyAt(slot.at(), header, &key)) continue;
      if (passed_over(EntryAt(slot.at()), header)) continue;
      *written += Format::List(header, key, slot.freq(), now, out.data() + *written);
    }
  }
  return bucket_count_;
}

template <typename Format>
uint32_t Shard<Format>::Visit(uint32_t from, const Visitor& visit, const std::function<bool()>& enough) const {
  // Entries lie all over the arena: ask for those of a few buckets ahead.
  constexpr uint32_t kAhead = 4;
  Writing writing(*this);
  const auto prefetch = [&](uint32_t bucket) {
    for (const AtomicSlot& atomic : buckets_[bucket].slots) {
      const Slot slot(atomic.load(std::memory_order_relaxed));
      if (!slot.live() || !InArena(slot.at())) continue;
      PrefetchLine(EntryAt(slot.at()));
      PrefetchLine(EntryAt(slot.at()) + 64);
    }
  };
  for (uint32_t b = from; b < bucket_count_; ++b) {
    if (enough()) return b;
    if (b + kAhead < bucket_count_) prefetch(b + kAhead);
    for (const AtomicSlot& atomic : buckets_[b].slots) {
      const Slot slot(atomic.load(std::memory_order_relaxed));
      if (!slot.live() || !InArena(slot.at())) continue;
      const Header header = HeaderAt(slot.at());
      if (CheckedUnitsAt(slot.at(), header, arena_end_ - slot.at()) == 0) continue;
      visit(EntryAt(slot.at()), header, slot.freq());
    }
  }
  return bucket_count_;
}

// --- checks ---

template <typename Format>
bool Shard<Format>::CheckInvariants() const {
  Writing writing(*this);
  uint64_t entries = 0, bytes = 0;
  uint32_t live_units[kQueues] = {};
  for (uint32_t b = 0; b < bucket_count_; ++b) {
    for (const AtomicSlot& atomic : buckets_[b].slots) {
      const Slot slot(atomic.load(std::memory_order_relaxed));
      if (!slot.live()) continue;
      const Header header = HeaderAt(slot.at());
      Key key;
      if (!KeyAt(slot.at(), header, &key)) return false;
      if (TagOf(key.hash) != slot.tag()) return false;
      if (FirstBucket(key.hash, bucket_count_) != b && SecondBucket(key.hash, bucket_count_) != b) return false;
      if (FindSlot(key) != &atomic) return false;  // one slot a key
      const uint32_t units = CheckedUnitsAt(slot.at(), header, arena_end_ - slot.at());
      live_units[static_cast<size_t>(slot.queue())] += units;
      bytes += uint64_t{units} * kUnit;
      ++entries;
    }
  }
  if (entries != header_->counters.entries.Get() || bytes != header_->counters.live_bytes.Get()) return false;
  for (size_t q = 0; q < kQueues; ++q) {
    const Log& log = logs_[q];
    if (log.used() > log.capacity() || live_units[q] > log.used()) return false;
    if (lists() && !Recency::Agrees(*this, static_cast<Queue>(q), live_units[q])) return false;
  }
  return true;
}

template <typename Format>
typename Shard<Format>::Space Shard<Format>::MeasureSpace() const {
  Space space = {};
  space.index_octets = size_t{bucket_count_} * sizeof(Bucket);
  space.arena_octets = size_t{arena_end_ - arena_begin_} * kUnit;
  Writing writing(*this);
  for (uint32_t b = 0; b < bucket_count_; ++b) {
    for (const AtomicSlot& atomic : buckets_[b].slots) {
      const Slot slot(atomic.load(std::memory_order_relaxed));
      if (!slot.live()) continue;
      const Header header = HeaderAt(slot.at());
      const size_t octets = Format::CheckedOctets(EntryAt(slot.at()), header, size_t{arena_end_ - slot.at()} * kUnit);
      ++space.entries;
      space.live_octets += links_ + octets;
      space.live_units += UnitsOf(links_ + octets);
      space.message_octets += header.length;
    }
  }
  return space;
}

}  // namespace shardns::store
