// The layout of a stored answer, and the finished image of one that is to be stored.
//
// In the arena, 4-aligned:  [ links (store/block.h) | header | TTL table | message | extra ]
#pragma once
#include "answers/key.h"
#include "base/clock.h"
#include "base/racy.h"
#include "store/block.h"

namespace shardns::answers {

//  0            4         8        12       14          15      16
//  | generation | expires | stored | length | ttl_count | flags |
struct EntryHeader {
  uint32_t generation;  // the invalidation epoch it was stored in
  Ticks expires;
  Ticks stored;
  uint16_t length;    // octets of the message
  uint8_t ttl_count;  // octets of the TTL table: one distance each
  uint8_t flags;      // entry_flag
};
static_assert(sizeof(EntryHeader) == 16, "four headers share a cache line");

inline constexpr size_t kMaxTtlCount = 255;

// A validated answer, ready to be stored or sent. `message` has no OPT; its question is folded.
struct EntryImage {
  uint8_t ttl_count = 0;
  uint8_t flags = 0;
  uint8_t subnet_scope = 0;  // of a fresh response's client-subnet option, for those who wait for it; not stored
  uint32_t ttl_seconds = 0;
  Ticks age_ticks = 0;    // how long before now it was stored first, in another cache
  Ticks early_ticks = 0;  // how much sooner than `ttl_seconds` says it expires: what it was made of has less to live
  Bytes message;
  uint8_t ttl_table[kMaxTtlCount];
};

inline size_t EntryOctets(size_t ttl_count, size_t length, size_t extra) {
  return sizeof(EntryHeader) + ttl_count + length + (extra == 0 ? 0 : 1 + extra);
}

// Whether it is an answer of a zone of our own. `at`: where the header stands.
inline bool IsOfZone(const uint8_t* at, const EntryHeader& header) {
  return (RacyLoad16(at + sizeof header + header.ttl_count + 2) & wire::flag::kOfZone) != 0;
}

}  // namespace shardns::answers
