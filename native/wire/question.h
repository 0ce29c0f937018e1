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
  kRefused,      // zone transfer of a cache
  kNotAuth,      // signed with a key we do not have (RFC 8945 section 5.2.1)
  kAny,          // QTYPE ANY: a minimal answer (RFC 8482)
  kOtherClass,   // not IN: goes upstream, never through the cache
};

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

// Everything of `query` that could be read is filled in, also where the verdict is an error.
QueryVerdict ParseQuery(Bytes message, Query* query);

}  // namespace shardns::wire
