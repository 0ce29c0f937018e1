// The table of guarded mappings, and the handler of their faults.
#include "store/bus_guard.h"

#include <sys/mman.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif

#include <atomic>
#include <csignal>

namespace shardns::store {

namespace {

struct Guard {
  std::atomic<uint8_t*> base{nullptr};
  std::atomic<size_t> bytes{0};
  std::atomic<bool> faulted{false};
  std::atomic<bool> lost{false};  // the memory is another now
  std::atomic<bool> taken{false};
};
constexpr int kGuards = 256;
Guard guards[kGuards];
struct sigaction previous_action;

// Puts zeroed memory in the mapping's place, by the bare system call where there is one: nothing that a sanitizer or a
// preloaded library puts around mmap() may run in a signal handler, and to them the pages of readers would be written.
bool ReplaceByZeros(uint8_t* base, size_t bytes) {
  constexpr int kProtection = PROT_READ | PROT_WRITE;
  constexpr int kFlags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;
#ifdef __linux__
  return syscall(SYS_mmap, base, bytes, kProtection, kFlags, -1, 0) == reinterpret_cast<intptr_t>(base);
#else
  return mmap(base, bytes, kProtection, kFlags, -1, 0) == base;
#endif
}

void OnBusError(int signal_number, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (Guard& guard : guards) {
    uint8_t* base = guard.base.load();
    const auto begin = reinterpret_cast<uintptr_t>(base);
    if (base == nullptr || address < begin || address >= begin + guard.bytes.load()) continue;
    // Another thread is at it, or was: the access is tried again.
    if (guard.faulted.exchange(true)) return;
    // Everybody goes on with empty memory; each shard begins anew when it is next locked.
    if (ReplaceByZeros(base, guard.bytes.load())) {
      guard.lost = true;
      return;
    }
  }
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal_number, info, context);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal_number);
  } else {
    signal(signal_number, SIG_DFL);  // the access is tried again, and ends the process as it should
  }
}

bool Install() {
  static const bool installed = [] {
    struct sigaction action = {};
    action.sa_sigaction = OnBusError;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
    sigemptyset(&action.sa_mask);
    return sigaction(SIGBUS, &action, &previous_action) == 0;
  }();
  return installed;
}

}  // namespace

bool BusGuard::Take(uint8_t* base, size_t bytes) {
  if (number_ >= 0 || !Install()) return false;
  for (int i = 0; i < kGuards; ++i) {
    if (guards[i].taken.exchange(true)) continue;
    guards[i].faulted = false;
    guards[i].lost = false;
    guards[i].bytes = bytes;
    guards[i].base = base;
    number_ = i;
    return true;
  }
  return false;
}

bool BusGuard::lost() const { return number_ >= 0 && guards[number_].lost.load(std::memory_order_relaxed); }

void BusGuard::Release() {
  if (number_ < 0) return;
  guards[number_].base = nullptr;
  guards[number_].taken = false;
  number_ = -1;
}

}  // namespace shardns::store
