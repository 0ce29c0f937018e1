// The asker over real sockets on loopback: matching, forgery, batches, and how sockets come and go.
#include "udp/asker.h"

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <map>
#include <set>

#include "cache_fixture.h"
#include "udp/ask_commands.h"

namespace shardns::test {
namespace {

constexpr std::string_view kLong = "some-long-name.example";

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
                .token = number,
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

TEST_F(AskerFixture, AResponseIsToldWithItsOctets) {
  Upstream upstream;
  const uint32_t number = Ask(upstream.at());
  asker->Flush();
  const auto queries = upstream.Take();
  const Buffer response = Upstream::ResponseTo(queries[0], 33);
  upstream.Send(queries[0], response);
  const std::vector<Event> events = Receive();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, udp::AskEvent::kAnswered);
  EXPECT_EQ(events[0].number, number);
  EXPECT_EQ(events[0].octets, response);
  EXPECT_EQ(asker->under_way(), 0u);
}

TEST_F(AskerFixture, ResponsesOfSixtyFourKibibytesArriveWhole) {
  Upstream upstream;
  Ask(upstream.at());
  asker->Flush();
  const auto queries = upstream.Take();
  const Buffer response = Upstream::ResponseTo(queries[0], 65'507 - queries[0].message.size());
  upstream.Send(queries[0], response);
  EXPECT_EQ(Receive()[0].octets, response);
}

TEST_F(AskerFixture, IdsLettersAndPortsDifferFromQueryToQuery) {
  Upstream upstream;
  std::set<uint16_t> ids, ports;
  std::set<std::string> names;
  for (int i = 0; i < 300; ++i) {
    const auto query = Exchange(upstream);
    ids.insert(wire::Id(query.message.data()));
    ports.insert(query.port());
    names.insert(query.name());
  }
  EXPECT_GT(ids.size(), 290u);
  EXPECT_GT(ports.size(), 290u);
  EXPECT_GT(names.size(), 290u);
}

TEST_F(AskerFixture, WhatMatchesNothingIsCountedAndTheTrueResponseIsTaken) {
  Upstream upstream;
  Ask(upstream.at());
  asker->Flush();
  const auto query = upstream.Take()[0];
  const Buffer response = Upstream::ResponseTo(query);
  const auto send = [&](size_t at, uint8_t difference) {
    Buffer forged = response;
    forged[at] ^= difference;
    upstream.Send(query, forged);
  };
  send(0, 1);                    // another id
  send(2, 0x80);                 // a query
  send(2, 0x10);                 // another opcode
  send(5, 1);                    // no question
  send(14, 1);                   // another name
  send(response.size() - 1, 1);  // another class
  upstream.Send(query, Buffer(response.begin(), response.end() - 1));
  upstream.Send(query, Buffer(response.begin(), response.begin() + 2));
  upstream.Send(query, {});
  // The kernel drops what another sends.
  Upstream stranger;
  stranger.Send(query, response);
  upstream.Send(query, response);
  const std::vector<Event> events = Receive();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, udp::AskEvent::kAnswered);
  EXPECT_EQ(asker->stats().unknown_id, 2u);
  EXPECT_EQ(asker->stats().wrong_question, 7u);
}

TEST_F(AskerFixture, WhatCannotBeBelievedIsToldAndTheQueryGoesOn) {
  Upstream upstream;
  Ask(upstream.at());
  asker->Flush();
  const auto query = upstream.Take()[0];
  Buffer bare(query.message.begin(), query.message.begin() + 12);
  bare[2] |= 0x80;
  bare[3] = 1;  // FORMERR
  bare[5] = 0;
  upstream.Send(query, bare);
  Buffer other = Upstream::ResponseTo(query);
  other[13] ^= 0x20;
  upstream.Send(query, other);
  for (int i = 0; i < 99; ++i) {
    Buffer wrong = Upstream::ResponseTo(query);
    wrong[1] ^= 1;
    upstream.Send(query, wrong);
  }
  upstream.Answer(query);
  std::vector<udp::AskEvent> kinds;
  for (const Event& event : Receive(4)) kinds.push_back(event.kind);
  using enum udp::AskEvent;
  EXPECT_EQ(kinds, (std::vector{kDoubtQuestion, kDoubtLetters, kDoubtFlood, kAnswered}));
}

TEST_F(AskerFixture, AFloodIsToldToAllOfTheSocketAndItsPortIsNotUsedAgain) {
  Upstream upstream;
  for (int i = 0; i < 10; ++i) Ask(upstream.at());
  asker->Flush();
  const auto queries = upstream.Take(10);
  Buffer wrong = Upstream::ResponseTo(queries[0]);
  wrong[14] ^= 1;
  for (int i = 0; i < 100; ++i) upstream.Send(queries[0], wrong);
  const std::vector<Event> events = Receive(10);
  EXPECT_EQ(events.size(), 10u);
  for (const Event& event : events) EXPECT_EQ(event.kind, udp::AskEvent::kDoubtFlood);
  for (int i = 0; i < 200; ++i) EXPECT_NE(Exchange(upstream).port(), queries[0].port());
  for (const auto& query : queries) upstream.Answer(query);
  EXPECT_EQ(Receive(10).size(), 10u);
}

TEST_F(AskerFixture, KeptLettersGoOutAsWrittenAndComeBackInAnyCase) {
  Upstream upstream;
  Ask(upstream.at(), "Some-Long-Name.Example", {.letters = udp::Letters::kKept});
  asker->Flush();
  auto query = upstream.Take()[0];
  EXPECT_NE(query.name().find("Some-Long-Name"), std::string::npos);
  Buffer response = Upstream::ResponseTo(query);
  for (size_t i = 12; i < response.size() - 4; ++i) response[i] = wire::FoldOctet(response[i]);
  upstream.Send(query, response);
  EXPECT_EQ(Receive()[0].octets, response);
}

TEST_F(AskerFixture, ANameOfFewLettersHasASocketOfItsOwn) {
  Upstream upstream;
  std::set<uint16_t> ports;
  for (int i = 0; i < 10; ++i) Ask(upstream.at(), "1.2.3");
  Ask(upstream.at(), kLong, {.letters = udp::Letters::kKept});
  asker->Flush();
  const auto queries = upstream.Take(11);
  for (const auto& query : queries) ports.insert(query.port());
  EXPECT_EQ(ports.size(), 11u);
  EXPECT_EQ(asker->sockets(), 11u);
  for (const auto& query : queries) upstream.Answer(query);
  Receive(11);
  EXPECT_EQ(asker->sockets(), 0u);
  Exchange(upstream, "1.2.3", {.guarded = false});
  EXPECT_EQ(asker->sockets(), 1u);
}

TEST_F(AskerFixture, SocketsForOneQueryAreBoundedForEachServer) {
  Upstream upstream, other;
  for (uint32_t i = 0; i < udp::kAlonePerServer; ++i) Ask(upstream.at(), "x.co");
  asker->Flush();
  const uint32_t refused = Ask(upstream.at(), "x.co");
  const std::vector<Event> events = Receive();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].kind, udp::AskEvent::kFailed);
  EXPECT_EQ(events[0].number, refused);
  EXPECT_EQ(events[0].value, udp::kNoSocketAlone);
  Exchange(other, "x.co");
  for (uint32_t i = 0; i < udp::kAlonePerServer; ++i) CallOff(i);
  EXPECT_EQ(asker->sockets(), 0u);
}

TEST_F(AskerFixture, WhatIsSentTogetherSharesASocketSixteenAtMost) {
  Upstream upstream;
  for (int i = 0; i < 64; ++i) Ask(upstream.at());
  const auto queries = upstream.Take(64);  // a full batch leaves by itself
  std::map<uint16_t, int> ports;
  for (const auto& query : queries) ++ports[query.port()];
  EXPECT_EQ(asker->stats().send_calls, ports.size());
  EXPECT_GE(ports.size(), 4u);
  EXPECT_LE(ports.size(), 5u);
  for (const auto& [port, count] : ports) EXPECT_LE(count, 16);
}

TEST_F(AskerFixture, WithoutBudgetASocketIsSharedForSixtyFourQueriesAtMost) {
  Upstream upstream;
  std::map<uint16_t, int> ports;
  for (int i = 0; i < 6000; ++i) ++ports[Exchange(upstream).port()];
  EXPECT_EQ(asker->sockets(), udp::kSharedPerServer);
  // The clock stands still: the burst, and then by 64s.
  EXPECT_GE(asker->stats().sockets_opened, 1024u + 64 + (6000 - 1088) / 64 - 64);
  EXPECT_LE(asker->stats().sockets_opened, 1024u + 64 + (6000 - 1088) / 64 + 1);
}

TEST_F(AskerFixture, WhoIsNotThereIsToldToEveryQueryOfTheSocket) {
  Upstream upstream;
  for (int i = 0; i < 5; ++i) Ask(upstream.at());
  upstream.Close();
  asker->Flush();
  const std::vector<Event> events = Receive(5);
  EXPECT_EQ(events.size(), 5u);
  for (const Event& event : events) {
    EXPECT_EQ(event.kind, udp::AskEvent::kFailed);
    EXPECT_EQ(event.value, ECONNREFUSED);
  }
  EXPECT_EQ(asker->sockets(), 0u);
}

TEST_F(AskerFixture, WhereNoWayLeadsIsTold) {
  udp::AskerOptions options;
  // For documentation (RFC 5737): no machine's own.
  ASSERT_TRUE(udp::MakeEndpoint("192.0.2.77", 0, &options.local.v4));
  Make(options);
  Upstream upstream;
  Ask(upstream.at());
  Ask(upstream.at(), "x.co");
  asker->Flush();
  const std::vector<Event> events = Receive(2);
  for (const Event& event : events) EXPECT_EQ(event.value, EADDRNOTAVAIL);
  EXPECT_EQ(asker->sockets(), 0u);
}

TEST_F(AskerFixture, TheMachinesOwnAddressMayBeGiven) {
  udp::AskerOptions options;
  ASSERT_TRUE(udp::MakeEndpoint("127.0.0.9", 0, &options.local.v4));
  Make(options);
  Upstream upstream;
  const auto query = Exchange(upstream);
  EXPECT_EQ(reinterpret_cast<const sockaddr_in*>(&query.from)->sin_addr.s_addr, htonl(0x7f000009));
}

TEST_F(AskerFixture, ServersHaveIpv6AddressesToo) {
  Upstream upstream("::1");
  Exchange(upstream);
}

TEST_F(AskerFixture, WhatIsNoQueryAndWhoHasNoAddressIsTold) {
  Upstream upstream;
  asker->Ask({.number = 0, .serial = 0 ^ 0x5555, .server = upstream.at(), .now_ms = 1, .message = {}});
  Buffer query = Query(kLong);
  asker->Ask({.number = 1, .serial = 1 ^ 0x5555, .server = {}, .now_ms = 1, .message = query});
  Buffer cut(query.begin(), query.end() - 1);
  asker->Ask({.number = 2, .serial = 2 ^ 0x5555, .server = upstream.at(), .now_ms = 1, .message = cut});
  asker->Flush();
  const std::vector<Event> events = Receive(3);
  EXPECT_EQ(events.size(), 3u);
  for (const Event& event : events) EXPECT_EQ(event.value, udp::kMalformed);
}

TEST_F(AskerFixture, NothingMoreIsToldOfWhatWasCalledOff) {
  Upstream upstream;
  const uint32_t number = Ask(upstream.at());
  asker->Flush();
  const auto query = upstream.Take()[0];
  asker->CallOff(number, 0, now_ms);  // another's serial
  EXPECT_EQ(asker->under_way(), 1u);
  CallOff(number);
  CallOff(number);
  free.pop_back();
  EXPECT_EQ(asker->under_way(), 0u);
  upstream.Answer(query);
  Ask(upstream.at());  // has its number now
  asker->Flush();
  upstream.Answer(upstream.Take()[0]);
  EXPECT_EQ(Receive().size(), 1u);
  // The socket may have been used again.
  EXPECT_LE(asker->stats().unknown_id, 1u);
}

TEST_F(AskerFixture, WhatIsCalledOffBeforeItLeavesIsNotSent) {
  Upstream upstream;
  const uint32_t first = Ask(upstream.at());
  const uint32_t alone = Ask(upstream.at(), "x.co");
  Ask(upstream.at(), "another-name.example");
  CallOff(first);
  CallOff(alone);
  Ask(upstream.at(), "x.co");  // may have the number and the socket of those
  Ask(upstream.at(), "third-name.example");
  asker->Flush();
  const auto queries = upstream.Take(3);
  EXPECT_EQ(queries.size(), 3u);
  for (const auto& query : queries) upstream.Answer(query);
  EXPECT_EQ(Receive(3).size(), 3u);
}

TEST_F(AskerFixture, ASocketThatWasSilentFor400MsIsNotUsedAgain) {
  Upstream upstream;
  for (const auto& [ms, left] : std::map<uint32_t, uint32_t>{{399, 1}, {400, 0}}) {
    Make({});
    const uint32_t number = Ask(upstream.at());
    asker->Flush();
    now_ms += ms;
    CallOff(number);
    EXPECT_EQ(asker->sockets(), left);
  }
}

TEST_F(AskerFixture, TheClockMayWrap) {
  Upstream upstream;
  now_ms = UINT32_MAX - 100;
  const uint32_t number = Ask(upstream.at());
  asker->Flush();
  now_ms += 500;
  CallOff(number);
  EXPECT_EQ(asker->sockets(), 0u);
}

TEST_F(AskerFixture, TwoThousandUnderWayAreToldApart) {
  Upstream upstream;
  std::set<uint32_t> left;
  for (int i = 0; i < 2000; ++i) {
    left.insert(Ask(upstream.at(), "name-" + std::to_string(i) + ".example"));
    if (i % 50 == 49) asker->Flush();
  }
  auto queries = upstream.Take(2000);
  ASSERT_EQ(queries.size(), 2000u);
  uint32_t state = 1;
  for (size_t i = queries.size() - 1; i > 0; --i) {
    std::swap(queries[i], queries[(state = state * 1664525 + 1013904223) % (i + 1)]);
  }
  size_t told = 0;
  for (size_t i = 0; i < queries.size(); ++i) {
    upstream.Answer(queries[i]);
    if (i % 50 != 49) continue;
    for (const Event& event : Receive(50)) {
      EXPECT_EQ(event.kind, udp::AskEvent::kAnswered);
      EXPECT_EQ(left.erase(event.number), 1u);
      Buffer asked = messages[event.number];
      asked[2] |= 0x80;
      EXPECT_EQ(event.octets, asked);
      ++told;
    }
  }
  EXPECT_EQ(told, 2000u);
}

TEST_F(AskerFixture, WhatFindsNoRoomIsToldAfterwards) {
  Upstream upstream;
  for (int i = 0; i < 40; ++i) Ask(upstream.at());
  asker->Flush();
  for (const auto& query : upstream.Take(40)) upstream.Send(query, Upstream::ResponseTo(query, 4000));
  // Sixteen of them fit.
  Buffer memory(udp::EventBuffer::kLeast);
  std::vector<Event> all;
  size_t rounds = 0;
  while (all.size() < 40) {
    pollfd waiting = {asker->readiness_fd(), POLLIN, 0};
    poll(&waiting, 1, 5000);
    for (bool more = true; more; ++rounds) {
      udp::EventBuffer events(memory);
      more = asker->Receive(&events);
      Read(memory, events, &all);
    }
  }
  EXPECT_EQ(all.size(), 40u);
  EXPECT_GE(rounds, 3u);
}

TEST_F(AskerFixture, ManyThatFailAtOnceAreToldInTurns) {
  udp::AskerOptions options;
  ASSERT_TRUE(udp::MakeEndpoint("192.0.2.77", 0, &options.local.v4));
  Make(options);
  Upstream upstream;
  for (int i = 0; i < 10'000; ++i) Ask(upstream.at());
  asker->Flush();
  EXPECT_EQ(Receive(10'000).size(), 10'000u);
  EXPECT_EQ(asker->under_way(), 0u);
}

class Taking : public udp::Completion {
 public:
  bool OnResponse(uint64_t token, Bytes response) override {
    tokens.push_back(token);
    return response.size() < 100;
  }
  std::vector<uint64_t> tokens;
};

TEST_F(AskerFixture, WhatACompletionHasTakenIsToldWithoutItsOctets) {
  Taking taking;
  udp::AskerOptions options;
  options.completion = &taking;
  Make(options);
  Upstream upstream;
  const uint32_t first = Ask(upstream.at()), second = Ask(upstream.at());
  asker->Flush();
  const auto queries = upstream.Take(2);
  upstream.Send(queries[0], Upstream::ResponseTo(queries[0]));
  upstream.Send(queries[1], Upstream::ResponseTo(queries[1], 100));
  const std::vector<Event> events = Receive(2);
  EXPECT_EQ(taking.tokens, (std::vector<uint64_t>{first, second}));
  EXPECT_EQ(events[0].kind, udp::AskEvent::kCompleted);
  EXPECT_TRUE(events[0].octets.empty());
  EXPECT_EQ(events[1].kind, udp::AskEvent::kAnswered);
  EXPECT_FALSE(events[1].octets.empty());
}

// Descriptors that this process may have; as before at the end.
class Descriptors {
 public:
  explicit Descriptors(rlim_t most) {
    getrlimit(RLIMIT_NOFILE, &before_);
    granted_ = most <= before_.rlim_max;
    rlimit now = before_;
    if (granted_) now.rlim_cur = most;
    setrlimit(RLIMIT_NOFILE, &now);
  }
  ~Descriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  bool granted() const { return granted_; }

 private:
  rlimit before_;
  bool granted_;
};

TEST_F(AskerFixture, WithoutDescriptorsASocketThatIsOpenServes) {
  Upstream upstream;
  for (int i = 0; i < 10; ++i) Exchange(upstream);
  {
    const Descriptors none(1);  // or poll would not work either
    for (int i = 0; i < 100; ++i) Exchange(upstream);
    Ask(upstream.at(), "x.co");
    udp::ServerAddress other = upstream.at();
    other.port ^= 1;
    Ask(other);
  }
  asker->Flush();
  const std::vector<Event> events = Receive(2);
  ASSERT_EQ(events.size(), 2u);
  for (const Event& event : events) EXPECT_EQ(event.value, EMFILE);
}

TEST_F(AskerFixture, NoDescriptorForTheAskerItselfIsAnError) {
  const Descriptors none(1);  // or poll would not work either
  int error = 0;
  EXPECT_FALSE(udp::Asker::Create({}, &error));
  EXPECT_EQ(error, EMFILE);
}

TEST_F(AskerFixture, ServersThatNeverAnswerHold2560SocketsAtMost) {
  const Descriptors many(4096);
  if (!many.granted()) GTEST_SKIP() << "4096 descriptors are needed";
  Upstream upstream("0.0.0.0");
  for (uint32_t i = 0; i < 4000; ++i) {
    udp::ServerAddress server = upstream.at();
    server.address[0] = 127;
    server.address[2] = static_cast<uint8_t>(i >> 8);
    server.address[3] = static_cast<uint8_t>(i);
    Ask(server);
  }
  asker->Flush();
  asker->CheckInvariants();
  EXPECT_EQ(asker->sockets(), udp::kMaxShared + udp::kMaxDraining);
  const std::vector<Event> events = Receive(1440);
  ASSERT_EQ(events.size(), 1440u);
  for (const Event& event : events) {
    EXPECT_EQ(event.value, udp::kEvicted);
    EXPECT_LT(event.number, 1440u);
  }
}

TEST_F(AskerFixture, CommandsThatAreNoneDoNothing) {
  Upstream upstream;
  Buffer message = Query(kLong);
  Buffer command(40 + (message.size() + 3) / 4 * 4);
  command[0] = 1;
  const auto length = static_cast<uint16_t>(message.size());
  std::memcpy(&command[2], &length, 2);
  std::memcpy(&command[16], &upstream.at(), 24);
  std::memcpy(&command[40], message.data(), message.size());
  for (size_t cut = 1; cut < command.size(); ++cut) {
    Buffer part(command.begin(), command.begin() + static_cast<ptrdiff_t>(cut));
    EXPECT_FALSE(udp::RunCommands(part, asker.get()));
  }
  EXPECT_EQ(asker->under_way(), 0u);
  Buffer other = command;
  other[0] = 3;
  EXPECT_FALSE(udp::RunCommands(other, asker.get()));
  Buffer beyond = command;
  beyond[6] = 1;  // a number of 65,536
  EXPECT_FALSE(udp::RunCommands(beyond, asker.get()));
  EXPECT_TRUE(udp::RunCommands(command, asker.get()));
  EXPECT_FALSE(udp::RunCommands(command, asker.get()));  // it is under way
  EXPECT_EQ(asker->under_way(), 1u);
  EXPECT_EQ(upstream.Take().size(), 1u);
  command[0] = 2;
  EXPECT_TRUE(udp::RunCommands(MutableBytes(command).first(16), asker.get()));
  EXPECT_EQ(asker->under_way(), 0u);
}

// Any order of asking, calling off, answering, forging and silence: lists and counts agree, each query ends once.
TEST_F(AskerFixture, EveryQueryEndsOnceWhateverHappens) {
  std::vector<std::unique_ptr<Upstream>> upstreams;
  for (int i = 0; i < 4; ++i) upstreams.push_back(std::make_unique<Upstream>());
  udp::ServerAddress nobody;
  ASSERT_TRUE(udp::MakeServerAddress("127.0.0.1", 1, &nobody));
  std::set<uint32_t> under_way;
  uint32_t state = 7;
  const auto below = [&state](uint32_t n) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % n;
  };
  for (int step = 0; step < 3000; ++step) {
    Upstream& upstream = *upstreams[below(4)];
    const uint32_t what = below(12);
    if (what < 6) {
      const udp::ServerAddress& server = below(20) == 0 ? nobody : upstream.at();
      const auto letters = below(4) == 0 ? udp::Letters::kKept : udp::Letters::kDrawn;
      under_way.insert(Ask(server, below(5) == 0 ? "x.co" : kLong, {.letters = letters, .guarded = below(2) == 0}));
    } else if (what == 6 && !under_way.empty()) {
      auto one = under_way.begin();
      std::advance(one, below(static_cast<uint32_t>(under_way.size())));
      CallOff(*one);
      under_way.erase(one);
    } else if (what == 7) {
      now_ms += below(500);
    } else if (what == 8) {
      asker->Flush();
    } else if (what < 11) {
      asker->Flush();
      for (const auto& query : upstream.Take(0)) {
        Buffer response = Upstream::ResponseTo(query);
        if (below(4) == 0) response[below(static_cast<uint32_t>(response.size()))] ^= 1 << below(8);
        for (uint32_t times = below(30) == 0 ? 120 : 1; times > 0; --times) upstream.Send(query, response);
      }
    } else {
      for (const Event& event : Receive(0)) {
        if (event.kind > udp::AskEvent::kFailed) continue;
        EXPECT_EQ(under_way.erase(event.number), 1u);
      }
    }
    asker->CheckInvariants();
    EXPECT_EQ(asker->under_way(), under_way.size());
  }
}

}  // namespace
}  // namespace shardns::test
