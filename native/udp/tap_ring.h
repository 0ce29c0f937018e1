// Records of what one thread has answered, on their way to the one that takes them.
//
// Head and tail are counts of octets that only grow; the writer owns the head, the reader the tail. A record is whole
// in memory before the head that shows it is stored (release), and is read before the tail that gives its room back is:
// neither side sees half of one. No record is split by the ring's end: what is left there is marked as passed over.
//
// Bound: the octets that it is made with, whose pages are taken when they are first written. A record that finds no
// room is dropped and counted; nobody waits.
#pragma once
#include <atomic>
#include <memory>

#include "base/bytes.h"
#include "base/counters.h"
#include "udp/answered_by.h"

namespace shardns::udp {

enum class TapProtocol : uint8_t { kUdp, kTcp, kTls, kHttps };

// Octets of the reply follow, padded to 8: all of it, or its header and question. Values cross into TypeScript.
//  0       8            12         14         15       16        32     34       36       37   38       40
//  | at_us | latency_us | upstream | protocol | spare  | address | port | length | family | by | one_in |
struct TapRecord {
  uint64_t at_us = 0;  // of the monotonic clock
  uint32_t latency_us = 0;
  uint16_t upstream = 0;  // as JavaScript has numbered them; 0 = none
  TapProtocol protocol = TapProtocol::kUdp;
  uint8_t spare = 0;
  uint8_t address[16] = {};  // IPv4 in the first four octets
  uint16_t port = 0;
  uint16_t length = 0;  // of the reply's octets that follow
  uint8_t family = 0;   // 4 or 6; 0 where the client has no address
  AnsweredBy by = AnsweredBy::kHit;
  uint16_t one_in = 1;  // it stands for so many
};
static_assert(sizeof(TapRecord) == 40);

class TapRing {
 public:
  // A power of two, of at least two of the greatest records.
  explicit TapRing(size_t octets) : octets_(octets), data_(new uint8_t[octets]) {
    SHARDNS_CHECK(octets >= 2 * kMaxRecord && (octets & (octets - 1)) == 0);
  }

  static constexpr size_t kMaxReply = 4096;
  static constexpr size_t kMaxRecord = sizeof(TapRecord) + kMaxReply;
  // Of a record with a reply of so many octets.
  static constexpr size_t SizeOf(size_t reply) { return sizeof(TapRecord) + ((reply + 7) & ~size_t{7}); }

  // By the one writer; `record.length` octets of `reply` are kept. False where there is no room.
  bool Write(const TapRecord& record, const uint8_t* reply) {
    SHARDNS_CHECK(record.length <= kMaxReply);
    const size_t size = SizeOf(record.length);
    uint64_t head = head_.load(std::memory_order_relaxed);
    const size_t at = head & (octets_ - 1);
    const size_t passed = octets_ - at < size ? octets_ - at : 0;
    if (head + passed + size - seen_tail_ > octets_) {
      seen_tail_ = tail_.load(std::memory_order_acquire);
      if (head + passed + size - seen_tail_ > octets_) {
        dropped_.Add();
        return false;
      }
    }
    if (passed != 0) {
      std::memcpy(data_.get() + at, &kPassed, sizeof kPassed);  // what is left is a multiple of 8
      head += passed;
    }
    uint8_t* const to = data_.get() + (head & (octets_ - 1));
    std::memset(to + size - 8, 0, 8);
    std::memcpy(to, &record, sizeof record);
    if (record.length != 0) std::memcpy(to + sizeof record, reply, record.length);
    head_.store(head + size, std::memory_order_release);
    written_.Add();
    return true;
  }

  // By the one reader: whole records, oldest first, as many as `out` has room for. Returns their octets.
  size_t Take(MutableBytes out) {
    const uint64_t head = head_.load(std::memory_order_acquire);
    uint64_t tail = tail_.load(std::memory_order_relaxed);
    size_t used = 0;
    while (tail != head) {
      const size_t at = tail & (octets_ - 1);
      uint64_t first;
      std::memcpy(&first, data_.get() + at, sizeof first);
      if (first == kPassed) {
        tail += octets_ - at;
        continue;
      }
      TapRecord record;
      std::memcpy(&record, data_.get() + at, sizeof record);
      const size_t size = SizeOf(record.length);
      if (size > out.size() - used) break;
      std::memcpy(out.data() + used, data_.get() + at, size);
      used += size;
      tail += size;
    }
    tail_.store(tail, std::memory_order_release);
    return used;
  }

  bool empty() const { return head_.load(std::memory_order_acquire) == tail_.load(std::memory_order_acquire); }
  uint64_t written() const { return written_.Get(); }
  uint64_t dropped() const { return dropped_.Get(); }
  size_t octets() const { return octets_; }

 private:
  static constexpr uint64_t kPassed = UINT64_MAX;  // no time of a record

  const size_t octets_;
  const std::unique_ptr<uint8_t[]> data_;
  // Of the writer.
  alignas(64) std::atomic<uint64_t> head_{0};
  uint64_t seen_tail_ = 0;
  Counter written_;
  Counter dropped_;
  // Of the reader.
  alignas(64) std::atomic<uint64_t> tail_{0};
};

}  // namespace shardns::udp
