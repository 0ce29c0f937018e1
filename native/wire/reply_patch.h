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
inline size_t ReplyLimit(const Query& query, ReplyLimits limits) {
  if (!limits.udp) return kMaxMessageSize;
  const uint32_t client = query.edns.present ? query.edns.udp_size : kPlainUdpSize;
  const uint32_t ours = limits.udp_size < kPlainUdpSize ? kPlainUdpSize : limits.udp_size;
  return client < ours ? client : ours;
}

// QR, the query's opcode, RD and CD, our RA (RFC 1035 section 4.1.1; RFC 4035 section 3.2.2).
inline uint16_t ReplyFlags(const Query& query, uint16_t rcode) {
  return static_cast<uint16_t>(flag::kQr | flag::kRa | (query.flags & (flag::kOpcode | flag::kRd | flag::kCd)) |
                               (rcode & flag::kRcode));
}

// The OPT of a reply with this rcode; none is due where the query had none.
inline OptToWrite ReplyOpt(const Query& query, ReplyLimits limits, uint16_t rcode, uint16_t extended_error) {
  const uint8_t* const cookie = query.edns.CookieToWrite();
  return {.udp_size = limits.udp_size,
          .dnssec_ok = query.edns.dnssec_ok,
          .extended_rcode = rcode,
          .extended_error = extended_error,
          .cookie = cookie == nullptr ? Bytes{} : Bytes{cookie, kReplyCookieSize},
          .nsid = query.edns.NsidToWrite()};
}

// A reply of header and question only (bare header when the question could not be read), with OPT if the query had one.
// Of the error's text, as much as the client takes.
size_t WriteErrorReply(const Query& query, uint16_t rcode, ReplyLimits limits, ErrorToTell error, MutableBytes out);

// The minimal answer to ANY: one synthesised HINFO (RFC 8482 section 4.2).
size_t WriteAnyReply(const Query& query, ReplyLimits limits, MutableBytes out);

struct TtlChange {
  uint32_t age_seconds = 0;
  uint32_t fixed_seconds = 0;  // not 0: every TTL becomes this (stale answers, RFC 8767 section 4)
};

// Changes the TTLs that a table of one-octet distances names: each entry is the distance from the field before it, the
// first from `question_end`. Positions are checked against the message, so a table being overwritten does no harm.
// `stored` holds the same octets as `message`; TTLs are read there because the copy's stores are still under way.
inline void AgeTtls(MutableBytes message, const uint8_t* stored, size_t question_end, Bytes table, TtlChange change) {
  const size_t last = message.size() - 4;  // there are four octets: those of a question
  size_t at = question_end;
  for (const uint8_t distance : table) {
    at += distance;
    if (at > last) [[unlikely]]
      return;
    uint32_t left;
    if (__builtin_sub_overflow(Load32(stored + at), change.age_seconds, &left)) left = 0;
    Store32(message.data() + at, change.fixed_seconds != 0 ? change.fixed_seconds : left);
  }
}
// The same for a message whose distances do not fit one octet: it is walked. It must have been validated.
void AgeTtlsByWalk(MutableBytes message, size_t question_end, TtlChange change);

// Turns the address records inside each RRset by `places`; an RRset is never mixed with another.
void RotateAddresses(MutableBytes message, size_t question_end, uint32_t places);

// What an answer's reply says beyond what is stored.
struct Patch {
  uint16_t extended_error = kNoExtendedError;
  uint32_t rotation = 0;                 // not 0: turns address RRsets by this many places
  const ClientSubnet* subnet = nullptr;  // the client's own, with the scope of the answer
};

// What a name that a list blocks is answered with: without a record but, to make the client remember it for
// `ttl_seconds`, the SOA of a denial (RFC 2308 section 5); or with records of one's own.
struct BlockedReply {
  uint16_t rcode = rcode::kNoError;
  uint32_t ttl_seconds;
  // Records of the question's name, one behind the other; those of its type are told, of ANY all, and an alias always:
  //  0      2     6          8
  //  | type | TTL | length   | data |
  Bytes records = {};
  uint16_t extended_error = kNoExtendedError;
  std::string_view error_text = {};
  // Of a reply that is in `out` already, what stays before them: so many records, up to here, and where the name is
  // that they are of. 0: they are of the question's.
  size_t kept_end = 0;
  uint16_t kept_records = 0;
  size_t owner = 0;
};
// A TTL among them that stands for `ttl_seconds`.
inline constexpr uint32_t kBlockedTtl = UINT32_MAX;
// Whether they are as drawn.
bool AreBlockedRecords(Bytes records);
size_t WriteBlockedReply(const Query& query, const BlockedReply& says, ReplyLimits limits, MutableBytes out);

// Header and question with TC, and OPT: of the reply that would have had these flags.
[[gnu::cold]] size_t TruncateReply(const Query& query, uint16_t flags, ReplyLimits limits, uint16_t extended_error,
                                   MutableBytes out);

// Octets at the end of a reply's buffer that may not hold the message: those who copy it write in steps.
inline constexpr size_t kReplySlack = 32;

// Leaves out of the message in `out` what its answer can do without, until it has at most `most` octets: first the
// additional section, then the authority section where it proves nothing and refers nobody. Whole sections, so whole
// RRsets. Returns the octets that are left; 0 where that does not help. The message may be cut off at `message.size()`.
[[gnu::cold]] size_t OmitExtras(MutableBytes message, size_t question_end, size_t most);

// Finishes the reply of `length` stored octets in `out`, or as many of them as it holds. Returns the reply's length.
// Where it is greater than the client takes, what is optional is left out without a word; where that is not enough it
// is cut to header and question with TC set (RFC 2181 section 9). Inline: it is a good part of a hit.
inline size_t FinishReply(const Query& query, size_t length, const Patch& patch, ReplyLimits limits, MutableBytes out) {
  const uint16_t stored = Flags(out.data());
  const uint16_t ad = query.wants_ad() ? flag::kAd : 0;
  static_assert(flag::kOfZone << 1 == flag::kRa);
  const uint16_t flags = static_cast<uint16_t>((ReplyFlags(query, stored) | (stored & (ad | flag::kAa))) &
                                               ~((stored & flag::kOfZone) << 1));
  OptToWrite opt = ReplyOpt(query, limits, stored & flag::kRcode, patch.extended_error);
  opt.subnet = patch.subnet;
  const size_t opt_size = query.edns.present ? OptSize(opt) : 0;
  if (length + opt_size > ReplyLimit(query, limits) || length + opt_size > out.size()) [[unlikely]] {
    const size_t limit = ReplyLimit(query, limits) < out.size() ? ReplyLimit(query, limits) : out.size();
    const size_t there = length < out.size() - kReplySlack ? length : out.size() - kReplySlack;
    length = opt_size < limit ? OmitExtras(out.first(there), query.question_end, limit - opt_size) : 0;
    if (length == 0) return TruncateReply(query, flags, limits, patch.extended_error, out);
  }
  Store32(out.data(), uint32_t{query.id} << 16 | flags);
  // The name only: type and class are equal by the key.
  CopyShort(out.data() + kHeaderSize, query.message.data() + kHeaderSize, query.name_length);
  if (patch.rotation != 0) [[unlikely]]
    RotateAddresses(out.first(length), query.question_end, patch.rotation);
  if (opt_size != 0) {
    Store16(out.data() + 10, static_cast<uint16_t>(ArCount(out.data()) + 1));
    WriteOpt(opt, out.data() + length);
  }
  return length + opt_size;
}

}  // namespace shardns::wire
