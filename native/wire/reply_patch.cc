// Reply patching.
#include "wire/reply_patch.h"

#include <algorithm>

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

size_t AppendOpt(const Query& query, size_t length, uint16_t rcode, ReplyLimits limits, const ErrorToTell& error,
                 MutableBytes out) {
  if (!query.edns.present) return length;
  OptToWrite opt = ReplyOpt(query, limits, rcode, error.code);
  const size_t bare = length + OptSize(opt);
  if (bare > out.size()) return length;
  const size_t limit = std::min<size_t>(ReplyLimit(query, limits), out.size());
  if (bare < limit) opt.error_text = error.text.substr(0, std::min(kMaxErrorText, limit - bare));
  Store16(out.data() + 10, static_cast<uint16_t>(ArCount(out.data()) + 1));
  return length + WriteOpt(opt, out.data() + length);
}

}  // namespace

size_t WriteErrorReply(const Query& query, uint16_t rcode, ReplyLimits limits, ErrorToTell error, MutableBytes out) {
  if (out.size() < kHeaderSize + kMaxNameSize + 4 + kBareOptSize + 6 + 4 + kReplyCookieSize) return 0;
  uint16_t flags = ReplyFlags(query, rcode);
  // Recursion is not available to those who may not ask (RFC 1035 section 4.1.1).
  const bool denied = rcode == rcode::kRefused && error.code == ede::kProhibited;
  if (rcode == rcode::kFormErr || denied) flags = static_cast<uint16_t>(flags & ~flag::kRa);
  // The bits that are about recursion have no meaning there, and are to be zero (RFC 2136 section 2.2).
  if (query.flags & flag::kOpcode) flags = static_cast<uint16_t>(flags & ~(flag::kRd | flag::kRa | flag::kCd));
  const size_t length = WriteHead(query, flags, out);
  return AppendOpt(query, length, rcode, limits, error, out);
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

bool AreBlockedRecords(Bytes records) {
  while (!records.empty()) {
    if (records.size() < 8 || records.size() - 8 < Load16(records.data() + 6)) return false;
    records = records.subspan(8u + Load16(records.data() + 6));
  }
  return true;
}

size_t WriteBlockedReply(const Query& query, const BlockedReply& says, ReplyLimits limits, MutableBytes out) {
  constexpr size_t kOwner = 2, kFixed = 10, kSoaData = 22;
  const uint16_t flags = ReplyFlags(query, says.rcode);
  OptToWrite opt = ReplyOpt(query, limits, says.rcode, says.extended_error);
  opt.error_text = says.error_text;
  const size_t limit = ReplyLimit(query, limits) < out.size() ? ReplyLimit(query, limits) : out.size();
  // A pointer reaches 2^14 octets.
  const bool keeps = says.kept_records != 0 && says.owner < 0x4000;
  const uint16_t owner = static_cast<uint16_t>(0xC000 | (keeps ? says.owner : size_t{kHeaderSize}));
  const size_t head = keeps ? says.kept_end : size_t{query.question_end};
  // A text is for people: it goes before anything else does.
  if (head + kOwner + kFixed + kSoaData + OptSize(opt) > limit) opt.error_text = {};
  const size_t opt_size = query.edns.present ? OptSize(opt) : 0;
  size_t length = WriteHead(query, flags, out);
  if (keeps) length = says.kept_end;
  if (length + opt_size > limit) return TruncateReply(query, flags, limits, says.extended_error, out);
  const auto record = [&](uint16_t type, uint32_t ttl, size_t octets) {
    uint8_t* const at = out.data() + length;
    Store16(at, owner);
    Store16(at + 2, type);
    Store16(at + 4, kClassIn);
    Store32(at + 6, ttl == kBlockedTtl ? says.ttl_seconds : ttl);
    Store16(at + 10, static_cast<uint16_t>(octets));
    length += kOwner + kFixed + octets;
    return at + kOwner + kFixed;
  };
  uint16_t answers = keeps ? says.kept_records : 0;
  const uint16_t before = answers;
  for (Bytes left = says.records; !left.empty();) {
    const uint16_t type = Load16(left.data());
    const size_t octets = Load16(left.data() + 6);
    if (type == query.type || type == type::kCname || query.type == type::kAny) {
      if (length + kOwner + kFixed + octets + opt_size > limit) {
        return TruncateReply(query, flags, limits, says.extended_error, out);
      }
      std::memcpy(record(type, Load32(left.data() + 2), octets), left.data() + 8, octets);
      ++answers;
    }
    left = left.subspan(8 + octets);
  }
  Store16(out.data() + 6, answers);
  if (answers == before && says.rcode != rcode::kRefused && length + kOwner + kFixed + kSoaData + opt_size <= limit) {
    // Of the name itself: a zone that begins there denies it whatever is cached above. Nobody is its server.
    uint8_t* const soa = record(type::kSoa, kBlockedTtl, kSoaData);
    soa[0] = soa[1] = 0;
    for (size_t at = 2; at < kSoaData; at += 4) Store32(soa + at, says.ttl_seconds);
    Store16(out.data() + 8, 1);
  }
  if (!query.edns.present) return length;
  Store16(out.data() + 10, 1);
  return length + WriteOpt(opt, out.data() + length);
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
  bool denial = false;
  bool proof = false;
  uint32_t left = uint32_t{AnCount(message.data())} + NsCount(message.data());
  RecordWalk walk(message, question_end);
  Record record;
  for (; left > 0 && walk.Next(&record); --left) {
    if (record.section == Section::kAnswer) {
      answers_end = record.end();
    } else if (record.type == type::kSoa || record.type == type::kNsec || record.type == type::kNsec3) {
      proof = true;  // of a denial, or that an answer is from a wildcard (RFC 4035 section 3.1.3.3)
      denial |= record.type == type::kSoa;
    } else if (record.type == type::kNs) {
      referral = AnCount(message.data()) == 0;
    }
    authority_end = record.end();
    if (answers_end > most) return 0;
  }
  // The addresses of a referral's servers are needed (RFC 9471 section 2.1), signed or not; a denial may name the
  // servers too.
  if (referral && !denial) return 0;
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
