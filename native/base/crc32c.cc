// The instruction, and a table for processors without it.
#include "base/crc32c.h"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#endif

namespace shardns {

namespace {

using Update = uint32_t (*)(uint32_t, const uint8_t*, size_t);

constexpr std::array<uint32_t, 256> kTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0x82F63B78u : 0);
    table[i] = value;
  }
  return table;
}();

uint32_t ByTable(uint32_t crc, const uint8_t* p, size_t n) {
  for (; n > 0; --n) crc = crc >> 8 ^ kTable[(crc ^ *p++) & 0xFF];
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t ByInstruction(uint32_t crc, const uint8_t* p, size_t n) {
  uint64_t wide = crc;
  for (; n >= 8; n -= 8, p += 8) wide = _mm_crc32_u64(wide, LoadNative<uint64_t>(p));
  crc = static_cast<uint32_t>(wide);
  for (; n > 0; --n) crc = _mm_crc32_u8(crc, *p++);
  return crc;
}
bool HasInstruction() { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__aarch64__)
__attribute__((target("+crc"))) uint32_t ByInstruction(uint32_t crc, const uint8_t* p, size_t n) {
  for (; n >= 8; n -= 8, p += 8) crc = __crc32cd(crc, LoadNative<uint64_t>(p));
  for (; n > 0; --n) crc = __crc32cb(crc, *p++);
  return crc;
}
#if defined(__linux__)
bool HasInstruction() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#else
bool HasInstruction() { return true; }  // every such Apple processor
#endif
#else
constexpr Update ByInstruction = ByTable;
bool HasInstruction() { return false; }
#endif

}  // namespace

uint32_t Crc32c(uint32_t crc, Bytes octets) {
  static const Update update = HasInstruction() ? ByInstruction : ByTable;
  return ~update(~crc, octets.data(), octets.size());
}

}  // namespace shardns
