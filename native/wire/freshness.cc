// The least TTL of a reply.
#include "wire/freshness.h"

#include "wire/header.h"
#include "wire/ttl_scan.h"

namespace shardns::wire {

uint32_t FreshSeconds(Bytes reply) {
  constexpr uint32_t kNone = UINT32_MAX;
  constexpr size_t kLeastSoa = 1 + 1 + 5 * 4;
  if (reply.size() < kHeaderSize) return 0;
  const uint16_t flags = Flags(reply.data());
  const uint16_t code = flags & flag::kRcode;
  if ((flags & flag::kTc) != 0 || (code != rcode::kNoError && code != rcode::kNxDomain)) return 0;
  if (QdCount(reply.data()) != 1) return 0;
  const size_t name = CheckName(reply, kHeaderSize);
  if (name == 0 || reply.size() < kHeaderSize + name + 4) return 0;
  uint32_t least = kNone;
  RecordWalk walk = RecordWalk::Stored(reply, kHeaderSize + name + 4);
  Record record;
  while (walk.Next(&record) && record.section != Section::kAdditional) {
    uint32_t ttl = record.ttl;
    if (record.section == Section::kAuthority) {
      if (record.type != type::kSoa || record.length < kLeastSoa) continue;
      ttl = std::min(ttl, Load32(reply.data() + record.end() - 4));
    }
    least = std::min(least, ttl);
  }
  // RFC 2181 section 8: the first bit is none of a TTL's.
  return !walk.ok() || least > INT32_MAX ? 0 : least;
}

}  // namespace shardns::wire
