// The shards of values, made for their format.
#include "bytes/byte_format.h"

#include <limits>

#include "store/shard_impl.h"

namespace shardns::bytes {

size_t ByteFormat::List(const ByteHeader& header, const ByteKey& key, uint32_t freq, uint64_t now, uint8_t* to) {
  const uint32_t octets = static_cast<uint32_t>(kListHead + key.octets.size() + 3) / 4 * 4;
  const double remaining = header.expires() == kNever
                               ? std::numeric_limits<double>::infinity()
                               : static_cast<double>(static_cast<int64_t>(header.expires() - now));
  std::memcpy(to, &octets, 4);
  std::memcpy(to + 4, &header.length, 4);
  std::memcpy(to + 8, &freq, 4);
  std::memcpy(to + 12, &header.key_length, 2);
  to[14] = header.flags;
  to[15] = 0;
  std::memcpy(to + 16, &remaining, 8);
  std::memcpy(to + kListHead, key.octets.data(), key.octets.size());
  return octets;
}

}  // namespace shardns::bytes

template class shardns::store::Shard<shardns::bytes::ByteFormat>;
