// The outcomes of operations that are expected to fail sometimes. Values cross into TypeScript: append only.
#pragma once
#include <cstdint>

namespace shardns {

enum class Status : int8_t {
  kOk = 0,
  kMalformed = -1,       // not a DNS message (RFC 1035 section 4)
  kTruncated = -2,       // TC is set: a part of an answer is never stored (RFC 2181 section 9)
  kNotAResponse = -3,    // QR is clear, or the opcode is not QUERY
  kUncacheable = -4,     // rcode, class or type that is never stored
  kNoSoa = -5,           // a negative answer without SOA (RFC 2308 section 5)
  kZeroTtl = -6,         // serves waiters in flight only
  kTooLarge = -7,        // does not fit the shard's log
  kForeignRecords = -8,  // records outside the chain that the question begins
  kAnothersRegion = -9,  // the region belongs to another configuration
  kToRewrite = -10,      // records twice, or names compressed where no sender may: good once it is made anew
};

}  // namespace shardns
