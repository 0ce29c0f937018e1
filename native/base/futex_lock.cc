// The waiting half of FutexLock. Linux only inside the #ifdef; elsewhere it yields.
#include "base/futex_lock.h"

#include <thread>

#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace shardns {

namespace {
constexpr int kSpins = 100;

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}
}  // namespace

void FutexLock::LockSlow() {
  for (int i = 0; i < kSpins; ++i) {
    uint32_t expected = kFree;
    if (word_.load(std::memory_order_relaxed) == kFree &&
        word_.compare_exchange_weak(expected, kHeld, std::memory_order_acquire)) {
      return;
    }
    Pause();
  }
  while (word_.exchange(kContended, std::memory_order_acquire) != kFree) {
#ifdef __linux__
    syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word_), FUTEX_WAIT, kContended, nullptr, nullptr, 0);
#else
    std::this_thread::yield();
#endif
  }
}

void FutexLock::WakeOne() {
#ifdef __linux__
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word_), FUTEX_WAKE, 1, nullptr, nullptr, 0);
#endif
}

}  // namespace shardns
