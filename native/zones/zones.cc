// The set of zones: found by readers, changed in place by its writer, made anew when enough of it has changed.
#include "zones/zones.h"

#include <algorithm>

namespace shardns::zones {

namespace {

// Half full at the most.
size_t SlotsFor(size_t room) {
  size_t slots = 16;
  while (slots < 2 * room) slots *= 2;
  return slots;
}

}  // namespace

ZoneSet::ZoneSet(const HashSecret& secret, size_t room, std::vector<uint32_t> withheld)
    : secret_(secret),
      withheld_(std::move(withheld)),
      slots_count_(SlotsFor(room)),
      slots_(std::make_unique<std::atomic<const Entry*>[]>(slots_count_)),
      held_(slots_count_) {}

size_t ZoneSet::PlaceOf(Bytes apex) const {
  size_t at = KeyedHash(secret_, apex.data(), apex.size(), 0) & (slots_count_ - 1);
  for (const Entry* entry; (entry = slots_[at].load(std::memory_order_acquire)) != nullptr;
       at = (at + 1) & (slots_count_ - 1)) {
    if (std::equal(apex.begin(), apex.end(), entry->apex.begin(), entry->apex.end())) break;
  }
  return at;
}

// False: it has no room.
bool ZoneSet::Add(const Held& entry) {
  if (2 * (used_ + 1) > slots_count_) return false;
  const size_t at = PlaceOf(entry->apex);
  const size_t depth = wire::CountLabels(entry->apex);
  held_[at] = entry;
  depths_[depth / 64].fetch_or(uint64_t{1} << depth % 64, std::memory_order_release);
  slots_[at].store(entry.get(), std::memory_order_release);
  ++count_;
  ++used_;
  return true;
}

const ZoneSet::Entry* ZoneSet::Find(Bytes name) const {
  size_t labels = wire::CountLabels(name);
  for (size_t at = 0;; at += 1u + name[at], --labels) {
    if ((depths_[labels / 64].load(std::memory_order_acquire) >> labels % 64 & 1) != 0) {
      const Entry* const entry = slots_[PlaceOf(name.subspan(at))].load(std::memory_order_acquire);
      if (entry != nullptr) return entry;
    }
    if (name[at] == 0) return nullptr;
  }
}

Reply ZoneSet::Answer(const wire::Query& query, uint32_t tag, MutableBytes out) const {
  if (std::binary_search(withheld_.begin(), withheld_.end(), tag)) return {};
  uint8_t folded[wire::kMaxNameSize];
  wire::Fold(folded, query.name().data(), query.name_length);
  const Bytes name(folded, query.name_length);
  const Entry* const entry = Find(name);
  if (entry == nullptr || entry->version == nullptr) return {};
  return entry->version->Answer(query, name, out);
}

bool Zones::Put(Bytes apex, std::shared_ptr<const ZoneView> version, size_t octets) {
  auto entry = std::make_shared<ZoneSet::Entry>();
  entry->apex.assign(apex.begin(), apex.end());
  entry->version = std::move(version);
  entry->octets = octets;
  if (set_ != nullptr) {
    const size_t place = set_->PlaceOf(apex);
    if (set_->held_[place] != nullptr) {
      Replace(place, std::move(entry));
      return true;
    }
  }
  if (count() == kMaxZones) return false;
  if (set_ != nullptr && set_->Add(entry)) return true;
  Rebuild(2 * (count() + 1));
  return set_->Add(entry);
}

void Zones::Replace(size_t place, ZoneSet::Held entry) {
  ZoneSet::Held& held = set_->held_[place];
  set_->replaced_octets_ += held->octets;
  set_->replaced_.push_back(std::move(held));
  held = std::move(entry);
  set_->slots_[place].store(held.get(), std::memory_order_release);
  if (set_->replaced_octets_ > kMostReplaced || set_->replaced_.size() > std::max<size_t>(64, set_->count_ / 8)) {
    Rebuild(set_->count_);
  }
}

void Zones::Remove(Bytes apex) {
  if (set_ == nullptr) return;
  const size_t place = set_->PlaceOf(apex);
  if (set_->held_[place] == nullptr) return;
  --set_->count_;
  // Of no name, so that it is passed over: those behind it are still found.
  Replace(place, std::make_shared<ZoneSet::Entry>());
}

void Zones::Withhold(std::vector<uint32_t> tags) {
  std::sort(tags.begin(), tags.end());
  if (tags == withheld_) return;
  withheld_ = std::move(tags);
  if (set_ != nullptr) Rebuild(set_->count_);
}

void Zones::Rebuild(size_t room) {
  std::unique_ptr<ZoneSet> next(new ZoneSet(secret_, std::max(room, count()), withheld_));
  if (set_ != nullptr) {
    for (const ZoneSet::Held& held : set_->held_) {
      if (held == nullptr || held->apex.empty()) continue;
      const bool added = next->Add(held);
      SHARDNS_CHECK(added);
    }
  }
  set_ = next.get();
  published_.Publish(std::move(next));
}

}  // namespace shardns::zones
