// The border for responses: takes raw octets, checks all of them, and makes the image that may be stored or sent.
#pragma once
#include "answers/entry.h"
#include "answers/ttl_policy.h"
#include "base/status.h"

namespace shardns::answers {

// A zone's answers hold until it changes, and are forgotten then. After so long they are made again; denials and
// referrals sooner, since what they say of other names is not forgotten with them, and all before a signature ends.
inline constexpr uint32_t kZoneSeconds = wire::kMaxTtlSeconds;
inline constexpr uint32_t kZoneNegativeSeconds = 3600;

struct PrepareArgs {
  Bytes response;
  uint32_t wall_seconds = 0;  // Unix time, for signature expiry only; 0 = unknown, signatures do not limit
  TtlPolicy ttl = {};
  uint32_t random = 0;  // for jitter
  // An answer of our own: its AA is kept, that of a server's never is; no minimum lengthens its TTLs.
  bool authoritative = false;
  bool ad_unknown = false;  // the query had neither AD nor DO
  // An answer of a zone of our own: kept as it is, its TTLs are not aged; it shows no RA.
  bool of_zone = false;
};

// Work memory for one image; one a thread. 64 KiB.
struct PrepareScratch {
  uint8_t message[wire::kMaxMessageSize + store::kLooseSlack];
};

// Fills `image`; octets behind the last record are cut off, as other servers do. kOk: it may be stored. kZeroTtl,
// kNoSoa, kUncacheable, kTruncated, kForeignRecords and kToRewrite leave an image that may be sent to waiters but not
// stored; any other status leaves none. Work grows with the octets: 64 KiB of whatever records and pointers take
// milliseconds.
Status Prepare(const PrepareArgs& args, PrepareScratch* scratch, EntryImage* image);

// Whether an image exists after this status.
inline bool Sendable(Status status) {
  return status == Status::kOk || status == Status::kZeroTtl || status == Status::kNoSoa ||
         status == Status::kUncacheable || status == Status::kTruncated || status == Status::kForeignRecords ||
         status == Status::kToRewrite;
}

}  // namespace shardns::answers
