// Sixteen octets at a time with the compilers' vector extensions, which become SSE2 and NEON alike.
#pragma once
#include "base/bytes.h"

namespace shardns {

using Octets16 = uint8_t __attribute__((vector_size(16)));
using Words2 = uint64_t __attribute__((vector_size(16)));

inline Octets16 LoadOctets16(const uint8_t* p) {
  Octets16 value;
  std::memcpy(&value, p, sizeof value);
  return value;
}
inline void StoreOctets16(uint8_t* p, Octets16 value) { std::memcpy(p, &value, sizeof value); }

// memcpy for a few dozen octets, without the call.
inline void CopyShort(uint8_t* to, const uint8_t* from, size_t n) {
  if (n < 16) {
    for (size_t i = 0; i < n; ++i) to[i] = from[i];
    return;
  }
  const size_t last = n - 16;
  for (size_t i = 0; i < last; i += 16) StoreOctets16(to + i, LoadOctets16(from + i));
  StoreOctets16(to + last, LoadOctets16(from + last));
}

}  // namespace shardns
