// Reading them.
#include "udp/ask_commands.h"

namespace shardns::udp {

namespace {

constexpr size_t kHead = 16;
constexpr size_t kAskHead = kHead + sizeof(ServerAddress);

bool RunNext(MutableBytes* commands, Asker* asker) {
  const uint8_t* head = commands->data();
  if (commands->size() < kHead) return false;
  const auto command = static_cast<AskCommand>(head[0]);
  const uint16_t length = LoadNative<uint16_t>(head + 2);
  NewQuery query = {.number = LoadNative<uint32_t>(head + 4),
                    .serial = LoadNative<uint32_t>(head + 8),
                    .server = {},
                    .now_ms = LoadNative<uint32_t>(head + 12),
                    .message = {}};
  if (command == AskCommand::kCallOff) {
    asker->CallOff(query.number, query.serial, query.now_ms);
    *commands = commands->subspan(kHead);
    return true;
  }
  const size_t size = kAskHead + ((size_t{length} + 3) & ~size_t{3});
  if (command != AskCommand::kAsk || commands->size() < size || !asker->MayAsk(query.number)) return false;
  std::memcpy(&query.server, head + kHead, sizeof query.server);
  query.letters = (head[1] & ask_flag::kKeptLetters) != 0 ? Letters::kKept : Letters::kDrawn;
  query.guarded = (head[1] & ask_flag::kAnyEntropy) == 0;
  query.message = commands->subspan(kAskHead, length);
  asker->Ask(query);
  *commands = commands->subspan(size);
  return true;
}

}  // namespace

bool RunCommands(MutableBytes commands, Asker* asker) {
  bool sound = true;
  while (sound && !commands.empty()) sound = RunNext(&commands, asker);
  asker->Flush();
  return sound;
}

}  // namespace shardns::udp
