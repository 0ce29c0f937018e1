// Making and checking server cookies of version 1.
#include "gate/cookie.h"

#include <algorithm>

namespace shardns::gate {

namespace {
constexpr uint8_t kVersion = 1;
constexpr size_t kTimeAt = 12, kHashAt = 16;
}  // namespace

ServerCookies::ServerCookies(std::span<const SipKey> secrets) : count_(secrets.size()) {
  SHARDNS_CHECK(count_ >= 1 && count_ <= kMaxSecrets);
  std::copy(secrets.begin(), secrets.end(), secrets_);
}

// Of all that stands before the hash, and the address.
uint64_t ServerCookies::Hash(const SipKey& secret, const uint8_t* cookie, Bytes address) {
  SHARDNS_CHECK(address.size() == 4 || address.size() == 16);
  if (address.size() == 16 && std::memcmp(address.data(), kMappedPrefix, sizeof kMappedPrefix) == 0) {
    address = address.last(4);
  }
  uint8_t hashed[kHashAt + 16];
  std::memcpy(hashed, cookie, kHashAt);
  std::memcpy(hashed + kHashAt, address.data(), address.size());
  return SipHash24(secret, hashed, kHashAt + address.size());
}

CookieState ServerCookies::Check(Bytes option, Bytes address, uint32_t now) const {
  if (option.size() == kClientCookieSize) return CookieState::kClientOnly;
  if (option.size() < kMinFullCookieSize || option.size() > kMaxFullCookieSize) return CookieState::kMalformed;
  if (option.size() != kFullCookieSize || option[kClientCookieSize] != kVersion) return CookieState::kBad;
  // In serial number arithmetic (RFC 1982), or every cookie would be bad in 2106.
  const auto age = static_cast<int32_t>(now - Load32(option.data() + kTimeAt));
  if (age > kCookieLife || age < -kCookieAhead) return CookieState::kBad;
  const uint64_t given = LoadNative<uint64_t>(option.data() + kHashAt);
  // Each comparison takes the same time wherever octets differ. By which secret it was made is no secret.
  bool good = false;
  for (size_t i = 0; i < count_ && !good; ++i) good = (Hash(secrets_[i], option.data(), address) ^ given) == 0;
  if (!good) return CookieState::kBad;
  return age > kCookieRenewAfter ? CookieState::kGoodToRenew : CookieState::kGood;
}

void ServerCookies::Make(const uint8_t* client_cookie, Bytes address, uint32_t now, uint8_t* out) const {
  std::memmove(out, client_cookie, kClientCookieSize);
  std::memset(out + kClientCookieSize, 0, kTimeAt - kClientCookieSize);
  out[kClientCookieSize] = kVersion;
  Store32(out + kTimeAt, now);
  const uint64_t hash = Hash(secrets_[0], out, address);
  std::memcpy(out + kHashAt, &hash, sizeof hash);
}

}  // namespace shardns::gate
