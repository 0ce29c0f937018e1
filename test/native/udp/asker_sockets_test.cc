// The sockets of the asker: how they come and go, their bounds, and what happens when they fail.
#include "udp/asker_sockets.h"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <thread>

#include "asker_fixture.h"

namespace shardns::test {
namespace {

using AskerSocketsFixture = AskerFixture;

TEST_F(AskerSocketsFixture, ANameOfFewLettersHasASocketOfItsOwn) {
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

TEST_F(AskerSocketsFixture, SocketsForOneQueryAreBoundedForEachServer) {
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

TEST_F(AskerSocketsFixture, WhatIsSentTogetherSharesASocketSixteenAtMost) {
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

TEST_F(AskerSocketsFixture, WithoutBudgetASocketIsSharedForSixtyFourQueriesAtMost) {
  Upstream upstream;
  std::map<uint16_t, int> ports;
  for (int i = 0; i < 6000; ++i) ++ports[Exchange(upstream).port()];
  EXPECT_EQ(asker->sockets(), udp::kSharedPerServer);
  // The clock stands still: the burst, and then by 64s.
  EXPECT_GE(asker->stats().sockets_opened, 1024u + 64 + (6000 - 1088) / 64 - 64);
  EXPECT_LE(asker->stats().sockets_opened, 1024u + 64 + (6000 - 1088) / 64 + 1);
}

TEST_F(AskerSocketsFixture, WhoIsNotThereIsToldToEveryQueryOfTheSocket) {
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

TEST_F(AskerSocketsFixture, WhereNoWayLeadsIsTold) {
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

TEST_F(AskerSocketsFixture, AMessageThatIsTooLongFailsAlone) {
  Upstream upstream;
  const uint32_t number = Ask(upstream.at());
  messages[9] = Query(kLong);
  messages[9].resize(65'530);
  asker->Ask({.number = 9, .serial = 9 ^ 0x5555, .server = upstream.at(), .now_ms = 1, .message = messages[9]});
  asker->Flush();
  upstream.Answer(upstream.Take()[0]);
  const std::vector<Event> events = Receive(2);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].value, EMSGSIZE);
  EXPECT_EQ(events[1].kind, udp::AskEvent::kAnswered);
  EXPECT_EQ(events[1].number, number);
}

// A network of this thread's own, with a loopback interface that is down; false: it may not have one.
bool OwnNetwork() { return unshare(CLONE_NEWNET) == 0; }
// Gives the interface an address and the way there, or takes them away.
void SetLoopback(bool has_address) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  ifreq request = {};
  std::strcpy(request.ifr_name, "lo");
  auto* address = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = has_address ? htonl(INADDR_LOOPBACK) : 0;
  EXPECT_EQ(ioctl(fd, SIOCSIFADDR, &request), 0);
  request.ifr_addr = {};
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  EXPECT_EQ(ioctl(fd, SIOCSIFFLAGS, &request), 0);
  close(fd);
}

TEST_F(AskerSocketsFixture, WhenTheNetworkChangesNoSocketOfTheOldOneIsUsedAgain) {
  bool has_network = false;
  std::thread([&] {
    if (!(has_network = OwnNetwork())) return;
    SetLoopback(true);
    Upstream upstream;
    for (int i = 0; i < 100; ++i) Exchange(upstream);
    EXPECT_GT(asker->sockets(), 30u);
    Ask(upstream.at());
    asker->Flush();
    upstream.Take();
    SetLoopback(false);
    const uint32_t used = asker->sockets();
    // A new socket cannot be connected, or an old one says it when it is used.
    for (int i = 0; i < 3; ++i) Ask(upstream.at());
    asker->Flush();
    const std::vector<Event> events = Receive(3);
    for (const Event& event : events) EXPECT_EQ(event.value, ENETUNREACH);
    EXPECT_LE(asker->sockets(), 1u);  // that of the query before
    EXPECT_GT(used, 30u);
    SetLoopback(true);
    Exchange(upstream);
  }).join();
  if (!has_network) GTEST_SKIP() << "a network of one's own needs CAP_SYS_ADMIN";
}

TEST_F(AskerSocketsFixture, TheMachinesOwnAddressMayBeGiven) {
  udp::AskerOptions options;
  ASSERT_TRUE(udp::MakeEndpoint("127.0.0.9", 0, &options.local.v4));
  Make(options);
  Upstream upstream;
  const auto query = Exchange(upstream);
  EXPECT_EQ(reinterpret_cast<const sockaddr_in*>(&query.from)->sin_addr.s_addr, htonl(0x7f000009));
}

TEST_F(AskerSocketsFixture, ServersHaveIpv6AddressesToo) {
  Upstream upstream("::1");
  Exchange(upstream);
}

TEST_F(AskerSocketsFixture, ASocketThatWasSilentFor400MsIsNotUsedAgain) {
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

TEST_F(AskerSocketsFixture, TheClockMayWrap) {
  Upstream upstream;
  now_ms = UINT32_MAX - 100;
  const uint32_t number = Ask(upstream.at());
  asker->Flush();
  now_ms += 500;
  CallOff(number);
  EXPECT_EQ(asker->sockets(), 0u);
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

TEST_F(AskerSocketsFixture, WithoutDescriptorsASocketThatIsOpenServes) {
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

TEST_F(AskerSocketsFixture, NoDescriptorForTheAskerItselfIsAnError) {
  const Descriptors none(1);  // or poll would not work either
  int error = 0;
  EXPECT_FALSE(udp::Asker::Create({}, &error));
  EXPECT_EQ(error, EMFILE);
}

TEST_F(AskerSocketsFixture, ServersThatNeverAnswerHold2560SocketsAtMost) {
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

}  // namespace
}  // namespace shardns::test
