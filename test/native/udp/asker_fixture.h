// An asker, and upstreams on loopback that do what a test says.
#pragma once
#include <poll.h>
#include <unistd.h>

#include <map>
#include <set>

#include "cache_fixture.h"
#include "udp/ask_commands.h"

namespace shardns::test {

inline constexpr std::string_view kLong = "some-long-name.example";

// An upstream that does what the test says.
class Upstream {
 public:
  struct Received {
    Buffer message;
    sockaddr_storage from;
    socklen_t length;
    uint16_t port() const { return udp::PortOf(reinterpret_cast<const sockaddr*>(&from)); }
    std::string name() const { return {message.begin() + 12, message.end() - 4}; }
  };
  explicit Upstream(const char* address = "127.0.0.1") {
    udp::Endpoint endpoint;
    EXPECT_TRUE(udp::MakeEndpoint(address, 0, &endpoint));
    fd_ = udp::OpenSocket(&endpoint, {});
    EXPECT_GE(fd_, 0);
    EXPECT_TRUE(udp::MakeServerAddress(address, endpoint.port(), &at_));
  }
  ~Upstream() { Close(); }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  const udp::ServerAddress& at() const { return at_; }

  // Those that have come; waits for at least so many.
  std::vector<Received> Take(size_t least = 1) {
    std::vector<Received> all;
    for (;;) {
      pollfd waiting = {fd_, POLLIN, 0};
      if (poll(&waiting, 1, all.size() < least ? 5000 : 0) <= 0) break;
      Received one = {Buffer(65'535), {}, sizeof one.from};
      const ssize_t octets =
          recvfrom(fd_, one.message.data(), one.message.size(), 0, reinterpret_cast<sockaddr*>(&one.from), &one.length);
      if (octets < 0) continue;
      one.message.resize(static_cast<size_t>(octets));
      all.push_back(std::move(one));
    }
    EXPECT_GE(all.size(), least);
    return all;
  }
  void Send(const Received& to, const Buffer& message) {
    sendto(fd_, message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&to.from), to.length);
  }
  void Answer(const Received& query) { Send(query, ResponseTo(query)); }
  static Buffer ResponseTo(const Received& query, size_t octets = 0) {
    Buffer response = query.message;
    response[2] |= 0x80;
    response.resize(response.size() + octets, 0xAB);
    return response;
  }

 private:
  int fd_ = -1;
  udp::ServerAddress at_;
};

struct Event {
  udp::AskEvent kind;
  uint32_t number;
  uint32_t serial;
  int32_t value;
  Buffer octets;
};

struct Asking {
  udp::Letters letters = udp::Letters::kDrawn;
  bool guarded = true;
};

class AskerFixture : public ::testing::Test {
 protected:
  AskerFixture() { Make({}); }
  ~AskerFixture() override { asker->CheckInvariants(); }
  void Make(const udp::AskerOptions& options) {
    int error = 0;
    asker = udp::Asker::Create(options, &error);
    ASSERT_TRUE(asker) << error;
  }

  uint32_t Ask(const udp::ServerAddress& server, std::string_view name = kLong, Asking asking = {}) {
    const uint32_t number = free.empty() ? next++ : free.back();
    if (!free.empty()) free.pop_back();
    messages[number] = Query(name);
    asker->Ask({.number = number,
                .serial = number ^ 0x5555,
                .token = number + 1,
                .server = server,
                .now_ms = now_ms,
                .letters = asking.letters,
                .guarded = asking.guarded,
                .message = messages[number]});
    return number;
  }
  void CallOff(uint32_t number) {
    asker->CallOff(number, number ^ 0x5555, now_ms);
    free.push_back(number);
  }
  // What has happened; waits for at least so many events.
  std::vector<Event> Receive(size_t least = 1, size_t room = 0) {
    Buffer memory(udp::EventBuffer::kLeast + room);
    std::vector<Event> all;
    for (;;) {
      pollfd waiting = {asker->readiness_fd(), POLLIN, 0};
      if (!asker->has_notices() && poll(&waiting, 1, all.size() < least ? 5000 : 0) <= 0) break;
      for (bool more = true; more;) {
        udp::EventBuffer events(memory);
        more = asker->Receive(&events);
        asker->CheckInvariants();
        Read(memory, events, &all);
      }
    }
    EXPECT_GE(all.size(), least);
    return all;
  }
  void Read(const Buffer& memory, const udp::EventBuffer& events, std::vector<Event>* all) {
    const uint8_t* at = memory.data();
    for (uint32_t i = 0; i < events.count(); ++i) {
      const size_t length = LoadNative<uint16_t>(at + 2);
      const auto kind = static_cast<udp::AskEvent>(LoadNative<uint16_t>(at));
      all->push_back({kind, LoadNative<uint32_t>(at + 4), LoadNative<uint32_t>(at + 8), LoadNative<int32_t>(at + 12),
                      Buffer(at + 16, at + 16 + length)});
      EXPECT_EQ(all->back().serial, all->back().number ^ 0x5555);
      if (kind <= udp::AskEvent::kFailed) free.push_back(all->back().number);
      at += 16 + (length + 3) / 4 * 4;
    }
    EXPECT_EQ(static_cast<size_t>(at - memory.data()), events.used());
  }
  // Asks and answers.
  Upstream::Received Exchange(Upstream& upstream, std::string_view name = kLong, Asking asking = {}) {
    Ask(upstream.at(), name, asking);
    asker->Flush();
    const std::vector<Upstream::Received> queries = upstream.Take();
    EXPECT_EQ(queries.size(), 1u);
    upstream.Answer(queries[0]);
    EXPECT_EQ(Receive()[0].kind, udp::AskEvent::kAnswered);
    return queries[0];
  }

  std::unique_ptr<udp::Asker> asker;
  uint32_t now_ms = 1000;
  uint32_t next = 0;
  std::vector<uint32_t> free;
  std::map<uint32_t, Buffer> messages;
};

}  // namespace shardns::test
