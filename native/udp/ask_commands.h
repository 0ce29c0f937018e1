// What a caller on the other side of a border wants of an asker, as records in memory that both have: one call carries
// those of a whole turn. Values cross into TypeScript.
//
//  0         4        8        12    16             40
//  | CommandHead                     | ServerAddress | message, padded to 4 |   ask
//  | CommandHead                     |                                          call off, take over
//  | CommandHead                     | ServerAddress | ticket |                 forward; length: the OPT's size
//  | CommandHead                     | ServerAddress | ticket | SentCookie |     the same with a cookie, as the flag
//  says
#pragma once
#include "udp/asker.h"

namespace shardns::udp {

enum class AskCommand : uint8_t { kAsk = 1, kCallOff = 2, kForward = 3, kTakeOver = 4 };
namespace ask_flag {
inline constexpr uint8_t kKeptLetters = 1;
inline constexpr uint8_t kAnyEntropy = 2;
inline constexpr uint8_t kCookie = 4;  // of a forward
}  // namespace ask_flag

struct CommandHead {
  AskCommand command;
  uint8_t flags;    // ask_flag
  uint16_t length;  // of the message
  uint32_t number;  // of the query
  uint32_t serial;
  uint32_t now_ms;
};
static_assert(sizeof(CommandHead) == 16);

struct AskRecord {
  CommandHead head;
  ServerAddress server;
};
static_assert(sizeof(AskRecord) == 40);

struct ForwardRecord {
  CommandHead head;
  ServerAddress server;
  uint32_t ticket;
};
static_assert(sizeof(ForwardRecord) == 44);
struct SentCookie {
  uint32_t length;
  uint8_t octets[kMaxSentCookie];
};
static_assert(sizeof(SentCookie) == 44);
// The token of a ticket: tickets may be 0.
inline constexpr uint64_t TokenOf(uint32_t ticket) { return uint64_t{1} << 32 | ticket; }

// Does what the records say, and sends. False when they are none: what stands before the fault is done.
bool RunCommands(MutableBytes commands, Asker* asker);

}  // namespace shardns::udp
