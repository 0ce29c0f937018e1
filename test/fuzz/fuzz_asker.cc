// Any octets as an upstream's packet, as a query, and as commands: what matches is the question that was asked, nothing
// is told of others, and every list and count of the asker agrees.
#include <poll.h>
#include <unistd.h>

#include <vector>

#include "message_builder.h"
#include "udp/ask_commands.h"

using namespace shardns;

namespace {

constexpr uint32_t kNumber = 5;

void FuzzMatching(Bytes query, Bytes response) {
  const size_t length = udp::QuestionLength(query);
  if (length == 0) return;
  SHARDNS_CHECK(wire::kHeaderSize + length <= query.size() && length <= udp::kMaxQuestion);
  static RandomWords random;
  std::vector<uint8_t> drawn(query.begin(), query.end());
  udp::DrawLetters(MutableBytes(drawn).subspan(wire::kHeaderSize, length - 4), &random);
  const udp::AskedQuestion asked = {.flags = wire::Flags(query.data()),
                                    .question = query.subspan(wire::kHeaderSize, length)};
  // Its own question comes back: in the letters it was asked in, or in others.
  drawn[2] |= 0x80;
  SHARDNS_CHECK(udp::Matches(drawn, asked, udp::Letters::kKept));
  std::copy(query.begin() + wire::kHeaderSize, query.end(), drawn.begin() + wire::kHeaderSize);
  SHARDNS_CHECK(udp::Matches(drawn, asked, udp::Letters::kDrawn));
  const bool exactly = udp::Matches(response, asked, udp::Letters::kDrawn);
  const bool folded = udp::Matches(response, asked, udp::Letters::kKept);
  SHARDNS_CHECK(!exactly || folded);
  SHARDNS_CHECK(!folded || response.size() >= wire::kHeaderSize + length);
  SHARDNS_CHECK(!folded || !udp::IsBareError(response, asked));
}

// Bound to loopback, from where nothing leaves the machine, whatever address the commands name.
std::unique_ptr<udp::Asker> MakeAsker() {
  udp::AskerOptions options;
  udp::MakeEndpoint("127.0.0.1", 0, &options.local.v4);
  udp::MakeEndpoint("::1", 0, &options.local.v6);
  int error = 0;
  auto asker = udp::Asker::Create(options, &error);
  SHARDNS_CHECK(asker);
  return asker;
}

uint32_t CountAnswers(udp::Asker* asker) {
  static std::vector<uint8_t> memory(udp::EventBuffer::kLeast);
  uint32_t answers = 0;
  for (bool more = true; more;) {
    udp::EventBuffer events(memory);
    more = asker->Receive(&events);
    const uint8_t* at = memory.data();
    for (uint32_t i = 0; i < events.count(); ++i) {
      answers += LoadNative<uint16_t>(at) == static_cast<uint16_t>(udp::AskEvent::kAnswered);
      at += udp::EventBuffer::kHead + (size_t{LoadNative<uint16_t>(at + 2)} + 3) / 4 * 4;
    }
    SHARDNS_CHECK(at == memory.data() + events.used());
  }
  return answers;
}

void FuzzPacket(Bytes data) {
  static const std::unique_ptr<udp::Asker> asker = MakeAsker();
  static udp::Endpoint endpoint;
  static const int upstream = [] {
    udp::MakeEndpoint("127.0.0.1", 0, &endpoint);
    return udp::OpenSocket(&endpoint, {});
  }();
  udp::ServerAddress server;
  udp::MakeServerAddress("127.0.0.1", endpoint.port(), &server);
  std::vector<uint8_t> query = test::Query("some-long-name.example");
  asker->Ask({.number = kNumber, .serial = 1, .server = server, .now_ms = 0, .message = query});
  asker->Flush();
  uint8_t asked[512];
  sockaddr_storage from;
  socklen_t length = sizeof from;
  const ssize_t size = recvfrom(upstream, asked, sizeof asked, 0, reinterpret_cast<sockaddr*>(&from), &length);
  SHARDNS_CHECK(size == static_cast<ssize_t>(query.size()));
  // The id is most often right, and so is the question, or nothing else would ever be looked at.
  std::vector<uint8_t> packet(data.begin(), data.end());
  for (size_t i = 0; i < packet.size() && i < query.size(); ++i) packet[i] ^= asked[i];
  sendto(upstream, packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr*>(&from), length);
  pollfd waiting = {asker->readiness_fd(), POLLIN, 0};
  poll(&waiting, 1, 1000);
  const uint32_t answers = CountAnswers(asker.get());
  const bool id = packet.size() >= 2 && wire::Id(packet.data()) == wire::Id(asked);
  const bool match = udp::Matches(
      packet, {.flags = wire::Flags(asked), .question = Bytes(asked, query.size()).subspan(12)}, udp::Letters::kDrawn);
  SHARDNS_CHECK(answers == (id && match ? 1 : 0));
  asker->CallOff(kNumber, 1, 0);
  asker->CheckInvariants();
  SHARDNS_CHECK(asker->under_way() == 0);
}

void FuzzCommands(Bytes data) {
  const std::unique_ptr<udp::Asker> asker = MakeAsker();
  std::vector<uint8_t> commands(data.begin(), data.end());
  udp::RunCommands(commands, asker.get());
  asker->CheckInvariants();
  CountAnswers(asker.get());
  asker->CheckInvariants();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const Bytes input{data + 2, size - 2};
  switch (data[0] % 3) {
    case 0: {
      const size_t split = std::min<size_t>(data[1], input.size());
      FuzzMatching(input.first(split), input.subspan(split));
      break;
    }
    case 1:
      FuzzPacket(input);
      break;
    default:
      FuzzCommands(input);
  }
  return 0;
}
