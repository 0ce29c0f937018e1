// Copies of some questions with their replies, for whoever compares them with what others say. Threads that answer put
// them in, one thread takes them out. A copy for which there is no room, or that comes while somebody else is at it, is
// left out and counted: nobody waits.
//
// Bound: kCopyOctets, taken when copies are first wanted.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>

#include "base/bytes.h"

namespace shardns::udp {

//  0              2              4         8       8 + query        8 + both, padded to 4
//  | query octets | reply octets | took_us | query | reply |
struct CopyRecord {
  uint16_t query_length, reply_length;
  uint32_t took_us;
};
static_assert(sizeof(CopyRecord) == 8, "read by lib/server/mirror.ts");

inline constexpr size_t kCopyOctets = 256 * 1024;

class Copies {
 public:
  // Of 2^32 questions so many are copied, evenly; 0: none.
  void Sample(uint32_t share);
  // Whether this one is: where nobody looks a reply pays one load.
  bool Wants() const {
    const uint32_t share = share_.load(std::memory_order_relaxed);
    return share != 0 && Draw() <= share;
  }
  void Offer(Bytes query, Bytes reply, uint64_t took_us);
  // Moves whole records to `out`, which has room for kCopyOctets; how many octets.
  size_t Drain(MutableBytes out);

  uint64_t copied() const { return copied_.load(std::memory_order_relaxed); }
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  // A Weyl sequence of the thread's own: evenly spread over 32 bits.
  static uint32_t Draw();

  std::atomic<uint32_t> share_{0};
  std::atomic<uint64_t> copied_{0}, dropped_{0};
  std::mutex mutex_;
  std::unique_ptr<uint8_t[]> octets_;
  size_t used_ = 0;
};

}  // namespace shardns::udp
