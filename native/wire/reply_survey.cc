// The walk over a reply, and the padding option (RFC 7830).
#include "wire/reply_survey.h"

#include <algorithm>
#include <cstring>

#include "wire/header.h"
#include "wire/ttl_scan.h"

namespace shardns::wire {

namespace {

constexpr uint16_t kOptionPadding = 12;  // RFC 7830
constexpr size_t kLeastSoa = 1 + 1 + 5 * 4;
constexpr size_t kOptLength = 9;  // from an OPT's owner to its RDLENGTH

bool MayBeKept(Bytes reply) {
  const uint16_t flags = Flags(reply.data());
  const uint16_t code = flags & flag::kRcode;
  return (flags & flag::kTc) == 0 && (code == rcode::kNoError || code == rcode::kNxDomain);
}

}  // namespace

ReplySurvey SurveyReply(Bytes reply) {
  ReplySurvey found;
  if (reply.size() < kHeaderSize || QdCount(reply.data()) > 1) return found;
  size_t at = kHeaderSize;
  if (QdCount(reply.data()) == 1) {
    const size_t name = CheckName(reply, at);
    if (name == 0 || reply.size() < at + name + 4) return found;
    at += name + 4;
  }
  uint32_t least = UINT32_MAX;
  RecordWalk walk = RecordWalk::Stored(reply, at);
  Record record;
  while (walk.Next(&record)) {
    uint32_t ttl = record.ttl;
    if (record.section == Section::kAdditional) {
      const bool is_opt = record.type == type::kOpt && record.fixed - record.owner == 1;
      found.opt = is_opt && record.end() == reply.size() ? record.owner : 0;
      continue;
    }
    if (record.section == Section::kAuthority) {
      if (record.type != type::kSoa || record.length < kLeastSoa) continue;
      ttl = std::min(ttl, Load32(reply.data() + record.end() - 4));
    }
    least = std::min(least, ttl);
  }
  // RFC 2181 section 8: the first bit is none of a TTL's. None at all is the same here.
  if (walk.ok() && least <= INT32_MAX && MayBeKept(reply)) found.fresh_seconds = least;
  return found;
}

size_t PadReply(MutableBytes room, size_t length, size_t opt) {
  if (opt == 0) return length;
  const size_t padded = (length + 4 + kReplyBlock - 1) / kReplyBlock * kReplyBlock;
  if (padded > room.size() || padded > kMaxMessageSize) return length;
  uint8_t* rdlength = room.data() + opt + kOptLength;
  const size_t option = padded - length;
  Store16(rdlength, static_cast<uint16_t>(Load16(rdlength) + option));
  Store16(room.data() + length, kOptionPadding);
  Store16(room.data() + length + 2, static_cast<uint16_t>(option - 4));
  std::memset(room.data() + length + 4, 0, option - 4);
  return padded;
}

}  // namespace shardns::wire
