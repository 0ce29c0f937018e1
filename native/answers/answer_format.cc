// The shards of DNS answers, made for their format.
#include "answers/answer_format.h"

#include "store/shard_impl.h"

namespace shardns::answers {

size_t AnswerFormat::List(const EntryHeader& header, const Key& key, uint32_t freq, Ticks now, uint8_t* to) {
  const uint32_t octets = static_cast<uint32_t>(kListHead + key.name_length + key.extra_length + 3) / 4 * 4;
  const int32_t remaining = TicksUntil(header.expires, now);
  std::memcpy(to, &octets, 4);
  std::memcpy(to + 4, &remaining, 4);
  std::memcpy(to + 8, &header.length, 2);
  to[10] = header.flags;
  to[11] = static_cast<uint8_t>(freq);
  std::memcpy(to + 12, &key.type, 2);
  to[14] = key.name_length;
  to[15] = key.extra_length;
  std::memcpy(to + kListHead, key.name, key.name_length);
  std::memcpy(to + kListHead + key.name_length, key.extra, key.extra_length);
  return octets;
}

}  // namespace shardns::answers

template class shardns::store::Shard<shardns::answers::AnswerFormat>;
