// How long HTTP may keep a reply (RFC 8484 section 5.1).
#pragma once
#include "base/bytes.h"

namespace shardns::wire {

// Seconds: the least TTL of the answer section, and of a negative answer no more than its SOA says (RFC 2308 section
// 5). 0: nobody may keep it, as what has no TTL, was cut off, or tells of a failure. Reads nothing outside of `reply`,
// whatever it is.
uint32_t FreshSeconds(Bytes reply);

}  // namespace shardns::wire
