// Records one behind the other, until they are taken all at once.
#include "udp/copies.h"

#include <algorithm>
#include <cstring>

namespace shardns::udp {

uint32_t Copies::Draw() {
  thread_local uint32_t drawn = 0;
  return drawn += 0x9e3779b9u;  // 2^32 by the golden ratio
}

void Copies::Sample(uint32_t share) {
  {
    const std::lock_guard lock(mutex_);
    if (share != 0 && !octets_) octets_.reset(new uint8_t[kCopyOctets]);
    if (share == 0) {
      octets_.reset();
      used_ = 0;
    }
  }
  share_.store(share, std::memory_order_relaxed);
}

void Copies::Offer(Bytes query, Bytes reply, uint64_t took_us) {
  const size_t octets = (sizeof(CopyRecord) + query.size() + reply.size() + 3) & ~size_t{3};
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || !octets_ || used_ + octets > kCopyOctets || query.size() > UINT16_MAX ||
      reply.size() > UINT16_MAX) {
    dropped_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  const CopyRecord record = {.query_length = static_cast<uint16_t>(query.size()),
                             .reply_length = static_cast<uint16_t>(reply.size()),
                             .took_us = static_cast<uint32_t>(std::min<uint64_t>(took_us, UINT32_MAX))};
  uint8_t* at = octets_.get() + used_;
  std::memcpy(at, &record, sizeof record);
  std::memcpy(at + sizeof record, query.data(), query.size());
  std::memcpy(at + sizeof record + query.size(), reply.data(), reply.size());
  used_ += octets;
  copied_.fetch_add(1, std::memory_order_relaxed);
}

size_t Copies::Drain(MutableBytes out) {
  const std::lock_guard lock(mutex_);
  SHARDNS_CHECK(out.size() >= used_);
  const size_t used = used_;
  if (used != 0) std::memcpy(out.data(), octets_.get(), used);
  used_ = 0;
  return used;
}

}  // namespace shardns::udp
