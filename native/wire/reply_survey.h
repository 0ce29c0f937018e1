// What a listener over HTTPS wants to know of a reply, and padding. Pure, never allocates; reads nothing outside of the
// reply, whatever it is.
#pragma once
#include "base/bytes.h"

namespace shardns::wire {

struct ReplySurvey {
  // How long HTTP may keep it (RFC 8484 section 5.1): the least TTL of the answer section, and of a negative answer no
  // more than its SOA says (RFC 2308 section 5). 0: nobody may keep it, as what has no TTL, was cut off, or tells of a
  // failure.
  uint32_t fresh_seconds = 0;
  // Where its OPT begins, if that is its last record; else 0.
  size_t opt = 0;
};
ReplySurvey SurveyReply(Bytes reply);

// Octets of which padded replies are a multiple (RFC 8467 section 4.1).
inline constexpr size_t kReplyBlock = 468;

// Pads the reply at the beginning of `room`, which has an OPT at `opt`; returns its length. As it is where there is no
// OPT, or no room.
size_t PadReply(MutableBytes room, size_t length, size_t opt);

}  // namespace shardns::wire
