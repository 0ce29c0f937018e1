// What a caller on the other side of a border wants of an asker, as records in memory that both have: one call carries
// those of a whole turn. Values cross into TypeScript.
//
//  0    1       2        4        8        12    16             40
//  | 1  | flags | length | number | serial | now | ServerAddress | message, padded to 4 |   ask
//  | 2  | 0     | 0      | number | serial | now |                                          call off
#pragma once
#include "udp/asker.h"

namespace shardns::udp {

enum class AskCommand : uint8_t { kAsk = 1, kCallOff = 2 };
namespace ask_flag {
inline constexpr uint8_t kKeptLetters = 1;
inline constexpr uint8_t kAnyEntropy = 2;
}  // namespace ask_flag

// Does what the records say, and sends. False when they are none: what stands before the fault is done.
bool RunCommands(MutableBytes commands, Asker* asker);

}  // namespace shardns::udp
