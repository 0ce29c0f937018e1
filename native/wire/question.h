// Reads a client's query: header, the one question, and the additional section for OPT and TSIG. Says what a server
// has to do with it; builds no reply.
#pragma once
#include "wire/edns.h"
#include "wire/name.h"

namespace shardns::wire {

enum class QueryVerdict : uint8_t {
  kAnswer,       // a question to look up
  kDrop,         // silence: a response, or less than a header
  kFormErr,      // unreadable: reply with the bare header
  kFormErrEdns,  // readable question, broken OPT (RFC 6891 section 6.1.1)
  kNotImp,       // another opcode, or an obsolete query type
  kBadVersion,   // EDNS version above 0 (RFC 6891 section 6.1.3)
  kRefused,      // a class that questions do not have
  kTransfer,     // AXFR or IXFR (RFC 5936, RFC 1995)
  kNotify,       // RFC 1996
  kUpdate,       // RFC 2136
  kSigned,       // whatever it asks, it has a TSIG record (RFC 8945)
  kAny,          // QTYPE ANY: a minimal answer (RFC 8482)
  kOtherClass,   // not IN: goes upstream, never through the cache
  kNoQuestion,   // but a COOKIE: it asks for a server's cookie (RFC 7873 section 5.4)
  kExpire,       // SOA, with the time until the zone expires (RFC 7314): kAnswer but where zones are served
};

// What is a matter for who serves zones, and nobody else's.
inline bool IsForAuthority(QueryVerdict verdict) {
  return verdict == QueryVerdict::kTransfer || verdict == QueryVerdict::kNotify || verdict == QueryVerdict::kUpdate ||
         verdict == QueryVerdict::kSigned || verdict == QueryVerdict::kExpire;
}

struct Query {
  Bytes message;
  uint16_t id = 0;
  uint16_t flags = 0;
  uint16_t question_end = 0;  // octets up to here are header and question
  uint16_t type = 0;
  uint16_t dns_class = 0;
  uint8_t name_length = 0;  // the name begins at octet 12
  Edns edns;

  Bytes name() const { return message.subspan(kHeaderSize, name_length); }
  bool wants_ad() const { return edns.dnssec_ok || (flags & flag::kAd) != 0; }
};

// Every query there is. Never kExpire: whether zones are served is not for a parser to know.
QueryVerdict ParseAnyQuery(Bytes message, Query* query);

// A query of one question of class IN for a type of data, with nothing behind it or, of so many octets, an OPT. Its
// options are left to the caller. False: another one, of which nothing is known yet.
inline bool ParseShortQuery(Bytes message, size_t opt_size, Query* query) {
  constexpr uint64_t kOnlyQuestion = 0x0000'0000'0000'0100u;  // qdcount 1 in network order, the rest 0
  constexpr uint64_t kWithOneAdditional = 0x0100'0000'0000'0100u;
  if (message.size() < kHeaderSize + 1 + 4) return false;
  const uint8_t* octets = message.data();
  const uint64_t counts = LoadNative<uint64_t>(octets + 4);
  const bool with_opt = counts == kWithOneAdditional;
  const uint16_t flags = Flags(octets);
  if ((counts != kOnlyQuestion && !with_opt) || (flags & (flag::kQr | flag::kOpcode)) != 0) return false;
  // Where the question ends follows from where the message does. The walk over the labels only has to agree: nothing
  // that needs the name waits for it.
  const size_t question_end = message.size() - (with_opt ? opt_size : 0);
  size_t name = question_end - kHeaderSize - 4;
#if defined(__GNUC__)
  asm("" : "+r"(name));  // or the compiler puts the walk's result in its place, since they are equal
#endif
  if (name - 1 >= kMaxNameSize || PlainNameLength(message, kHeaderSize) != name) return false;
  const uint32_t question = Load32(octets + kHeaderSize + name);  // type and class
  const uint16_t type = static_cast<uint16_t>(question >> 16);
  if (static_cast<uint16_t>(question) != kClassIn || type - 1u >= type::kFirstMeta - 1u || type == type::kOpt) {
    return false;
  }
  query->edns.Clear();
  if (with_opt) {
    const uint8_t* opt = octets + question_end;
    if (opt[0] != 0 || Load16(opt + 1) != type::kOpt || Load16(opt + 9) != opt_size - kBareOptSize || opt[6] != 0) {
      return false;
    }
    ReadOpt(Load16(opt + 3), Load32(opt + 5), &query->edns);
  }
  query->message = message;
  query->id = Id(octets);
  query->flags = flags;
  query->question_end = static_cast<uint16_t>(question_end);
  query->type = type;
  query->dns_class = kClassIn;
  query->name_length = static_cast<uint8_t>(name);
  return true;
}

// The query that nearly everybody sends: with at most a bare OPT.
inline bool ParsePlainQuery(Bytes message, Query* query) { return ParseShortQuery(message, kBareOptSize, query); }

// The same with an OPT that has a COOKIE option, of half a cookie or of a whole one, and no other.
inline bool ParseCookieQuery(Bytes message, Query* query) {
  for (const size_t cookie : {size_t{8}, kReplyCookieSize}) {
    const size_t option = 4 + cookie;
    if (message.size() < kHeaderSize + option) continue;
    const uint8_t* const at = message.data() + message.size() - option;
    if (Load32(at) != (uint32_t{kOptionCookie} << 16 | cookie) ||
        !ParseShortQuery(message, kBareOptSize + option, query) || !query->edns.present) {
      continue;
    }
    query->edns.cookie = at + 4;
    query->edns.reply_cookie = nullptr;
    return true;
  }
  return false;
}

// Everything of `query` that could be read is filled in, also where the verdict is an error; whatever was in it is
// gone.
inline QueryVerdict ParseQuery(Bytes message, Query* query) {
  return ParsePlainQuery(message, query) ? QueryVerdict::kAnswer : ParseAnyQuery(message, query);
}

}  // namespace shardns::wire
