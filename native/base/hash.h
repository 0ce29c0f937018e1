// Keyed 64-bit hash of short octet strings: folded multiplication as in wyhash (Wang Yi, public domain design), with
// secrets drawn per region, so that nobody outside can aim names at one bucket. Not a MAC.
#pragma once
#include "base/bytes.h"

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

// `transform` maps each word of eight octets before it is hashed, so that a name can be folded on the way: hashing from
// registers avoids reading back octets that were stored a moment ago in other widths.
template <typename Transform>
inline uint64_t KeyedHash(const HashSecret& secret, const uint8_t* p, size_t n, uint64_t salt, Transform transform) {
  const auto word = [&](const uint8_t* at) { return transform(LoadNative<uint64_t>(at)); };
  uint64_t state = secret.words[0] ^ salt;
  uint64_t a, b;
  if (n > 16) {
    const uint8_t* at = p;
    const uint8_t* const last = p + n - 16;
    do {
      state = FoldedMultiply(word(at) ^ secret.words[1], word(at + 8) ^ state);
      at += 16;
    } while (at < last);
    a = word(last);
    b = word(last + 8);
  } else if (n >= 8) {
    a = word(p);
    b = word(p + n - 8);
  } else {
    uint64_t few = 0;
    std::memcpy(&few, p, n);
    a = transform(few);
    b = 0;
  }
  return FoldedMultiply(FoldedMultiply(a ^ secret.words[2], b ^ state) ^ secret.words[3], n ^ secret.words[1]);
}

inline uint64_t KeyedHash(const HashSecret& secret, const uint8_t* p, size_t n, uint64_t salt) {
  return KeyedHash(secret, p, n, salt, [](uint64_t word) { return word; });
}

}  // namespace shardns
