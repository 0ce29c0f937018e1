// The hash of names that JavaScript's tables use (lib/base/keyed-hash.ts), for those who read such a table here:
// HalfSipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012). Both give the same for one key.
#pragma once
#include "base/bytes.h"

namespace shardns {

struct HalfSipKey {
  uint32_t words[2];
};

inline uint32_t HalfSipHash(const HalfSipKey& key, const uint8_t* octets, size_t length) {
  const auto rotate = [](uint32_t word, unsigned by) { return word << by | word >> (32 - by); };
  uint32_t v0 = key.words[0], v1 = key.words[1];
  uint32_t v2 = 0x6c796765u ^ key.words[0], v3 = 0x74656462u ^ key.words[1];
  const auto round = [&] {
    v0 += v1;
    v1 = rotate(v1, 5) ^ v0;
    v0 = rotate(v0, 16);
    v2 += v3;
    v3 = rotate(v3, 8) ^ v2;
    v0 += v3;
    v3 = rotate(v3, 7) ^ v0;
    v2 += v1;
    v1 = rotate(v1, 13) ^ v2;
    v2 = rotate(v2, 16);
  };
  const auto take = [&](uint32_t word) {
    v3 ^= word;
    round();
    v0 ^= word;
  };
  size_t at = 0;
  for (; at + 4 <= length; at += 4) {
    take(octets[at] | uint32_t{octets[at + 1]} << 8 | uint32_t{octets[at + 2]} << 16 | uint32_t{octets[at + 3]} << 24);
  }
  uint32_t last = static_cast<uint32_t>(length) << 24;
  for (unsigned shift = 0; at < length; ++at, shift += 8) last |= uint32_t{octets[at]} << shift;
  take(last);
  v2 ^= 0xff;
  round();
  round();
  round();
  return v1 ^ v3;
}

}  // namespace shardns
