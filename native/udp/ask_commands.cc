// Reading them.
#include "udp/ask_commands.h"

#include <cstddef>

namespace shardns::udp {

namespace {

bool RunNext(MutableBytes* commands, Asker* asker) {
  CommandHead head;
  if (commands->size() < sizeof head) return false;
  std::memcpy(&head, commands->data(), sizeof head);
  if (head.command == AskCommand::kCallOff) {
    asker->CallOff(head.number, head.serial, head.now_ms);
    *commands = commands->subspan(sizeof head);
    return true;
  }
  const size_t size = sizeof(AskRecord) + ((size_t{head.length} + 3) & ~size_t{3});
  if (head.command != AskCommand::kAsk || commands->size() < size || !asker->MayAsk(head.number)) return false;
  NewQuery query = {.number = head.number,
                    .serial = head.serial,
                    .server = {},
                    .now_ms = head.now_ms,
                    .letters = (head.flags & ask_flag::kKeptLetters) != 0 ? Letters::kKept : Letters::kDrawn,
                    .guarded = (head.flags & ask_flag::kAnyEntropy) == 0,
                    .message = commands->subspan(sizeof(AskRecord), head.length)};
  std::memcpy(&query.server, commands->data() + offsetof(AskRecord, server), sizeof query.server);
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
