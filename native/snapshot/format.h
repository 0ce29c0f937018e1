// A snapshot: what a cache held, in a file that does not depend on how it held it. Little-endian; times are relative to
// the wall clock at saving, and no secret of the region is in it.
//
//   head   0       8         12     16        24      32           60      64
//          | magic | version | kind | wall ms | rules | zero       | crc   |
//   rules: a number for what decided what its answers hold; 0: nothing is known of it
//   block  0        4         8     12
//          | octets | records | crc | records: as many octets         |       crc over the 8 octets before it, and them
//   end    a block of no octets with kEndRecords, then 8 octets: how many records there are in all, and their crc
//
// A record of answers, padded to 4:
//   0        2       3             4     8           12         16
//   | length | flags | extra length| age | remaining | freq     | message, extra
//   ages in ticks of 1/16 s; flags as in an entry's header, its key part only
// A record of bytes, padded to 4:
//   0        4            6       7      8           16         20      24
//   | length | key length | flags | freq | remaining | lifetime | marks | key, value, marks
//   remaining and lifetime in milliseconds; all ones: for ever
#pragma once
#include "answers/answer_cache.h"
#include "bytes/byte_cache.h"

namespace shardns::snapshot {

inline constexpr char kMagic[8] = {'S', 'H', 'D', 'N', 'S', 'N', 'A', 'P'};
inline constexpr uint32_t kVersion = 1;
inline constexpr size_t kHeadOctets = 64;
inline constexpr size_t kBlockHead = 12;
inline constexpr size_t kBlockOctets = size_t{1} << 20;
inline constexpr uint32_t kEndRecords = UINT32_MAX;
inline constexpr size_t kMostRecord = 24 + bytes::kMaxKeyOctets + bytes::kMaxValueOctets + 2 * bytes::kMaxMarks + 4;
static_assert(kMostRecord > 16 + wire::kMaxMessageSize + answers::kMaxExtra + 4);

// The record of a live entry, at most kMostRecord octets; 0: it is not for a snapshot (a failure, expired, forgotten).
size_t WriteRecord(const answers::Cache& cache, const uint8_t* at, const answers::EntryHeader& header, uint32_t freq,
                   uint64_t now_ms, uint8_t* to);
size_t WriteRecord(const bytes::ByteCache& cache, const uint8_t* at, const bytes::ByteHeader& header, uint32_t freq,
                   uint64_t now_ms, uint8_t* to);

// The octets of the record at the beginning of `octets`, which may hold anything; 0: there is none.
size_t RecordOctets(const answers::Cache&, Bytes octets);
size_t RecordOctets(const bytes::ByteCache&, Bytes octets);
// Asks memory for what storing that record will touch.
void PrefetchRecord(const answers::Cache& cache, Bytes record);
void PrefetchRecord(const bytes::ByteCache& cache, Bytes record);

struct RestoreArgs {
  uint64_t now_ms;
  uint64_t elapsed_ms;    // since it was saved
  uint32_t wall_seconds;  // for signatures
  answers::TtlPolicy ttl;
};
enum class Restored : uint8_t { kStored, kExpired, kRejected };
// Stores a record of that many octets, the rest of which may hold anything.
Restored RestoreRecord(answers::Cache& cache, Bytes record, const RestoreArgs& args, answers::PrepareScratch* scratch);
Restored RestoreRecord(bytes::ByteCache& cache, Bytes record, const RestoreArgs& args,
                       answers::PrepareScratch* scratch);

}  // namespace shardns::snapshot
