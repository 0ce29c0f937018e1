// What a shard's arena is counted in, and what every entry carries whatever its format: units, and the links of a
// recency list under the policies that keep one.
//
// In the arena, an entry begins at a unit:  [ links, where the policy keeps lists | what the format writes ]
#pragma once
#include <cstddef>
#include <cstdint>

namespace shardns::store {

inline constexpr size_t kUnit = 4;         // octets
inline constexpr size_t kLooseSlack = 32;  // what RacyReadLoose may touch beyond the end

inline uint32_t UnitsOf(size_t octets) { return static_cast<uint32_t>((octets + kUnit - 1) / kUnit); }

// Units from the shard's base; 0 = none. Only ever touched under the shard's lock.
//  0       4       8
//  | newer | older |
struct EntryLinks {
  uint32_t newer;
  uint32_t older;
};
static_assert(sizeof(EntryLinks) == 8);

}  // namespace shardns::store
