// The server's side of DNS cookies (RFC 7873 section 5.2, RFC 9018): a client that shows one has proven its address.
// Immutable: secrets are replaced whole. Time is an argument: seconds of the wall clock, since all servers of one
// address must mean the same by it (RFC 9018 section 5).
//
//  0               8         9          12     16     24
//  | client cookie | version | reserved | time | hash |
#pragma once
#include "base/siphash.h"
#include "gate/client_address.h"

namespace shardns::gate {

inline constexpr size_t kClientCookieSize = 8;
inline constexpr size_t kServerCookieSize = 16;  // of version 1 (RFC 9018 section 4)
inline constexpr size_t kFullCookieSize = kClientCookieSize + kServerCookieSize;
inline constexpr size_t kMinFullCookieSize = 16, kMaxFullCookieSize = 40;  // RFC 7873 section 4

// RFC 9018 section 4.3, in seconds.
inline constexpr int32_t kCookieLife = 3600;
inline constexpr int32_t kCookieRenewAfter = 1800;
inline constexpr int32_t kCookieAhead = 300;

enum class CookieState : uint8_t {
  kNone,        // no COOKIE option
  kMalformed,   // of a length that there is not: FORMERR (RFC 7873 section 5.2.2)
  kClientOnly,  // the client has not learned ours yet
  kBad,         // of another address, secret or version, too old, or from the future
  kGood,
  kGoodToRenew,  // good, and the reply carries a fresh one
};
inline bool ProvesAddress(CookieState state) { return state >= CookieState::kGood; }
// A reply carries a fresh cookie to everybody who sent one; a good one may go back as it came.
inline bool NeedsFreshCookie(CookieState state) {
  return state == CookieState::kClientOnly || state == CookieState::kBad || state == CookieState::kGoodToRenew;
}

class ServerCookies {
 public:
  // The first secret makes cookies; the others are checked only: one that is to come, and the last one for 1 h 5 min
  // after its end (RFC 9018 section 5).
  static constexpr size_t kMaxSecrets = 3;
  explicit ServerCookies(std::span<const SipKey> secrets);

  // `option`: the content of the first COOKIE option; of others there is no word (RFC 7873 section 5.2). `address` has
  // 4 or 16 octets; an IPv4 address in its mapped form is an IPv4 address.
  CookieState Check(Bytes option, Bytes address, uint32_t now) const;
  // The whole content of a reply's option: kFullCookieSize octets. Reserved octets are 0.
  void Make(const uint8_t* client_cookie, Bytes address, uint32_t now, uint8_t* out) const;

 private:
  static uint64_t Hash(const SipKey& secret, const uint8_t* cookie, Bytes address);

  SipKey secrets_[kMaxSecrets];
  size_t count_;
};

}  // namespace shardns::gate
