// Reading them.
#include "udp/ask_commands.h"

#include <cstddef>

namespace shardns::udp {

namespace {

static_assert(offsetof(AskRecord, server) == offsetof(ForwardRecord, server));
NewQuery QueryOf(const CommandHead& head, const uint8_t* record) {
  NewQuery query = {.number = head.number,
                    .serial = head.serial,
                    .server = {},
                    .now_ms = head.now_ms,
                    .letters = (head.flags & ask_flag::kKeptLetters) != 0 ? Letters::kKept : Letters::kDrawn,
                    .guarded = (head.flags & ask_flag::kAnyEntropy) == 0,
                    .message = {}};
  std::memcpy(&query.server, record + offsetof(AskRecord, server), sizeof query.server);
  return query;
}

bool RunNext(MutableBytes* commands, Asker* asker) {
  CommandHead head;
  if (commands->size() < sizeof head) return false;
  std::memcpy(&head, commands->data(), sizeof head);
  if (head.command == AskCommand::kCallOff || head.command == AskCommand::kTakeOver) {
    if (head.command == AskCommand::kCallOff) {
      asker->CallOff(head.number, head.serial, head.now_ms);
    } else {
      asker->TakeOver(head.number, head.serial);
    }
    *commands = commands->subspan(sizeof head);
    return true;
  }
  if (head.command == AskCommand::kForward) {
    const bool has_cookie = (head.flags & ask_flag::kCookie) != 0;
    const size_t size = sizeof(ForwardRecord) + (has_cookie ? sizeof(SentCookie) : 0);
    if (commands->size() < size || !asker->MayAsk(head.number)) return false;
    SentCookie cookie = {};
    if (has_cookie) std::memcpy(&cookie, commands->data() + sizeof(ForwardRecord), sizeof cookie);
    if (cookie.length > kMaxSentCookie) return false;
    NewQuery query = QueryOf(head, commands->data());
    uint32_t ticket;
    std::memcpy(&ticket, commands->data() + offsetof(ForwardRecord, ticket), sizeof ticket);
    query.token = TokenOf(ticket);
    asker->AskWritten(query, head.length, Bytes(cookie.octets, cookie.length));
    *commands = commands->subspan(size);
    return true;
  }
  const size_t size = sizeof(AskRecord) + ((size_t{head.length} + 3) & ~size_t{3});
  if (head.command != AskCommand::kAsk || commands->size() < size || !asker->MayAsk(head.number)) return false;
  NewQuery query = QueryOf(head, commands->data());
  query.message = commands->subspan(sizeof(AskRecord), head.length);
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
