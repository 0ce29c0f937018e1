// Big-endian loads and stores on raw octets, and the check macro. Nothing here knows what the octets mean.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

#define SHARDNS_CHECK(condition)                                                         \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (0)

namespace shardns {

static_assert(std::endian::native == std::endian::little, "the region layout is little-endian");

using Bytes = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

template <typename T>
inline T LoadNative(const uint8_t* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

inline uint16_t Load16(const uint8_t* p) { return __builtin_bswap16(LoadNative<uint16_t>(p)); }
inline uint32_t Load32(const uint8_t* p) { return __builtin_bswap32(LoadNative<uint32_t>(p)); }

inline void Store16(uint8_t* p, uint16_t value) {
  value = __builtin_bswap16(value);
  std::memcpy(p, &value, sizeof value);
}
inline void Store32(uint8_t* p, uint32_t value) {
  value = __builtin_bswap32(value);
  std::memcpy(p, &value, sizeof value);
}

}  // namespace shardns
