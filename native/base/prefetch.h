// Asking for a line of memory before it is needed.
#pragma once

namespace shardns {

// The empty statement keeps the call: to gcc, a function that does nothing but ask ahead does nothing at all.
inline void PrefetchLine(const void* at) {
  __builtin_prefetch(at);
  asm volatile("" : : "r"(at));
}
// For a line that is written to.
inline void PrefetchLineToWrite(const void* at) {
  __builtin_prefetch(at, 1);
  asm volatile("" : : "r"(at));
}

}  // namespace shardns
