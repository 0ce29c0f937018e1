// CRC-32C (Castagnoli; RFC 3720 appendix B.4) of octets: by the processor's instruction where it has one.
#pragma once
#include "base/bytes.h"

namespace shardns {

// The checksum of `before` and then `octets`, where `before` has the checksum `crc`; begin with 0.
uint32_t Crc32c(uint32_t crc, Bytes octets);

}  // namespace shardns
