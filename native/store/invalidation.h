// Invalidation by epoch: every entry carries the generation it was stored in. Forgetting something (a name, a subtree,
// a tenant, a tag) raises the generation and notes it in a place chosen by the something's hash; forgetting everything
// notes it once. Entries older than the generation look up what they belong to; nothing is walked, nothing grows.
//
// What shares a place with something forgotten is forgotten with it, which costs a miss and no more: with a place per
// KiB of the region, up to 65,536, and n things forgotten within an entry's life, n in 32,768 for each thing it
// belongs to. What covers much (subtrees, tenants, namespaces) has half of the places to itself.
#pragma once
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace shardns::store {

class InvalidationTable {
 public:
  using Place = std::atomic<uint32_t>;
  // In the superblock; the places follow it.
  struct Head {
    std::atomic<uint32_t> generation{1};
    std::atomic<uint32_t> all{0};
  };
  static uint32_t PlacesFor(size_t region_bytes) {
    const size_t wanted = std::bit_floor(region_bytes / 1024);
    return static_cast<uint32_t>(wanted < 1024 ? 1024 : wanted > 65536 ? 65536 : wanted);
  }

  InvalidationTable(Head* head, Place* places, uint32_t count) : head_(head), places_(places), count_(count) {}

  // The place of 16 bits of hash, for what covers little, and for what covers much.
  uint32_t Narrow(uint16_t bits) const { return bits & (count_ / 2 - 1); }
  uint32_t Broad(uint16_t bits) const { return Narrow(bits) | count_ / 2; }

  uint32_t generation() const { return head_->generation.load(std::memory_order_acquire); }
  void Forget(uint32_t place);
  void ForgetAll();

  // Whether that place, or everything, has been forgotten since an entry of that generation was stored.
  bool Forgotten(uint32_t place, uint32_t entry_generation) const {
    return Later(places_[place & (count_ - 1)].load(std::memory_order_acquire), entry_generation);
  }
  bool AllForgotten(uint32_t entry_generation) const {
    return Later(head_->all.load(std::memory_order_acquire), entry_generation);
  }

 private:
  static bool Later(uint32_t noted, uint32_t entry) { return static_cast<int32_t>(noted - entry) > 0; }
  uint32_t NextGeneration();

  Head* head_;
  Place* places_;
  uint32_t count_;  // a power of two
};

}  // namespace shardns::store
