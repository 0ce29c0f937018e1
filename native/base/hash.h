// Keyed 64-bit hash of short octet strings: folded multiplication as in wyhash (Wang Yi, public domain design), with
// secrets drawn per region, so that nobody outside can aim names at one bucket. Not a MAC.
#pragma once
#include "base/octets16.h"

namespace shardns {

struct HashSecret {
  uint64_t words[4];
};

inline uint64_t FoldedMultiply(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Expands a seed into secrets (SplitMix64, Steele et al., OOPSLA 2014). Odd words keep the multiplication lossless.
inline HashSecret ExpandSeed(uint64_t seed) {
  HashSecret secret;
  for (uint64_t& word : secret.words) {
    seed += 0x9E3779B97F4A7C15u;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    word = (z ^ (z >> 31)) | 1;
  }
  return secret;
}

// `transform(octets, offset)` maps 16 or 8 octets, each octet on its own, before they are hashed: a name is folded (and
// its folded form stored) on the way, and hashed from registers instead of from octets stored a moment ago.
template <typename Transform>
inline uint64_t KeyedHash(const HashSecret& secret, const uint8_t* p, size_t n, uint64_t salt, Transform transform) {
  uint64_t state = secret.words[0] ^ salt;
  uint64_t a, b;
  if (n > 16) {
    const auto words = [&](size_t at) { return reinterpret_cast<Words2>(transform(LoadOctets16(p + at), at)); };
    size_t at = 0;
    const size_t last = n - 16;
    do {
      const Words2 two = words(at);
      state = FoldedMultiply(two[0] ^ secret.words[1], two[1] ^ state);
      at += 16;
    } while (at < last);
    const Words2 two = words(last);
    a = two[0];
    b = two[1];
  } else if (n >= 8) {
    a = transform(LoadNative<uint64_t>(p), size_t{0});
    b = transform(LoadNative<uint64_t>(p + n - 8), n - 8);
  } else {
    uint64_t few = 0;
    std::memcpy(&few, p, n);
    a = transform(few, size_t{0});
    b = 0;
  }
  return FoldedMultiply(FoldedMultiply(a ^ secret.words[2], b ^ state) ^ secret.words[3], n ^ secret.words[1]);
}

inline uint64_t KeyedHash(const HashSecret& secret, const uint8_t* p, size_t n, uint64_t salt) {
  return KeyedHash(secret, p, n, salt, [](auto octets, size_t) { return octets; });
}

}  // namespace shardns
