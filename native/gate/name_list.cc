// The lookup: all suffixes of a name, their buckets fetched together, and the rule that decides.
#include "gate/name_list.h"

#include "base/prefetch.h"

namespace shardns::gate {

size_t NameList::Labels(const uint8_t* folded, uint8_t (&starts)[128]) {
  size_t count = 0;
  for (size_t at = 0; folded[at] != 0; at += 1u + folded[at]) {
    SHARDNS_CHECK(count < 127);
    starts[count++] = static_cast<uint8_t>(at);
  }
  return count;
}

// Of a label with its length in front, which can be read up to 15 octets past its end.
uint64_t NameList::MixLabel(uint64_t suffix, const uint8_t* label) const {
  const auto word = [](const uint8_t* p, size_t n) {
    const auto loaded = LoadNative<uint64_t>(p);
    return n >= 8 ? loaded : loaded & ((uint64_t{1} << (8 * n)) - 1);
  };
  size_t left = 1u + *label;
  uint64_t hash = suffix;
  while (left > 16) {
    hash = FoldedMultiply(LoadNative<uint64_t>(label) ^ secret_.words[2], LoadNative<uint64_t>(label + 8) ^ hash);
    label += 16;
    left -= 16;
  }
  const uint64_t b = left > 8 ? word(label + 8, left - 8) : 0;
  return FoldedMultiply(word(label, left) ^ secret_.words[1], b ^ hash ^ secret_.words[3]);
}

uint32_t NameList::FindName(uint64_t hash, Bytes name) const {
  const uint32_t tag = static_cast<uint32_t>(hash);
  for (size_t at = BucketOf(hash);;) {
    const Bucket& bucket = buckets_[at];
    uint32_t equal = 0;
    for (size_t way = 0; way < kWays; ++way) equal |= static_cast<uint32_t>(bucket.tags[way] == tag) << way;
    for (; equal != 0; equal &= equal - 1) {
      const uint32_t place = bucket.at[__builtin_ctz(equal)];
      // Free places have the tag 0.
      if (place != kFree && std::memcmp(pool_.data() + place, name.data(), name.size()) == 0) return place;
    }
    if (bucket.at[kWays - 1] == kFree) return kFree;
    if (++at == buckets_count_) at = 0;
  }
}

template <typename Visit>
void NameList::Suffixes(const uint8_t* folded, const uint8_t* starts, size_t labels, Visit visit) const {
  uint64_t hash = secret_.words[0];
  for (size_t depth = 0;; ++depth) {
    if (HasDepth(depth)) visit(hash, depth);
    if (depth == labels || depth == deepest_) break;
    hash = MixLabel(hash, folded + starts[labels - depth - 1]);
  }
}

void NameList::Prefetch(Bytes name) const {
  constexpr size_t kCached = size_t{256} << 10;
  if (buckets_count_ * sizeof(Bucket) <= kCached) return;
  uint8_t folded[wire::kMaxNameSize + kSlack];
  wire::Fold(folded, name.data(), name.size());
  uint8_t starts[128];
  const size_t labels = Labels(folded, starts);
  Suffixes(folded, starts, labels, [&](uint64_t hash, size_t) { PrefetchLine(&buckets_[BucketOf(hash)]); });
}

std::optional<NameMatch> NameList::Find(Bytes name, uint64_t lists) const {
  if (names_ == 0 || lists == 0) return std::nullopt;
  SHARDNS_CHECK(name.size() >= 1 && name.size() <= wire::kMaxNameSize);
  uint8_t folded[wire::kMaxNameSize + kSlack];
  wire::Fold(folded, name.data(), name.size());
  uint8_t starts[128];
  const size_t labels = Labels(folded, starts);
  starts[labels] = static_cast<uint8_t>(name.size() - 1);

  struct Suffix {
    uint64_t hash;
    uint8_t labels;
  };
  Suffix suffixes[128];
  size_t count = 0;
  Suffixes(folded, starts, labels, [&](uint64_t hash, size_t depth) {
    PrefetchLine(&buckets_[BucketOf(hash)]);
    suffixes[count++] = {.hash = hash, .labels = static_cast<uint8_t>(depth)};
  });

  // Longest first: of rules as good, the first one found stays.
  const uint8_t* best = nullptr;
  uint32_t best_rank = UINT32_MAX;
  uint8_t best_labels = 0;
  uint64_t closed = 0;  // zones in which a longer part of the name exists
  while (count-- > 0) {
    const Suffix& suffix = suffixes[count];
    const size_t from = starts[labels - suffix.labels];
    const uint32_t place = FindName(suffix.hash, {folded + from, name.size() - from});
    if (place == kFree) continue;
    const uint8_t* rule = pool_.data() + place + (name.size() - from);
    uint64_t exists = 0;
    for (bool more = true; more; rule += kRuleSize) {
      const auto word = LoadNative<uint32_t>(rule);
      more = (word & kMoreBit) != 0;
      const auto kind = static_cast<NameKind>(word & 3);
      const ListPolicy& policy = policies_[LoadNative<uint16_t>(rule + 4)];
      const uint64_t list = uint64_t{1} << policy.list;
      if ((lists & list) == 0) continue;
      exists |= list & zones_;
      if (kind == NameKind::kNode || (closed & list) != 0) continue;
      if (kind != NameKind::kSubtree && (kind == NameKind::kExact) != (suffix.labels == labels)) continue;
      // Rules of one name stand in the order of their kinds and lists.
      const uint32_t rank = policy.tier;
      if (rank >= best_rank) continue;
      best_rank = rank;
      best = rule;
      best_labels = suffix.labels;
    }
    closed |= exists;
  }
  if (best == nullptr) return std::nullopt;
  return NameMatch{.policy = policies_[LoadNative<uint16_t>(best + 4)],
                   .line = LoadNative<uint32_t>(best) >> 3,
                   .labels = best_labels};
}

}  // namespace shardns::gate
