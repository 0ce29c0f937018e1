// The zones that are served, for those who answer from them: the one that a name belongs to, by its longest suffix, in
// one pass over the labels. Asked of what the cache has not: floods of names that are in no zone neither fill it nor
// reach JavaScript.
//
// One thread writes, any read. A reader names what it holds of the set (base/published.h); in it a zone's newer version
// takes the place of the one before by one store. What was replaced lives until the set goes, which is when more than
// an eighth of it was, or versions of kMostReplaced octets: a change costs what it is, whatever the number of zones.
//
// Bound: kMaxZones; each reader may hold one set that was replaced.
#pragma once
#include <atomic>

#include "base/hash.h"
#include "base/published.h"
#include "zones/zone_view.h"

namespace shardns::zones {

// As lib/zone/zone-store.ts has it.
inline constexpr size_t kMaxZones = 100'000;

class ZoneSet {
 public:
  // The reply of the zone that the question's name belongs to, for a client of that tag; kNothing: it is left to
  // others.
  Reply Answer(const wire::Query& query, uint32_t tag, MutableBytes out) const;

 private:
  friend class Zones;
  struct Entry {
    std::vector<uint8_t> apex;                // folded; none: the zone is gone
    std::shared_ptr<const ZoneView> version;  // null: its names are left to others
    size_t octets = 0;                        // that it keeps
  };
  using Held = std::shared_ptr<const Entry>;

  ZoneSet(const HashSecret& secret, size_t room, std::vector<uint32_t> withheld);
  const Entry* Find(Bytes name) const;
  // Where an apex stands, or would stand.
  size_t PlaceOf(Bytes apex) const;
  bool Add(const Held& entry);

  const HashSecret secret_;
  const std::vector<uint32_t> withheld_;  // tags whose clients have zones of their own, in order
  const size_t slots_count_;
  const std::unique_ptr<std::atomic<const Entry*>[]> slots_;
  std::atomic<uint64_t> depths_[2] = {};  // numbers of labels that apexes have
  // The writer's: what the slots point to, one for each slot, and what they did.
  std::vector<Held> held_;
  std::vector<Held> replaced_;
  size_t count_ = 0;
  size_t used_ = 0;  // slots, those of zones that are gone too
  size_t replaced_octets_ = 0;
};

class Zones {
 public:
  static constexpr size_t kMostReplaced = size_t{1} << 20;
  using Reader = Published<ZoneSet>::Reader;

  explicit Zones(uint64_t seed) : secret_(ExpandSeed(seed)) {}
  Published<ZoneSet>& published() { return published_; }

  // The rest belongs to one thread.

  // A zone's version from now on, null: it is one whose names are left to others. `octets`: what it keeps in memory.
  // False: there are kMaxZones.
  [[nodiscard]] bool Put(Bytes apex, std::shared_ptr<const ZoneView> version, size_t octets);
  void Remove(Bytes apex);
  // Clients of these tags are answered by others.
  void Withhold(std::vector<uint32_t> tags);
  size_t count() const { return set_ == nullptr ? 0 : set_->count_; }
  // Of the sets that exist.
  size_t sets() { return published_.replaced() + (set_ == nullptr ? 0 : 1); }

 private:
  void Rebuild(size_t room);
  void Replace(size_t place, ZoneSet::Held entry);

  const HashSecret secret_;
  std::vector<uint32_t> withheld_;
  Published<ZoneSet> published_;
  ZoneSet* set_ = nullptr;  // the published one
};

}  // namespace shardns::zones
