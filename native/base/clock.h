// Time as the engine counts it: ticks of 1/16 s on a monotonic clock, always passed in, never asked for inside.
// 32 bits of ticks last 8.5 years; comparisons are by signed difference, so a wrap is harmless.
#pragma once
#include <cstdint>
#include <ctime>

namespace shardns {

using Ticks = uint32_t;
inline constexpr uint32_t kTicksPerSecond = 16;

inline constexpr Ticks TicksFromMs(uint64_t monotonic_ms) { return static_cast<Ticks>(monotonic_ms * 2 / 125); }
inline constexpr Ticks TicksFromSeconds(uint32_t seconds) { return seconds * kTicksPerSecond; }
inline constexpr int32_t TicksUntil(Ticks then, Ticks now) { return static_cast<int32_t>(then - now); }
inline constexpr uint32_t SecondsSince(Ticks then, Ticks now) {
  const int32_t elapsed = static_cast<int32_t>(now - then);
  return elapsed <= 0 ? 0 : static_cast<uint32_t>(elapsed) / kTicksPerSecond;
}

// The coarse clock has a resolution of 1 to 4 ms, a sixteenth of a tick, and costs a fifth of the exact one.
inline uint64_t MonotonicMs() {
  timespec now;
#ifdef CLOCK_MONOTONIC_COARSE
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
#else
  clock_gettime(CLOCK_MONOTONIC, &now);
#endif
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

}  // namespace shardns
