// Answers every octet of which follows from their name and a version, so that any mix of two shows.
#pragma once
#include <algorithm>

#include "message_builder.h"

namespace shardns::test {

inline Buffer Marked(const std::string& name, uint8_t version) {
  const uint8_t addresses = static_cast<uint8_t>(1 + version % 7);
  MessageBuilder builder(0, 0x8180);
  builder.Question(name, 1);
  for (uint8_t i = 0; i < addresses; ++i) {
    builder.Record(6, {0xC0, 0x0C}, 1, 1000u + version, {version, static_cast<uint8_t>(name.size()), version, i});
  }
  return builder.bytes();
}

// Whether a reply to `query` for `name`, aged by `age` seconds, is one of those.
inline bool IsMarked(const std::string& name, const Buffer& query, std::span<const uint8_t> reply, uint32_t age) {
  const size_t question_end = query.size();
  if (reply.size() < question_end + 16 || !std::equal(query.begin() + 12, query.end(), reply.begin() + 12))
    return false;
  const uint8_t version = reply[question_end + 12];
  const uint8_t addresses = static_cast<uint8_t>(1 + version % 7);
  if (reply.size() != question_end + addresses * 16u || wire::AnCount(reply.data()) != addresses) return false;
  for (uint8_t a = 0; a < addresses; ++a) {
    const uint8_t* record = &reply[question_end + a * 16u];
    if (Load32(record + 6) != 1000u + version - age || record[12] != version || record[13] != name.size() ||
        record[14] != version || record[15] != a) {
      return false;
    }
  }
  return true;
}

}  // namespace shardns::test
