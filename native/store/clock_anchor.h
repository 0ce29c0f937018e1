// How a region's time goes on over restarts of the machine: by the wall clock, which is looked at then only.
#pragma once
#include <cstdint>

namespace shardns::store {

struct ClockAnchor {
  char boot[40];       // names this start of the machine
  uint64_t offset_ms;  // region time = monotonic clock + this, in this boot
  uint64_t wall_ms;    // the wall clock at
  uint64_t region_ms;  // this region time
  static ClockAnchor Begin(uint64_t monotonic_ms, uint64_t wall_ms);
  enum class Since { kSameStart, kRestart, kBackwards };
  // kBackwards: the wall clock stands before the anchor, so nobody can say how much time has passed.
  Since Continue(uint64_t monotonic_ms, uint64_t now_wall_ms, uint64_t* offset);
};

}  // namespace shardns::store
