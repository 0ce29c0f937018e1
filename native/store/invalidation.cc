// Noting what is forgotten.
#include "store/invalidation.h"

namespace shardns::store {

namespace {

void RaiseTo(std::atomic<uint32_t>* noted, uint32_t generation) {
  uint32_t before = noted->load(std::memory_order_relaxed);
  while (static_cast<int32_t>(generation - before) > 0 &&
         !noted->compare_exchange_weak(before, generation, std::memory_order_release)) {
  }
}

}  // namespace

uint32_t InvalidationTable::NextGeneration() {
  const uint32_t next = head_->generation.fetch_add(1, std::memory_order_acq_rel) + 1;
  // Generations compare by signed difference: before a place falls half a circle behind, all begin anew.
  if (next % (uint32_t{1} << 30) == 0) {
    for (uint32_t i = 0; i < count_; ++i) places_[i].store(next, std::memory_order_release);
    head_->all.store(next, std::memory_order_release);
  }
  return next;
}

void InvalidationTable::Forget(uint32_t place) { RaiseTo(&places_[place & (count_ - 1)], NextGeneration()); }

void InvalidationTable::ForgetAll() { RaiseTo(&head_->all, NextGeneration()); }

}  // namespace shardns::store
