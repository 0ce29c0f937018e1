// Sets of servers, and the rules for their responses.
#include "gate/cookie_jar.h"

#include "wire/header.h"

namespace shardns::gate {

CookieJar::CookieJar(uint32_t servers, const SipKey& secret)
    : secret_(secret),
      sets_(std::bit_ceil((size_t{servers} + kWays - 1) / kWays)),
      servers_(new Server[sets_ * kWays]) {}

// The client cookie is one half of what the address hashes to for others; its place in the table is not told.
CookieJar::Server* CookieJar::SetOf(const ClientAddress& server) const {
  const uint64_t mixed = HashOf(server) * 0x9E3779B97F4A7C15u;
  return &servers_[((mixed >> 32) & (sets_ - 1)) * kWays];
}

CookieJar::Server* CookieJar::Find(const ClientAddress& server) const {
  Server* set = SetOf(server);
  for (size_t i = 0; i < kWays; ++i) {
    if (set[i].length != 0 && std::memcmp(set[i].address.octets, server.octets, 16) == 0) return &set[i];
  }
  return nullptr;
}

CookieOption CookieJar::OptionFor(Bytes server) const {
  const ClientAddress address = ClientAddress::Of(server);
  CookieOption option;
  const uint64_t client = HashOf(address);
  std::memcpy(option.octets, &client, kClientCookieSize);
  option.length = kClientCookieSize;
  if (const Server* known = Find(address); known != nullptr) {
    std::memcpy(option.octets + kClientCookieSize, known->cookie, known->length);
    option.length = static_cast<uint8_t>(kClientCookieSize + known->length);
  }
  return option;
}

void CookieJar::Learn(const ClientAddress& server, Bytes cookie, uint32_t now) {
  Server* place = Find(server);
  if (place == nullptr) {
    Server* set = SetOf(server);
    place = set;
    for (size_t i = 0; i < kWays && place->length != 0; ++i) {
      if (set[i].length == 0 || static_cast<int32_t>(set[i].heard - place->heard) < 0) place = &set[i];
    }
  }
  place->address = server;
  place->heard = now;
  place->length = static_cast<uint8_t>(cookie.size());
  std::memcpy(place->cookie, cookie.data(), cookie.size());
}

CookieVerdict CookieJar::Judge(const Response& response) {
  const ClientAddress server = ClientAddress::Of(response.server);
  if (!response.has_cookie) {
    // Who sent cookies and sends none is somebody else, or a server that was changed: only over TCP it is surely
    // itself.
    if (!response.tcp) return Find(server) == nullptr ? CookieVerdict::kAccept : CookieVerdict::kDiscard;
    Forget(response.server);
    return CookieVerdict::kAccept;
  }
  const Bytes cookie = response.cookie;
  // Of a length that there is not, or not with our own half: another's (RFC 7873 section 5.3). Only our half echoed, as
  // some servers do that know nothing of cookies, teaches nothing and proves as much as an id.
  if ((cookie.size() != kClientCookieSize && cookie.size() < kMinFullCookieSize) ||
      cookie.size() > kMaxFullCookieSize || std::memcmp(cookie.data(), response.sent.octets, kClientCookieSize) != 0) {
    return CookieVerdict::kDiscard;
  }
  // It is learned from errors, too; but not what belongs to a client cookie that is not ours any more.
  const uint64_t ours = HashOf(server);
  if (cookie.size() > kClientCookieSize && std::memcmp(cookie.data(), &ours, kClientCookieSize) == 0) {
    Learn(server, cookie.subspan(kClientCookieSize), response.now);
  }
  if (response.rcode != wire::rcode::kBadCookie) return CookieVerdict::kAccept;
  if (response.tcp) return CookieVerdict::kAccept;  // an error like others: TCP has no cookie to mend
  return response.retried || cookie.size() == kClientCookieSize ? CookieVerdict::kRetryTcp : CookieVerdict::kRetry;
}

void CookieJar::Forget(Bytes server) {
  if (Server* known = Find(ClientAddress::Of(server)); known != nullptr) *known = Server{};
}

void CookieJar::Renew(const SipKey& secret) {
  secret_ = secret;
  for (size_t i = 0; i < sets_ * kWays; ++i) servers_[i] = Server{};
}

}  // namespace shardns::gate
