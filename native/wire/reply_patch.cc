// Reply patching.
#include "wire/reply_patch.h"

#include "wire/ttl_scan.h"

namespace shardns::wire {

namespace {

// Header with counts, and the question as it came.
size_t WriteHead(const Query& query, uint16_t flags, MutableBytes out) {
  const size_t question = query.question_end > kHeaderSize ? query.question_end - kHeaderSize : 0;
  Store16(out.data(), query.id);
  Store16(out.data() + 2, flags);
  std::memset(out.data() + 4, 0, 8);
  if (question != 0) {
    Store16(out.data() + 4, 1);
    std::memcpy(out.data() + kHeaderSize, query.message.data() + kHeaderSize, question);
  }
  return kHeaderSize + question;
}

size_t AppendOpt(const Query& query, size_t length, uint16_t rcode, ReplyLimits limits, uint16_t extended_error,
                 MutableBytes out) {
  if (!query.edns.present) return length;
  if (length + OptSize(extended_error, nullptr) > out.size()) return length;
  Store16(out.data() + 10, static_cast<uint16_t>(ArCount(out.data()) + 1));
  return length + WriteOpt({.udp_size = limits.udp_size,
                            .dnssec_ok = query.edns.dnssec_ok,
                            .extended_rcode = rcode,
                            .extended_error = extended_error},
                           out.data() + length);
}

}  // namespace

size_t WriteErrorReply(const Query& query, uint16_t rcode, ReplyLimits limits, uint16_t extended_error,
                       MutableBytes out) {
  if (out.size() < kHeaderSize + kMaxNameSize + 4 + kBareOptSize + 6) return 0;
  uint16_t flags = ReplyFlags(query, rcode);
  // Recursion is not available to those who may not ask (RFC 1035 section 4.1.1).
  const bool denied = rcode == rcode::kRefused && extended_error == ede::kProhibited;
  if (rcode == rcode::kFormErr || denied) flags = static_cast<uint16_t>(flags & ~flag::kRa);
  // The bits that are about recursion have no meaning there, and are to be zero (RFC 2136 section 2.2).
  if (query.flags & flag::kOpcode) flags = static_cast<uint16_t>(flags & ~(flag::kRd | flag::kRa | flag::kCd));
  const size_t length = WriteHead(query, flags, out);
  return AppendOpt(query, length, rcode, limits, extended_error, out);
}

size_t WriteAnyReply(const Query& query, ReplyLimits limits, MutableBytes out) {
  static constexpr uint8_t kHinfo[] = {0xC0, 0x0C, 0,   13,  0,   1,   0,   0,   0x0E, 0x10, 0,
                                       9,    7,    'R', 'F', 'C', '8', '4', '8', '2',  0};
  if (out.size() < kPlainUdpSize) return 0;
  size_t length = WriteHead(query, ReplyFlags(query, rcode::kNoError), out);
  Store16(out.data() + 6, 1);
  std::memcpy(out.data() + length, kHinfo, sizeof kHinfo);
  length += sizeof kHinfo;
  return AppendOpt(query, length, rcode::kNoError, limits, kNoExtendedError, out);
}

void AgeTtlsByWalk(MutableBytes message, size_t question_end, TtlChange change) {
  RecordWalk walk = RecordWalk::Stored(message, question_end);
  Record record;
  while (walk.Next(&record)) {
    const uint32_t left = record.ttl > change.age_seconds ? record.ttl - change.age_seconds : 0;
    Store32(message.data() + record.fixed + 4, change.fixed_seconds != 0 ? change.fixed_seconds : left);
  }
}

namespace {
// Exchanges the data of equal-sized records a and b.
void SwapRdata(MutableBytes message, const Record& a, const Record& b) {
  uint8_t kept[16];
  std::memcpy(kept, message.data() + a.rdata(), a.length);
  std::memcpy(message.data() + a.rdata(), message.data() + b.rdata(), a.length);
  std::memcpy(message.data() + b.rdata(), kept, a.length);
}
}  // namespace

void RotateAddresses(MutableBytes message, size_t question_end, uint32_t places) {
  constexpr size_t kMost = 64;  // more addresses than that are left as they are
  Record set[kMost];
  size_t size = 0;
  uint8_t owner[kMaxNameSize];
  size_t owner_length = 0;
  const auto turn = [&] {
    if (size < 2) return;
    // Rotation by reversal of the two parts, then of the whole.
    const size_t by = places % size;
    const auto reverse = [&](size_t from, size_t to) {
      for (; from + 1 < to; ++from, --to) SwapRdata(message, set[from], set[to - 1]);
    };
    reverse(0, by);
    reverse(by, size);
    reverse(0, size);
  };
  RecordWalk walk(message, question_end);
  Record record;
  while (walk.Next(&record)) {
    if (record.section != Section::kAnswer) break;
    const bool address =
        (record.type == type::kA && record.length == 4) || (record.type == type::kAaaa && record.length == 16);
    const bool same = size > 0 && address && record.type == set[0].type && record.dns_class == set[0].dns_class &&
                      EqualsFolded(message, record.owner, {owner, owner_length});
    if (same && size < kMost) {
      set[size++] = record;
      continue;
    }
    // Before the turn: the owner of a message that others have written to may lead through what is moved.
    if (address) owner_length = ExpandFolded(message, record.owner, owner);
    turn();
    size = 0;
    if (address) set[size++] = record;
  }
  turn();
}

size_t OmitExtras(MutableBytes message, size_t question_end, size_t most) {
  size_t answers_end = question_end, authority_end = question_end;
  bool referral = false;
  bool proof = false;
  uint32_t left = uint32_t{AnCount(message.data())} + NsCount(message.data());
  RecordWalk walk(message, question_end);
  Record record;
  for (; left > 0 && walk.Next(&record); --left) {
    if (record.section == Section::kAnswer) {
      answers_end = record.end();
    } else if (record.type == type::kSoa || record.type == type::kNsec || record.type == type::kNsec3) {
      proof = true;  // of a denial, or that an answer is from a wildcard (RFC 4035 section 3.1.3.3)
    } else if (record.type == type::kNs) {
      referral = AnCount(message.data()) == 0;
    }
    authority_end = record.end();
    if (answers_end > most) return 0;
  }
  // The addresses of a referral's servers are needed (RFC 9471 section 2.1); a denial may name the servers too.
  if (referral && !proof) return 0;
  if (left == 0 && authority_end <= most) {
    Store16(message.data() + 10, 0);
    return authority_end;
  }
  // A proof that is cut off has not been seen whole; what is behind the cut may be one too.
  if (proof || left > 0) return 0;
  Store16(message.data() + 8, 0);
  Store16(message.data() + 10, 0);
  return answers_end;
}

size_t TruncateReply(const Query& query, uint16_t flags, ReplyLimits limits, uint16_t extended_error,
                     MutableBytes out) {
  const size_t head = WriteHead(query, static_cast<uint16_t>((flags | flag::kTc) & ~flag::kAd), out);
  return AppendOpt(query, head, flags & flag::kRcode, limits, extended_error, out);
}

}  // namespace shardns::wire
