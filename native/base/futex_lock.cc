// The waiting half of FutexLock. Linux only inside the #ifdef; elsewhere it yields.
#include "base/futex_lock.h"

#include <ctime>
#include <thread>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace shardns {

namespace {
constexpr int kSpins = 100;
// A lock is held for microseconds. Whoever waits this long asks whether the holder lives.
constexpr timespec kPatience = {.tv_sec = 0, .tv_nsec = 2'000'000};

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void Wait(std::atomic<uint32_t>* word, uint32_t value, const timespec* timeout) {
#ifdef __linux__
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(word), FUTEX_WAIT, value, timeout, nullptr, 0);
#else
  (void)word, (void)value, (void)timeout;
  std::this_thread::yield();
#endif
}
}  // namespace

bool FutexLock::LockSlow(const LockHolder& holder) {
  for (int i = 0; i < kSpins; ++i) {
    uint32_t expected = 0;
    if (word_.load(std::memory_order_relaxed) == 0 &&
        word_.compare_exchange_weak(expected, holder.number, std::memory_order_acquire)) {
      return false;
    }
    Pause();
  }
  for (;;) {
    uint32_t word = word_.load(std::memory_order_relaxed);
    if (word == 0) {
      // Contended to be safe: others may be asleep.
      if (word_.compare_exchange_weak(word, holder.number | kContended, std::memory_order_acquire)) return false;
      continue;
    }
    if ((word & kContended) == 0 && !word_.compare_exchange_weak(word, word | kContended, std::memory_order_relaxed)) {
      continue;
    }
    Wait(&word_, word | kContended, holder.take_over != nullptr ? &kPatience : nullptr);
    if (holder.take_over != nullptr && word_.load(std::memory_order_relaxed) == (word | kContended) &&
        holder.take_over(holder.context, &word_, holder.number)) {
      return true;
    }
  }
}

void FutexLock::WakeOne() {
#ifdef __linux__
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word_), FUTEX_WAKE, 1, nullptr, nullptr, 0);
#endif
}

}  // namespace shardns
