// The client's side of DNS cookies (RFC 7873 section 5.3): what to send each upstream server, what its responses teach,
// and which of them somebody else sent. Sends nothing itself: pure state, for whoever asks. One thread.
//
// A client cookie is a keyed hash of the server's address, so that two servers cannot tell that they are asked by one
// client (RFC 9018 section 3), and nothing is kept of servers that know no cookies. It changes with Renew(), which is
// due when the own address changes.
//
// Bound: `servers` addresses in sets of four; in a full set the one that was heard of longest ago is forgotten, and is
// then a server of which nothing is known. 64 octets a server, all taken at construction.
#pragma once
#include <memory>

#include "gate/cookie.h"

namespace shardns::gate {

struct CookieOption {
  uint8_t octets[kMaxFullCookieSize];
  uint8_t length = 0;
  Bytes bytes() const { return {octets, length}; }
};

// What to do with a response.
enum class CookieVerdict : uint8_t {
  kAccept,
  kDiscard,   // not by whom it says: go on waiting
  kRetry,     // BADCOOKIE: ask again with the cookie just learned
  kRetryTcp,  // BADCOOKIE again: ask over TCP, which proves the address in another way
};

class CookieJar {
 public:
  CookieJar(uint32_t servers, const SipKey& secret);

  // What a query to that server (4 or 16 octets) carries.
  CookieOption OptionFor(Bytes server) const;

  struct Response {
    Bytes server;
    const CookieOption& sent;  // with the query that it answers
    bool has_cookie;
    Bytes cookie;  // content of its first COOKIE option
    uint16_t rcode;
    bool tcp;
    bool retried;  // the query was sent again after BADCOOKIE already
    uint32_t now;  // seconds of any clock
  };
  // Of a response that matches its query otherwise.
  CookieVerdict Judge(const Response& response);
  // Whether it has sent a cookie: a UDP response without one is not its own. If all that comes is discarded until the
  // time is over, the next try is over TCP; there a response without a cookie tells that it knows none any more.
  bool Knows(Bytes server) const { return Find(ClientAddress::Of(server)) != nullptr; }

  void Forget(Bytes server);
  // Another client cookie for every server, and nothing known of any (RFC 7873 section 5.1).
  void Renew(const SipKey& secret);

  size_t memory_bytes() const { return sets_ * kWays * sizeof(Server); }

 private:
  static constexpr size_t kWays = 4;
  struct Server {
    ClientAddress address = {};
    uint32_t heard = 0;
    uint8_t length = 0;  // of its cookie; 0: a free place
    uint8_t cookie[kMaxFullCookieSize - kClientCookieSize] = {};
  };
  static_assert(sizeof(Server) <= 64);

  uint64_t HashOf(const ClientAddress& server) const { return SipHash24(secret_, server.octets, 16); }
  Server* SetOf(const ClientAddress& server) const;
  Server* Find(const ClientAddress& server) const;
  void Learn(const ClientAddress& server, Bytes cookie, uint32_t now);

  SipKey secret_;
  const size_t sets_;  // a power of two
  std::unique_ptr<Server[]> servers_;
};

}  // namespace shardns::gate
