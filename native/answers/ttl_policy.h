// How long an answer may live: caps, negative TTLs, signatures, jitter.
#pragma once
#include "base/bytes.h"
#include "wire/header.h"

namespace shardns::answers {

struct TtlPolicy {
  uint32_t min_seconds = 0;
  uint32_t max_seconds = 86400;
  uint32_t negative_min_seconds = 0;
  uint32_t negative_max_seconds = 3600;  // RFC 2308 section 5: 1 to 3 hours are sensible
  uint32_t jitter_percent = 0;           // shortens by up to this; never lengthens
  bool show_original = false;            // TTLs are shown as they came; the lifetime is bounded all the same
};

inline constexpr uint32_t kMaxNegativeSeconds = 10800;  // RFC 2308 section 5

// Bit 31 set counts as a great positive number, which the cap then cuts (RFC 8767 section 4).
inline uint32_t CapTtl(uint32_t ttl) {
  return ttl > wire::kMaxTtlSeconds ? static_cast<uint32_t>(wire::kMaxTtlSeconds) : ttl;
}

// The entry's lifetime. `received` is the least TTL of its records, or the negative TTL; `signature_limit` is the
// least that its signatures allow, which no minimum may pass. TTL 0 stays 0 under any minimum.
inline uint32_t LifetimeSeconds(const TtlPolicy& policy, uint32_t received, uint32_t signature_limit, bool negative,
                                uint32_t random) {
  if (received == 0) return 0;
  const uint32_t least = negative ? policy.negative_min_seconds : policy.min_seconds;
  // What bounds every answer bounds a denial too: its TTLs are shown no longer than that.
  uint32_t most = policy.max_seconds;
  if (negative && most > policy.negative_max_seconds) most = policy.negative_max_seconds;
  if (negative && most > kMaxNegativeSeconds) most = kMaxNegativeSeconds;
  uint32_t ttl = received;
  if (ttl < least) ttl = least;
  if (ttl > most) ttl = most;
  if (ttl > signature_limit) ttl = signature_limit;
  if (policy.jitter_percent != 0) {
    const uint64_t range = uint64_t{ttl} * policy.jitter_percent / 100;
    ttl -= static_cast<uint32_t>((range + 1) * random >> 32);
  }
  return ttl;
}

}  // namespace shardns::answers
