// The names of a zone and their records as lib/zone/packed-nodes.ts packs them, which draws the layout: read where they
// lie in JavaScript's memory, without a copy. Immutable, by whoever owns them.
//
// The memory is not this library's: each offset is checked against the array that it leads into, so that whatever
// stands there costs a wrong answer and nothing else. Work is bounded by the names and records that a lookup meets.
#pragma once
#include <optional>

#include "base/half_siphash.h"
#include "wire/name.h"

namespace shardns::zones {

// What is known of a node without a look at its data (NodeFlag there).
namespace node_flag {
inline constexpr uint8_t kCut = 1, kDname = 2, kCname = 4, kEmpty = 8, kNsec3 = 16, kDeleted = 32, kUnsaid = 64;
}

// An RRset of a node.
//  0      2        4     8       10       14
//  | type | covers | ttl | count | octets | records: length (2), data
struct Rrset {
  uint32_t ttl;
  uint16_t type;
  uint16_t count;
  Bytes records;
};

class PackedNodes {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  std::span<const uint8_t> names;
  std::span<const uint32_t> name_at;  // one more than there are nodes
  std::span<const uint8_t> data;
  std::span<const uint32_t> data_at;  // the same
  std::span<const uint8_t> flags;
  std::span<const uint32_t> slots;  // a node + 1, by the hash of its folded labels; a power of two of them

  // Whether the arrays are as long as each other asks.
  bool IsWhole() const {
    return !flags.empty() && name_at.size() == flags.size() + 1 && data_at.size() == flags.size() + 1 &&
           !slots.empty() && (slots.size() & (slots.size() - 1)) == 0;
  }

  // The node of folded labels, those of the apex and the root left out; kNone: there is none.
  uint32_t Find(const HalfSipKey& key, Bytes labels) const {
    const size_t mask = slots.size() - 1;
    size_t at = HalfSipHash(key, labels.data(), labels.size()) & mask;
    // No more steps than there are slots, though none were free.
    for (size_t left = slots.size(); left > 0 && slots[at] != 0; --left, at = (at + 1) & mask) {
      if (IsNamed(slots[at] - 1, labels)) return slots[at] - 1;
    }
    return kNone;
  }

  // The labels of a node as they were written.
  Bytes NameOf(uint32_t node) const { return Part(names, name_at, node); }

  std::optional<Rrset> Find(uint32_t node, uint16_t type, uint16_t covers = 0) const {
    const Bytes all = Part(data, data_at, node);
    for (size_t at = 0; at + kRrsetHeader <= all.size();) {
      const uint8_t* const here = all.data() + at;
      const size_t octets = Load32(here + 10);
      if (octets > all.size() - at - kRrsetHeader) break;
      if (Load16(here) == type && Load16(here + 2) == covers) {
        return Rrset{.ttl = Load32(here + 4),
                     .type = type,
                     .count = Load16(here + 8),
                     .records = all.subspan(at + kRrsetHeader, octets)};
      }
      at += kRrsetHeader + octets;
    }
    return std::nullopt;
  }

 private:
  static constexpr size_t kRrsetHeader = 14;

  static Bytes Part(std::span<const uint8_t> of, std::span<const uint32_t> ends, uint32_t node) {
    if (node + size_t{1} >= ends.size()) return {};
    const size_t begin = ends[node], end = ends[node + 1];
    return begin <= end && end <= of.size() ? of.subspan(begin, end - begin) : Bytes{};
  }
  bool IsNamed(uint32_t node, Bytes labels) const {
    const Bytes name = NameOf(node);
    if (name.size() != labels.size() || node >= flags.size()) return false;
    for (size_t i = 0; i < name.size(); ++i) {
      if (wire::FoldOctet(name[i]) != labels[i]) return false;
    }
    return true;
  }
};

}  // namespace shardns::zones
