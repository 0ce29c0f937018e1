// What identifies an answer: the folded question, and everything else that makes answers differ between clients
// (DO, CD, tenant, client subnet). COOKIE, buffer sizes and other per-client matter are no part of it.
#pragma once
#include "base/hash.h"
#include "wire/question.h"

namespace shardns::answers {

// Octet 15 of an entry header; the lower half belongs to the key.
namespace entry_flag {
inline constexpr uint8_t kDnssecOk = 0x01;
inline constexpr uint8_t kCheckingDisabled = 0x02;
inline constexpr uint8_t kFailure = 0x04;  // a resolution failure (RFC 9520), beside the answer it must not displace
inline constexpr uint8_t kExtra = 0x08;    // tenant or subnet octets follow the message
inline constexpr uint8_t kKeyMask = 0x0F;
inline constexpr uint8_t kNegative = 0x10;   // NXDOMAIN, NODATA or failure: lives in the negative quota
inline constexpr uint8_t kWalk = 0x20;       // too many or too distant TTLs for the table: found by walking
inline constexpr uint8_t kAdUnknown = 0x40;  // asked for without AD: its clear AD says nothing (RFC 6840 section 5.7)
inline constexpr uint8_t kPad = 0x80;        // no entry: unused space before the log's end
}  // namespace entry_flag

struct Variant {
  bool dnssec_ok = false;
  bool checking_disabled = false;
  bool failure = false;
  uint32_t tenant = 0;
  wire::ClientSubnet scope = {};  // scope_prefix octets count; family 0 = for every client
};

inline constexpr size_t kMaxExtra = 4 + 2 + 16;

// The name, which is written and compared sixteen octets at a time, begins a cache line: where the stack has put it
// across two, a hit takes up to a fifth longer.
struct alignas(64) Key {
  uint8_t name[wire::kMaxNameSize + 1];
  uint64_t hash;
  uint16_t type;
  uint8_t name_length;
  uint8_t flags;
  uint8_t extra_length;
  uint8_t extra[kMaxExtra];

  Bytes name_bytes() const { return {name, name_length}; }
  Bytes extra_bytes() const { return {extra, extra_length}; }
};

// `name`: key->name_length octets, mapped by `transform` while they are hashed (see KeyedHash).
template <typename Transform>
inline void HashKey(const HashSecret& secret, const uint8_t* name, Transform transform, Key* key) {
  uint64_t salt = static_cast<uint64_t>(key->type) << 8 | key->flags;
  if (key->extra_length != 0) [[unlikely]] {
    salt ^= KeyedHash(secret, key->extra, key->extra_length, 1) << 24;
  }
  key->hash = KeyedHash(secret, name, key->name_length, salt, transform);
}
inline void HashKey(const HashSecret& secret, Key* key) {
  HashKey(
      secret, key->name, [](auto octets, size_t) { return octets; }, key);
}

// Folds the octets that pass and stores them.
struct FoldInto {
  uint8_t* to;  // at least eight octets, whatever the length
  Octets16 operator()(Octets16 octets, size_t at) const {
    octets = wire::FoldOctets16(octets);
    StoreOctets16(to + at, octets);
    return octets;
  }
  uint64_t operator()(uint64_t word, size_t at) const {
    word = wire::FoldWord(word);
    std::memcpy(to + at, &word, sizeof word);
    return word;
  }
};

inline uint8_t KeyFlags(const Variant& variant) {
  return static_cast<uint8_t>((variant.dnssec_ok ? entry_flag::kDnssecOk : 0) |
                              (variant.checking_disabled ? entry_flag::kCheckingDisabled : 0) |
                              (variant.failure ? entry_flag::kFailure : 0));
}

// What MakeKey has written as extra octets, read back; false for others.
inline bool ReadExtra(Bytes extra, Variant* variant) {
  if (extra.size() < 6 || extra.size() > kMaxExtra) return false;
  std::memcpy(&variant->tenant, extra.data(), 4);
  wire::ClientSubnet& scope = variant->scope;
  scope.family = extra[4];
  scope.source_prefix = scope.scope_prefix = extra[5];
  const uint8_t most = scope.family == 0 ? 0 : scope.family == 1 ? 32 : 128;
  if (scope.family > 2 || scope.scope_prefix > most || extra.size() - 6 != (scope.scope_prefix + 7u) / 8) return false;
  std::memcpy(scope.address, extra.data() + 6, extra.size() - 6);
  return true;
}

// `name` in any letter case.
inline void MakeKey(const HashSecret& secret, Bytes name, uint16_t type, const Variant& variant, Key* key) {
  key->name_length = static_cast<uint8_t>(name.size());
  key->type = type;
  key->flags = KeyFlags(variant);
  key->extra_length = 0;
  if (variant.tenant != 0 || variant.scope.family != 0) [[unlikely]] {
    key->flags |= entry_flag::kExtra;
    std::memcpy(key->extra, &variant.tenant, 4);
    key->extra[4] = variant.scope.family;
    key->extra[5] = variant.scope.scope_prefix;
    const size_t octets = variant.scope.family == 0 ? 0 : (variant.scope.scope_prefix + 7u) / 8;
    std::memcpy(key->extra + 6, variant.scope.address, octets);
    if (variant.scope.scope_prefix % 8 != 0) {
      key->extra[6 + octets - 1] &= static_cast<uint8_t>(0xFF00u >> (variant.scope.scope_prefix % 8));
    }
    key->extra_length = static_cast<uint8_t>(6 + octets);
  }
  HashKey(secret, name.data(), FoldInto{key->name}, key);
}

}  // namespace shardns::answers
