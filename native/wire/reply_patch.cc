// Reply patching.
#include "wire/reply_patch.h"

#include "wire/ttl_scan.h"

namespace shardns::wire {

size_t ReplyLimit(const Query& query, const ReplyLimits& limits) {
  if (!limits.udp) return kMaxMessageSize;
  const size_t client = query.edns.present ? query.edns.udp_size : kPlainUdpSize;
  const size_t ours = limits.udp_size < kPlainUdpSize ? kPlainUdpSize : limits.udp_size;
  return client < ours ? client : ours;
}

namespace {

OptToWrite ReplyOpt(const Query& query, uint16_t rcode, const ReplyLimits& limits, uint16_t extended_error) {
  return {.udp_size = limits.udp_size,
          .dnssec_ok = query.edns.dnssec_ok,
          .extended_rcode = rcode,
          .extended_error = extended_error};
}

// QR, the query's opcode, RD and CD, our RA (RFC 1035 section 4.1.1; RFC 4035 section 3.2.2).
uint16_t ReplyFlags(const Query& query, uint16_t rcode) {
  return static_cast<uint16_t>(flag::kQr | flag::kRa | (query.flags & (flag::kOpcode | flag::kRd | flag::kCd)) |
                               (rcode & flag::kRcode));
}

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

size_t AppendOpt(const Query& query, size_t length, uint16_t rcode, const ReplyLimits& limits, uint16_t extended_error,
                 MutableBytes out) {
  if (!query.edns.present) return length;
  OptToWrite opt = ReplyOpt(query, rcode, limits, extended_error);
  if (length + OptSize(opt) > out.size()) return length;
  Store16(out.data() + 10, static_cast<uint16_t>(ArCount(out.data()) + 1));
  return length + WriteOpt(opt, out.data() + length);
}

}  // namespace

size_t WriteErrorReply(const Query& query, uint16_t rcode, const ReplyLimits& limits, uint16_t extended_error,
                       MutableBytes out) {
  if (out.size() < kHeaderSize + kMaxNameSize + 4 + kBareOptSize + 6) return 0;
  uint16_t flags = ReplyFlags(query, rcode);
  // Recursion is not available to those who may not ask (RFC 1035 section 4.1.1).
  const bool denied = rcode == rcode::kRefused && extended_error == ede::kProhibited;
  if (rcode == rcode::kFormErr || denied) flags = static_cast<uint16_t>(flags & ~flag::kRa);
  const size_t length = WriteHead(query, flags, out);
  return AppendOpt(query, length, rcode, limits, extended_error, out);
}

size_t WriteAnyReply(const Query& query, const ReplyLimits& limits, MutableBytes out) {
  static constexpr uint8_t kHinfo[] = {0xC0, 0x0C, 0,   13,  0,   1,   0,   0,   0x0E, 0x10, 0,
                                       9,    7,    'R', 'F', 'C', '8', '4', '8', '2',  0};
  if (out.size() < kPlainUdpSize) return 0;
  size_t length = WriteHead(query, ReplyFlags(query, rcode::kNoError), out);
  Store16(out.data() + 6, 1);
  std::memcpy(out.data() + length, kHinfo, sizeof kHinfo);
  length += sizeof kHinfo;
  return AppendOpt(query, length, rcode::kNoError, limits, kNoExtendedError, out);
}

namespace {
inline uint32_t Aged(uint32_t stored, const Patch& patch) {
  if (patch.fixed_ttl_seconds != 0) return patch.fixed_ttl_seconds;
  return stored > patch.age_seconds ? stored - patch.age_seconds : 0;
}
}  // namespace

void AgeTtls(MutableBytes message, const uint8_t* stored, size_t question_end, Bytes table, const Patch& patch) {
  if (message.size() < 4) return;
  const size_t last = message.size() - 4;
  size_t at = question_end;
  const auto for_each = [&](auto change) {
    for (const uint8_t distance : table) {
      at += distance;
      if (at > last) [[unlikely]]
        return;
      Store32(message.data() + at, change(Load32(stored + at)));
    }
  };
  if (patch.fixed_ttl_seconds != 0) {
    for_each([ttl = patch.fixed_ttl_seconds](uint32_t) { return ttl; });
  } else {
    for_each([age = patch.age_seconds](uint32_t ttl) { return ttl > age ? ttl - age : 0; });
  }
}

void AgeTtlsByWalk(MutableBytes message, size_t question_end, const Patch& patch) {
  RecordWalk walk(message, question_end);
  Record record;
  while (walk.Next(&record)) Store32(message.data() + record.fixed + 4, Aged(record.ttl, patch));
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
    turn();
    size = 0;
    if (address) {
      set[size++] = record;
      owner_length = ExpandFolded(message, record.owner, owner);
    }
  }
  turn();
}

size_t FinishReply(const Query& query, size_t length, const Patch& patch, const ReplyLimits& limits, MutableBytes out) {
  const uint16_t stored = Flags(out.data());
  const uint16_t ad = query.wants_ad() ? stored & flag::kAd : 0;
  const uint16_t flags = static_cast<uint16_t>(ReplyFlags(query, stored & flag::kRcode) | ad | (stored & flag::kAa));
  OptToWrite opt = ReplyOpt(query, stored & flag::kRcode, limits, patch.extended_error);
  opt.subnet = patch.subnet;
  const size_t opt_size = query.edns.present ? OptSize(opt) : 0;
  if (length + opt_size > ReplyLimit(query, limits) || length + opt_size > out.size()) [[unlikely]] {
    const size_t head = WriteHead(query, static_cast<uint16_t>((flags | flag::kTc) & ~flag::kAd), out);
    return AppendOpt(query, head, stored & flag::kRcode, limits, patch.extended_error, out);
  }
  Store16(out.data(), query.id);
  Store16(out.data() + 2, flags);
  // The name only: type and class are equal by the key.
  CopyShort(out.data() + kHeaderSize, query.message.data() + kHeaderSize, query.name_length);
  if (patch.rotation != 0) RotateAddresses(out.first(length), query.question_end, patch.rotation);
  if (opt_size != 0) {
    Store16(out.data() + 10, static_cast<uint16_t>(ArCount(out.data()) + 1));
    WriteOpt(opt, out.data() + length);
  }
  return length + opt_size;
}

}  // namespace shardns::wire
