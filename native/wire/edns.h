// The OPT pseudo-record (RFC 6891) of a query, and writing one into a reply.
#pragma once
#include <string_view>

#include "wire/header.h"

namespace shardns::wire {

inline constexpr uint16_t kOptionNsid = 3;            // RFC 5001
inline constexpr uint16_t kOptionClientSubnet = 8;    // RFC 7871
inline constexpr uint16_t kOptionExpire = 9;          // RFC 7314
inline constexpr uint16_t kOptionCookie = 10;         // RFC 7873
inline constexpr uint16_t kOptionExtendedError = 15;  // RFC 8914
inline constexpr uint16_t kEdnsDo = 0x8000;
inline constexpr uint16_t kNoExtendedError = 0xFFFF;

namespace ede {  // RFC 8914 section 4
inline constexpr uint16_t kStaleAnswer = 3;
inline constexpr uint16_t kCachedError = 13;
inline constexpr uint16_t kBlocked = 15;
inline constexpr uint16_t kCensored = 16;
inline constexpr uint16_t kFiltered = 17;
inline constexpr uint16_t kProhibited = 18;
inline constexpr uint16_t kStaleNxdomain = 19;
}  // namespace ede

// A client-subnet option's content, checked (RFC 7871 section 6).
struct ClientSubnet {
  uint8_t family = 0;  // 1 = IPv4, 2 = IPv6, 0 = no option
  uint8_t source_prefix = 0;
  uint8_t scope_prefix = 0;
  uint8_t address[16] = {};
};

// What a reply's COOKIE option has: the client's half and ours (RFC 9018 section 4).
inline constexpr size_t kReplyCookieSize = 24;
// The longest name of a server (NSID), so that it finds room in the shortest reply.
inline constexpr size_t kMaxNsid = 128;

struct Edns {
  bool present = false;
  bool dnssec_ok = false;
  uint8_t version = 0;
  uint8_t extended_rcode = 0;
  uint16_t udp_size = kPlainUdpSize;
  ClientSubnet subnet;
  // The content of the first COOKIE option, of a length that is not judged here (RFC 7873 section 5.2); null: none.
  const uint8_t* cookie = nullptr;
  // What the reply's own has, of kReplyCookieSize; null: none. Set by whoever makes cookies, where there is `cookie`.
  const uint8_t* reply_cookie = nullptr;

  // The client asks for the server's name (RFC 5001 section 2.1), which the reply then has. The name is set by whoever
  // knows it, where `wants_nsid` is.
  bool wants_nsid = false;
  Bytes reply_nsid = {};

  // A secondary asks how long the zone lives without its primary (RFC 7314 section 2); whoever serves zones says it.
  bool wants_expire = false;

  Bytes NsidToWrite() const { return wants_nsid ? reply_nsid : Bytes{}; }
  Bytes cookie_bytes() const { return cookie == nullptr ? Bytes{} : Bytes{cookie, Load16(cookie - 2)}; }
  const uint8_t* CookieToWrite() const { return cookie == nullptr ? nullptr : reply_cookie; }

  // As if there were no OPT. Field by field: a wide store of them all would be read back, field by field, too soon.
  void Clear() {
    present = dnssec_ok = false;
    version = extended_rcode = 0;
    udp_size = kPlainUdpSize;
    subnet.family = 0;
    cookie = nullptr;  // and nobody looks at `reply_cookie`
    wants_nsid = wants_expire = false;
  }
};

// Octets an OPT without options takes.
inline constexpr size_t kBareOptSize = 11;

// Reads the fixed part of an OPT.
inline void ReadOpt(uint16_t udp_class, uint32_t ttl, Edns* edns) {
  edns->present = true;
  // RFC 6891 section 6.2.3: values below 512 count as 512.
  edns->udp_size = udp_class < kPlainUdpSize ? kPlainUdpSize : udp_class;
  edns->extended_rcode = static_cast<uint8_t>(ttl >> 24);
  edns->version = static_cast<uint8_t>(ttl >> 16);
  edns->dnssec_ok = (ttl & kEdnsDo) != 0;
}

// Reads the OPT whose fixed part begins after the root owner name. `rdata` is its option list.
// False when the option list, or a client-subnet option in it, is malformed.
bool ParseOpt(uint16_t udp_class, uint32_t ttl, Bytes rdata, Edns* edns);

// An extended error as it is told (RFC 8914): its code, and words for people.
struct ErrorToTell {
  uint16_t code = kNoExtendedError;
  std::string_view text = {};  // at most kMaxErrorText octets count

  // A code alone is an error to tell, too.
  ErrorToTell(uint16_t told, std::string_view words = {}) : code(told), text(words) {}  // NOLINT
};

struct OptToWrite {
  uint16_t udp_size = 1232;
  bool dnssec_ok = false;
  uint16_t extended_rcode = 0;  // the whole rcode; its upper 8 bits go here
  uint16_t extended_error = kNoExtendedError;
  std::string_view error_text = {};      // beside `extended_error`; at most kMaxErrorText octets
  const ClientSubnet* subnet = nullptr;  // echoed with its scope (RFC 7871 section 7.2.1)
  Bytes cookie = {};
  bool asks_nsid = false;  // of a query: the option without content
  Bytes nsid = {};
};
inline constexpr size_t kMaxErrorText = 128;

inline size_t SubnetOctets(const ClientSubnet& subnet) { return (subnet.source_prefix + 7u) / 8; }

// Octets WriteOpt needs.
inline size_t OptSize(const OptToWrite& opt) {
  return kBareOptSize + (opt.extended_error == kNoExtendedError ? 0 : 6 + opt.error_text.size()) +
         (opt.subnet == nullptr ? 0 : 8 + SubnetOctets(*opt.subnet)) +
         (opt.cookie.empty() ? 0 : 4 + opt.cookie.size()) +
         (opt.nsid.empty() && !opt.asks_nsid ? 0 : 4 + opt.nsid.size());
}
// Writes an OPT record at `to`; returns its size.
size_t WriteOpt(const OptToWrite& opt, uint8_t* to);

}  // namespace shardns::wire
