// Turns stored octets, already copied into the send buffer, into the reply to one query: id, flags, the question's own
// letter case, aged TTLs, a fresh OPT, truncation. Pure: never allocates, knows nothing of caches or sockets.
#pragma once
#include "wire/question.h"

namespace shardns::wire {

struct ReplyLimits {
  bool udp = true;           // no: up to 65535 octets, no truncation
  uint16_t udp_size = 1232;  // ours; RFC 9715 section 3.1
};

// The greatest reply that this client takes.
size_t ReplyLimit(const Query& query, const ReplyLimits& limits);

// A reply of header and question only (bare header when the question could not be read), with OPT if the query had one.
size_t WriteErrorReply(const Query& query, uint16_t rcode, const ReplyLimits& limits, uint16_t extended_error,
                       MutableBytes out);

// The minimal answer to ANY: one synthesised HINFO (RFC 8482 section 4.2).
size_t WriteAnyReply(const Query& query, const ReplyLimits& limits, MutableBytes out);

struct Patch {
  uint32_t age_seconds = 0;
  uint32_t fixed_ttl_seconds = 0;  // not 0: every TTL becomes this (stale answers, RFC 8767 section 4)
  uint16_t extended_error = kNoExtendedError;
  uint32_t rotation = 0;                 // not 0: turns address RRsets by this many places
  const ClientSubnet* subnet = nullptr;  // the client's own, with the scope of the answer
};

// Ages the TTLs that a table of one-octet distances names: each entry is the distance from the field before it, the
// first from `question_end`. Positions are checked against the message, so a table being overwritten does no harm.
// `stored` holds the same octets as `message`; TTLs are read there because the copy's stores are still under way.
void AgeTtls(MutableBytes message, const uint8_t* stored, size_t question_end, Bytes table, const Patch& patch);
// The same for a message whose distances do not fit one octet: it is walked. It must have been validated.
void AgeTtlsByWalk(MutableBytes message, size_t question_end, const Patch& patch);

// Turns the address records inside each RRset by `places`; an RRset is never mixed with another.
void RotateAddresses(MutableBytes message, size_t question_end, uint32_t places);

// Finishes the reply of `length` stored octets in `out`. Returns the reply's length; it is cut to header and question
// with TC set where it is greater than the client takes (RFC 2181 section 9).
size_t FinishReply(const Query& query, size_t length, const Patch& patch, const ReplyLimits& limits, MutableBytes out);

}  // namespace shardns::wire
