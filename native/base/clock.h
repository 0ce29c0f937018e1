// Time as the engine counts it: ticks of 1/16 s on a monotonic clock that counts suspended time, always passed in,
// never asked for inside. 32 bits of ticks last 8.5 years; comparisons are by signed difference, so a wrap is harmless.
#pragma once
#include <atomic>
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

// Time that goes on while the machine sleeps, or an answer of a minute would be fresh an hour later. Darwin's
// CLOCK_MONOTONIC is such a clock; Linux has one of that name, which stands, and another.
#ifdef CLOCK_BOOTTIME
inline constexpr clockid_t kLifetimeClock = CLOCK_BOOTTIME;
#else
inline constexpr clockid_t kLifetimeClock = CLOCK_MONOTONIC;
#endif

inline uint64_t MicrosecondsOf(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

// Not 0: time stands still at that millisecond, for tests, which move it themselves.
inline std::atomic<uint64_t> held_at_ms{0};

// Unix time to the coarse clock's few milliseconds; for what is written down and shown to others.
inline uint32_t WallSeconds() {
#ifdef CLOCK_REALTIME_COARSE
  constexpr clockid_t kClock = CLOCK_REALTIME_COARSE;
#else
  constexpr clockid_t kClock = CLOCK_REALTIME;
#endif
  timespec now;
  clock_gettime(kClock, &now);
  return static_cast<uint32_t>(now.tv_sec);
}

inline uint64_t MonotonicUs() { return MicrosecondsOf(kLifetimeClock); }

inline uint64_t ExactMs() {
  const uint64_t held = held_at_ms.load(std::memory_order_relaxed);
  return held != 0 ? held : MonotonicUs() / 1000;
}

// To the 1 to 4 ms of the coarse clock, a sixteenth of a tick. That clock stands in suspend and costs a sixth of the
// exact one, so the exact one is read once each time it moves: 3 ns more than the coarse one alone, where 18 and 125
// were measured for the two.
inline uint64_t MonotonicMs() {
#if defined(CLOCK_BOOTTIME) && defined(CLOCK_MONOTONIC_COARSE)
  static constinit std::atomic<uint64_t> seen_coarse{UINT64_MAX}, exact_then{0};
  const uint64_t coarse = MicrosecondsOf(CLOCK_MONOTONIC_COARSE);
  if (coarse != seen_coarse.load(std::memory_order_acquire)) [[unlikely]] {
    exact_then.store(ExactMs(), std::memory_order_relaxed);
    seen_coarse.store(coarse, std::memory_order_release);
  }
  return exact_then.load(std::memory_order_relaxed);
#else
  return ExactMs();
#endif
}

}  // namespace shardns
