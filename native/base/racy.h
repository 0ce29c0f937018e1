// Copies octets that another thread may be overwriting. The caller proves afterwards, by an unchanged index slot,
// that nothing was overwritten, and throws the copy away otherwise (a seqlock: Boehm, "Can seqlocks get along with
// programming language memory models?", MSPC 2012).
//
// A plain memcpy would be a data race in the letter of the standard; it is kept for speed in ordinary builds behind a
// compiler barrier. Under ThreadSanitizer the same copies are made of relaxed atomics, so that it checks the protocol.
#pragma once
#include <atomic>
#include <cstring>

#include "base/octets16.h"

#if defined(__SANITIZE_THREAD__)
#define SHARDNS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SHARDNS_TSAN 1
#endif
#endif

namespace shardns {

#ifdef SHARDNS_TSAN
inline void RacyRead(void* to, const void* from, size_t n) {
  auto* out = static_cast<uint8_t*>(to);
  const auto* in = static_cast<const uint8_t*>(from);
  for (size_t i = 0; i < n; ++i) out[i] = __atomic_load_n(in + i, __ATOMIC_ACQUIRE);
}
inline void RacyWrite(void* to, const void* from, size_t n) {
  auto* out = static_cast<uint8_t*>(to);
  const auto* in = static_cast<const uint8_t*>(from);
  // Backwards or forwards, as memmove would, since a reinserted entry may overlap its old place.
  if (out <= in) {
    for (size_t i = 0; i < n; ++i) __atomic_store_n(out + i, in[i], __ATOMIC_RELEASE);
  } else {
    for (size_t i = n; i-- > 0;) __atomic_store_n(out + i, in[i], __ATOMIC_RELEASE);
  }
}
// ThreadSanitizer does not model fences; the acquire and release accesses above stand in for them.
inline void FenceAcquire() {}
inline void FenceRelease() {}
#else
inline void RacyRead(void* to, const void* from, size_t n) { std::memcpy(to, from, n); }
inline void RacyWrite(void* to, const void* from, size_t n) { std::memmove(to, from, n); }
inline void FenceAcquire() { std::atomic_thread_fence(std::memory_order_acquire); }
inline void FenceRelease() { std::atomic_thread_fence(std::memory_order_release); }
#endif

// One word that may be changing, loaded once.
template <typename T>
inline T RacyLoad(const T* from) {
  return __atomic_load_n(from, __ATOMIC_RELAXED);
}

// Copies n octets in steps of 32: may read and write up to 31 octets beyond n on either side, which the caller
// guarantees to own. Short replies cost no call and no branch per tail octet.
inline void RacyReadLoose(uint8_t* to, const uint8_t* from, size_t n) {
#ifdef SHARDNS_TSAN
  RacyRead(to, from, n);
#else
  size_t i = 0;
  do {
    const Octets16 first = LoadOctets16(from + i), second = LoadOctets16(from + i + 16);
    StoreOctets16(to + i, first);
    StoreOctets16(to + i + 16, second);
    i += 32;
  } while (i < n);
#endif
}

// Not 0 where n octets that may be changing differ from n of ours. Compared at the widths and offsets that KeyedHash
// stores a folded name with, so that the loads are forwarded from those stores.
[[gnu::always_inline]] inline uint64_t RacyDifference(const uint8_t* racy, const uint8_t* ours, size_t n) {
#ifdef SHARDNS_TSAN
  for (size_t i = 0; i < n; ++i) {
    if (__atomic_load_n(racy + i, __ATOMIC_ACQUIRE) != ours[i]) return 1;
  }
  return 0;
#else
  if (n > 16) {
    Octets16 differ = LoadOctets16(racy + n - 16) ^ LoadOctets16(ours + n - 16);
    for (size_t i = 0; i < n - 16; i += 16) differ |= LoadOctets16(racy + i) ^ LoadOctets16(ours + i);
    const Words2 words = reinterpret_cast<Words2>(differ);
    return words[0] | words[1];
  }
  if (n >= 8) {
    return (LoadNative<uint64_t>(racy) ^ LoadNative<uint64_t>(ours)) |
           (LoadNative<uint64_t>(racy + n - 8) ^ LoadNative<uint64_t>(ours + n - 8));
  }
  uint64_t a = 0, b = 0;
  std::memcpy(&a, racy, n);
  std::memcpy(&b, ours, n);
  return a ^ b;
#endif
}

// The big-endian 16 bits at `racy`.
inline uint16_t RacyLoad16(const uint8_t* racy) {
  uint16_t read;
  RacyRead(&read, racy, sizeof read);
  return __builtin_bswap16(read);
}

}  // namespace shardns
