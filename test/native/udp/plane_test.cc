// The plane over real sockets on loopback, with a thread in JavaScript's place; and the miss ring by itself.
#include "udp/plane.h"

#include <net/if.h>
#include <poll.h>
#include <unistd.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "cache_fixture.h"

namespace shardns::test {
namespace {

wire::Query Parsed(const Buffer& message) {
  wire::Query query;
  EXPECT_EQ(wire::ParseQuery(message, &query), wire::QueryVerdict::kAnswer);
  return query;
}

udp::MissRing::Joined Join(udp::MissRing& ring, const Buffer& message, uint32_t tenant = 0) {
  const wire::Query query = Parsed(message);
  return ring.Join({.query = query, .peer = {}, .tenant = tenant});
}

TEST(MissRing, QueriesForAKeyUnderWayJoinItsFlight) {
  udp::MissRing ring(16, 64, ExpandSeed(1));
  const Buffer first = Query("A.example", 1, 1), second = Query("a.EXAMPLE", 1, 2), other = Query("b.example");
  EXPECT_EQ(Join(ring, first), udp::MissRing::Joined::kQueued);
  EXPECT_EQ(Join(ring, second), udp::MissRing::Joined::kJoined);
  EXPECT_EQ(Join(ring, other), udp::MissRing::Joined::kQueued);
  EXPECT_EQ(ring.in_flight(), 2u);
  Buffer out(4096);
  bool left = true;
  ASSERT_EQ(ring.Drain(out, 256, &left), 2u);
  EXPECT_FALSE(left);
  uint32_t ticket;
  std::memcpy(&ticket, out.data(), 4);
  std::vector<uint16_t> ids;
  EXPECT_TRUE(ring.Finish(ticket, [&](const udp::Waiter& waiter) { ids.push_back(wire::Id(waiter.packet)); }));
  EXPECT_EQ(ids, (std::vector<uint16_t>{1, 2}));
  EXPECT_FALSE(ring.Finish(ticket, [](const udp::Waiter&) { FAIL(); }));  // a ticket is good once
  EXPECT_EQ(ring.in_flight(), 1u);
  EXPECT_EQ(ring.waiting(), 1u);
}

TEST(MissRing, DifferentVariantsFlyApart) {
  udp::MissRing ring(16, 64, ExpandSeed(1));
  const Buffer plain = Query("a.example"), secure = EdnsQuery("a.example", 1, 1232, true),
               raw = Query("a.example", 1, 1, 0);
  EXPECT_EQ(Join(ring, plain), udp::MissRing::Joined::kQueued);
  EXPECT_EQ(Join(ring, secure), udp::MissRing::Joined::kQueued);
  EXPECT_EQ(Join(ring, raw), udp::MissRing::Joined::kQueued);
}

TEST(MissRing, TenantsFlyApartAndUnknownClientsAlone) {
  udp::MissRing ring(16, 64, ExpandSeed(1));
  const Buffer query = Query("a.example");
  EXPECT_EQ(Join(ring, query, 1), udp::MissRing::Joined::kQueued);
  EXPECT_EQ(Join(ring, query, 2), udp::MissRing::Joined::kQueued);
  EXPECT_EQ(Join(ring, query, 1), udp::MissRing::Joined::kJoined);
  EXPECT_EQ(Join(ring, query, gate::kUnknownTag), udp::MissRing::Joined::kQueued);
  EXPECT_EQ(Join(ring, query, gate::kUnknownTag), udp::MissRing::Joined::kQueued);
  Buffer out(4096);
  bool left;
  ASSERT_EQ(ring.Drain(out, 256, &left), 4u);
  uint32_t tenant;
  std::memcpy(&tenant, &out[28], 4);
  EXPECT_EQ(tenant, 1u);
}

TEST(MissRing, AFlightIsPartedBetweenItsFirstWaiterAndTheOthers) {
  udp::MissRing ring(3, 64, ExpandSeed(1));
  for (uint16_t id = 1; id <= 3; ++id) Join(ring, Query("a.example", 1, id), 1);
  Buffer out(4096);
  bool left;
  const auto drained = [&] {
    EXPECT_EQ(ring.Drain(out, 256, &left), 1u);
    uint32_t ticket;
    std::memcpy(&ticket, out.data(), 4);
    return ticket;
  };
  const auto waiters = [&](uint32_t ticket) {
    std::vector<uint16_t> ids;
    EXPECT_TRUE(ring.Finish(ticket, [&](const udp::Waiter& waiter) { ids.push_back(wire::Id(waiter.packet)); }));
    return ids;
  };
  const uint32_t first = drained();
  EXPECT_TRUE(ring.Part(first));
  EXPECT_EQ(ring.in_flight(), 2u);
  EXPECT_EQ(Join(ring, Query("a.example", 1, 4), 1), udp::MissRing::Joined::kJoined);
  const uint32_t others = drained();
  EXPECT_EQ(waiters(first), (std::vector<uint16_t>{1}));
  EXPECT_TRUE(ring.Part(others));
  const uint32_t rest = drained();
  EXPECT_EQ(Join(ring, Query("b.example", 1, 5), 1), udp::MissRing::Joined::kQueued);
  drained();
  EXPECT_FALSE(ring.Part(rest)) << "no room for another flight";
  EXPECT_EQ(waiters(others), (std::vector<uint16_t>{2}));
  EXPECT_EQ(waiters(rest), (std::vector<uint16_t>{3, 4}));
  EXPECT_FALSE(ring.Part(rest)) << "its ticket is over";
  EXPECT_EQ(ring.in_flight(), 1u);
  EXPECT_EQ(ring.waiting(), 1u);
}

TEST(MissRing, IsBoundedInFlightsWaitersAndWaitersOfOneFlight) {
  udp::MissRing ring(4, 16, ExpandSeed(1));
  const Buffer popular = Query("popular.example");
  int joined = 0;
  for (int i = 0; i < 100; ++i) {
    joined += Join(ring, popular) != udp::MissRing::Joined::kFull;
  }
  EXPECT_EQ(joined, 4);  // a quarter
  int queued = 0;
  for (int i = 0; i < 100; ++i) {
    const Buffer query = Query("n" + std::to_string(i));
    queued += Join(ring, query) == udp::MissRing::Joined::kQueued;
  }
  EXPECT_EQ(queued, 3);
  EXPECT_EQ(ring.counters().full.Get(), 96u + 97u);
}

udp::Peer PeerAt(const char* text) {
  udp::Endpoint endpoint;
  EXPECT_TRUE(udp::MakeEndpoint(text, 4242, &endpoint));
  udp::Peer peer = {};
  std::memcpy(peer.address, &endpoint.address, endpoint.length);
  peer.address_length = static_cast<uint8_t>(endpoint.length);
  return peer;
}

udp::MissRing::Joined JoinFrom(udp::MissRing& ring, const char* client, const std::string& name, uint32_t tenant = 0) {
  const Buffer message = Query(name);
  const wire::Query query = Parsed(message);
  return ring.Join({.query = query, .peer = PeerAt(client), .tenant = tenant});
}

// Ends every flight that has not been drained yet.
uint32_t FinishAll(udp::MissRing& ring) {
  Buffer out(64 * 600);
  bool left = true;
  uint32_t finished = 0;
  while (left) {
    const uint32_t drained = ring.Drain(out, 64, &left);
    for (uint32_t i = 0, at = 0; i < drained; ++i, ++finished) {
      uint32_t ticket;
      uint16_t length;
      std::memcpy(&ticket, &out[at], 4);
      std::memcpy(&length, &out[at + 24], 2);
      EXPECT_TRUE(ring.Finish(ticket, [](const udp::Waiter&) {}));
      at += (32u + length + 3u) / 4 * 4;
    }
  }
  return finished;
}

TEST(MissRing, WhatIsOutdatedIsJoinedNoMoreAndEndsForThoseWhoWait) {
  using Joined = udp::MissRing::Joined;
  udp::MissRing ring(64, 128, ExpandSeed(1));
  EXPECT_EQ(JoinFrom(ring, "192.0.2.1", "a"), Joined::kQueued);
  EXPECT_EQ(JoinFrom(ring, "192.0.2.2", "a"), Joined::kJoined);
  ring.Outdate();
  EXPECT_EQ(JoinFrom(ring, "192.0.2.3", "a"), Joined::kQueued);
  EXPECT_EQ(JoinFrom(ring, "192.0.2.4", "a"), Joined::kJoined);
  EXPECT_EQ(ring.in_flight(), 2u);
  EXPECT_EQ(FinishAll(ring), 2u);
  EXPECT_EQ(ring.waiting(), 0u);
}

TEST(MissRing, AClientAloneHoldsHalfAndWhatEndsIsGivenBack) {
  using Joined = udp::MissRing::Joined;
  udp::MissRing ring(64, 128, ExpandSeed(1), {.flights = 8, .waiters = 16});
  const char* proxy = "192.0.2.1";
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 32; ++i) EXPECT_EQ(JoinFrom(ring, proxy, "f" + std::to_string(i)), Joined::kQueued);
    EXPECT_EQ(JoinFrom(ring, proxy, "f32"), Joined::kOverShare);
    for (int i = 0; i < 32; ++i) EXPECT_EQ(JoinFrom(ring, proxy, "f" + std::to_string(i)), Joined::kJoined);
    EXPECT_EQ(JoinFrom(ring, proxy, "f0"), Joined::kOverShare);
    EXPECT_EQ(ring.counters().over_share.Get(), 2u * (round + 1));
    EXPECT_EQ(JoinFrom(ring, "192.0.2.2", "f0"), Joined::kJoined);
    EXPECT_EQ(JoinFrom(ring, "192.0.2.2", "other"), Joined::kQueued);
    EXPECT_EQ(FinishAll(ring), 33u);
    EXPECT_EQ(ring.waiting(), 0u);
  }
}

TEST(MissRing, AClientHasItsShareHoweverLittleIsFree) {
  using Joined = udp::MissRing::Joined;
  udp::MissRing ring(64, 256, ExpandSeed(1), {.flights = 8, .waiters = 32});
  // Each takes as many as it leaves, while that is more than a share: 32, 16, 8; then the shares: 8.
  for (int client = 0, most = 32; client < 4; ++client, most = std::max(8, most / 2)) {
    const std::string address = "192.0.2." + std::to_string(client);
    for (int i = 0; i < most; ++i) {
      EXPECT_EQ(JoinFrom(ring, address.c_str(), address + "-" + std::to_string(i)), Joined::kQueued);
    }
    EXPECT_EQ(JoinFrom(ring, address.c_str(), "more"), client < 3 ? Joined::kOverShare : Joined::kFull);
  }
}

TEST(MissRing, SixteenClientsThatTakeAllTheyCanGetLeaveOthersRoom) {
  using Joined = udp::MissRing::Joined;
  udp::MissRing ring(1024, 4096, ExpandSeed(1), {.flights = 4, .waiters = 16});
  for (int i = 0; i < 1024; ++i) {
    for (int client = 1; client <= 16; ++client) {
      const std::string address = "198.51.100." + std::to_string(client);
      JoinFrom(ring, address.c_str(), address + "-" + std::to_string(i));
      for (int name = 0; name < 4; ++name) JoinFrom(ring, address.c_str(), address + "-" + std::to_string(name));
    }
  }
  for (int client = 1; client <= 8; ++client) {
    const std::string address = "192.0.2." + std::to_string(client);
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(JoinFrom(ring, address.c_str(), address + "-" + std::to_string(i)), Joined::kQueued);
    }
  }
}

TEST(MissRing, AllAddressesOfOneSlash56AreOneClient) {
  using Joined = udp::MissRing::Joined;
  udp::MissRing ring(4, 256, ExpandSeed(1), {.flights = 2, .waiters = 256});
  EXPECT_EQ(JoinFrom(ring, "2001:db8:0:1::1", "a"), Joined::kQueued);
  EXPECT_EQ(JoinFrom(ring, "2001:db8:0:ff::2", "b"), Joined::kQueued);
  EXPECT_EQ(JoinFrom(ring, "2001:db8:0:2::3", "c"), Joined::kOverShare);
  EXPECT_EQ(JoinFrom(ring, "2001:db8:0:100::1", "c"), Joined::kQueued);
  FinishAll(ring);
  // An IPv4 address, written as IPv6 or not.
  EXPECT_EQ(JoinFrom(ring, "192.0.2.1", "d"), Joined::kQueued);
  EXPECT_EQ(JoinFrom(ring, "::ffff:192.0.2.1", "e"), Joined::kQueued);
  EXPECT_EQ(JoinFrom(ring, "192.0.2.1", "f"), Joined::kOverShare);
  EXPECT_EQ(JoinFrom(ring, "192.0.2.2", "f"), Joined::kQueued);
}

TEST(MissRing, AFullRingOfClientsWithOneWaiterEachGivesEveryPlaceBack) {
  udp::MissRing ring(4, 64, ExpandSeed(1), {.flights = 1, .waiters = 1});
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 64; ++i) {
      const std::string client = "10.0." + std::to_string(round) + "." + std::to_string(i);
      EXPECT_NE(JoinFrom(ring, client.c_str(), "n" + std::to_string(i % 4)), udp::MissRing::Joined::kFull);
    }
    EXPECT_EQ(ring.waiting(), 64u);
    EXPECT_EQ(FinishAll(ring), 4u);
  }
}

TEST(MissRing, ClientsOfNoKnownTenantLeaveHalfOfTheFlights) {
  using Joined = udp::MissRing::Joined;
  udp::MissRing ring(16, 64, ExpandSeed(1));
  for (int i = 0; i < 8; ++i) {
    const std::string made_up = "198.51.100." + std::to_string(i);
    EXPECT_EQ(JoinFrom(ring, made_up.c_str(), "a", gate::kUnknownTag), Joined::kQueued);
  }
  EXPECT_EQ(JoinFrom(ring, "198.51.100.99", "a", gate::kUnknownTag), Joined::kOverShare);
  EXPECT_EQ(JoinFrom(ring, "192.0.2.1", "a", 7), Joined::kQueued);
  EXPECT_EQ(FinishAll(ring), 9u);
  EXPECT_EQ(JoinFrom(ring, "198.51.100.99", "a", gate::kUnknownTag), Joined::kQueued);
}

TEST(MissRing, ALongPacketIsKeptWithoutItsOptions) {
  udp::MissRing ring(4, 16, ExpandSeed(1));
  Buffer padding(604, 0);
  padding[1] = 12;
  Store16(&padding[2], 600);
  const Buffer padded = MessageBuilder(9, 0x0100).Question("a.example", 1).Opt(1400, 0x8000, padding).bytes();
  EXPECT_EQ(Join(ring, padded), udp::MissRing::Joined::kQueued);
  Buffer out(4096);
  bool left;
  ASSERT_EQ(ring.Drain(out, 1, &left), 1u);
  uint16_t length;
  std::memcpy(&length, &out[24], 2);
  const Buffer kept(out.begin() + 32, out.begin() + 32 + length);
  const wire::Query query = Parsed(kept);
  EXPECT_EQ(query.id, 9);
  EXPECT_EQ(query.edns.udp_size, 1400);
  EXPECT_TRUE(query.edns.dnssec_ok);
}

// Answers every flight from a thread of its own, as JavaScript would.
class Resolver {
 public:
  static void Wake(void* self) {
    auto* resolver = static_cast<Resolver*>(self);
    {
      std::lock_guard lock(resolver->mutex_);
      resolver->woken_ = true;
    }
    resolver->condition_.notify_one();
  }
  void Start(udp::Plane* plane) {
    plane_ = plane;
    thread_ = std::thread([this] { Run(); });
  }
  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    condition_.notify_one();
    thread_.join();
  }

 private:
  void Run() {
    Buffer records(256 * 600);
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        condition_.wait(lock, [this] { return woken_ || stop_; });
        if (stop_) return;
        woken_ = false;
      }
      bool left = true;
      while (left) {
        const uint32_t flights = plane_->Drain(records, 256, &left);
        size_t at = 0;
        for (uint32_t i = 0; i < flights; ++i) {
          uint32_t ticket;
          uint16_t length;
          std::memcpy(&ticket, &records[at], 4);
          std::memcpy(&length, &records[at + 24], 2);
          Buffer response(records.begin() + static_cast<long>(at) + 32,
                          records.begin() + static_cast<long>(at) + 32 + length);
          response[2] |= 0x80;
          Store16(&response[6], 1);
          for (const uint8_t octet : {0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 10, 0, 0, 1}) response.push_back(octet);
          EXPECT_TRUE(plane_->ReplyMessage(ticket, {.response = response}, wire::kNoExtendedError));
          at += (32u + length + 3u) / 4 * 4;
        }
        plane_->Flush();
      }
    }
  }
  udp::Plane* plane_ = nullptr;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable condition_;
  bool woken_ = false;
  bool stop_ = false;
};

class Client {
 public:
  // `port`: its own; 0 = any.
  explicit Client(const udp::Endpoint& server, uint16_t port = 0)
      : fd_(socket(server.address.ss_family, SOCK_DGRAM, 0)) {
    if (port != 0) {
      udp::Endpoint own;
      EXPECT_TRUE(udp::MakeEndpoint("127.0.0.1", port, &own));
      bound_ = bind(fd_, reinterpret_cast<const sockaddr*>(&own.address), own.length) == 0;
    }
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&server.address), server.length), 0);
  }
  ~Client() { close(fd_); }
  bool bound() const { return bound_; }
  void Send(const Buffer& query) { EXPECT_EQ(send(fd_, query.data(), query.size(), 0), ssize_t(query.size())); }
  Buffer Receive(int wait_ms = 3000) {
    pollfd poller = {.fd = fd_, .events = POLLIN, .revents = 0};
    if (poll(&poller, 1, wait_ms) != 1) return {};
    Buffer reply(4096);
    reply.resize(static_cast<size_t>(std::max<ssize_t>(0, recv(fd_, reply.data(), reply.size(), 0))));
    return reply;
  }

 private:
  int fd_;
  bool bound_ = true;
};

TEST(Plane, AnswersHitsMissesAndNoiseFromSeveralThreadsAndStopsCleanly) {
  TestCache t;
  gate::Gate gate(ExpandSeed(1));
  t.now = static_cast<uint32_t>(MonotonicMs() / 1000);
  ASSERT_EQ(t.Insert(AResponse("hit.example", 3600)), Status::kOk);
  udp::PlaneOptions options;
  options.endpoints.resize(2);
  ASSERT_TRUE(udp::MakeEndpoint("127.0.0.1", 0, &options.endpoints[0]));
  ASSERT_TRUE(udp::MakeEndpoint("::", 0, &options.endpoints[1]));
  options.threads = 2;
  Resolver resolver;
  int error;
  size_t failed;
  const auto plane = udp::Plane::Create(t.cache.get(), &gate, options, Resolver::Wake, &resolver, &error, &failed);
  ASSERT_NE(plane, nullptr);
  resolver.Start(plane.get());
  ASSERT_TRUE(plane->Start());
  udp::Endpoint v6;
  ASSERT_TRUE(udp::MakeEndpoint("::1", plane->endpoints()[1].port(), &v6));
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      for (int i = 0; i < 100; ++i) {
        Client client(c % 2 != 0 ? v6 : plane->endpoints()[0]);
        const bool miss = i % 3 == 0;
        const Buffer query =
            Query(miss ? "miss-" + std::to_string(i) + ".example" : "hit.example", 1, uint16_t(c * 100 + i));
        if (i % 7 == 0) client.Send({1, 2, 3});
        client.Send(query);
        const Buffer reply = client.Receive();
        ASSERT_GT(reply.size(), query.size());
        EXPECT_EQ(wire::Id(reply.data()), c * 100 + i);
        EXPECT_EQ(wire::AnCount(reply.data()), 1);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  const gate::ClientRule others = {.prefix = {.address = {192, 0, 2}, .length = 24, .v6 = false}, .allow = true};
  gate.Replace({.rules = {&others, 1}, .everybody = false});
  Client refused(plane->endpoints()[0]);
  refused.Send(Query("hit.example"));
  EXPECT_EQ(refused.Receive()[3] & 15, 5);
  plane->StopReceiving();
  for (int i = 0; i < 300 && plane->receiving(); ++i) usleep(10'000);
  EXPECT_FALSE(plane->receiving());
  udp::PlaneStats stats;
  plane->ReadStats(&stats);
  EXPECT_EQ(stats.sent, 401u);
  EXPECT_EQ(stats.in_flight, 0u);
  EXPECT_EQ(stats.refused, 1u);
  resolver.Stop();
}

gate::Gate& OpenGate() {
  static gate::Gate gate(ExpandSeed(1));
  return gate;
}

// A plane on loopback without anybody behind it.
std::unique_ptr<udp::Plane> PlaneAt(TestCache& t, uint16_t port, uint32_t threads, int* error,
                                    gate::Gate& gate = OpenGate()) {
  udp::PlaneOptions options;
  options.endpoints.resize(1);
  EXPECT_TRUE(udp::MakeEndpoint("127.0.0.1", port, &options.endpoints[0]));
  options.threads = threads;
  size_t failed;
  return udp::Plane::Create(
      t.cache.get(), &gate, options, [](void*) {}, nullptr, error, &failed);
}

TEST(Plane, OneAddressIsServedByOnePlaneWhateverTheNumberOfItsReceivers) {
  TestCache t;
  for (const uint32_t threads : {1u, 3u}) {
    int error = 0;
    auto first = PlaneAt(t, 0, threads, &error);
    ASSERT_NE(first, nullptr);
    const uint16_t port = first->endpoints()[0].port();
    for (const uint32_t more : {1u, 2u}) {
      EXPECT_EQ(PlaneAt(t, port, more, &error), nullptr);
      EXPECT_EQ(error, -EADDRINUSE);
    }
    first.reset();
    EXPECT_NE(PlaneAt(t, port, threads, &error), nullptr);
  }
}

TEST(Plane, PacketsAreDealtOutAmongTheReceiversOfOneAddress) {
  TestCache t;
  t.now = static_cast<uint32_t>(MonotonicMs() / 1000);
  ASSERT_EQ(t.Insert(AResponse("hit.example", 3600)), Status::kOk);
  int error = 0;
  const auto plane = PlaneAt(t, 0, 3, &error);
  ASSERT_NE(plane, nullptr);
  ASSERT_TRUE(plane->Start());
  for (int i = 0; i < 100; ++i) {
    Client client(plane->endpoints()[0]);
    client.Send(Query("hit.example"));
    EXPECT_FALSE(client.Receive().empty());
  }
}

TEST(Plane, ThoseWhoWatchAreToldOfHits) {
  TestCache t;
  t.now = static_cast<uint32_t>(MonotonicMs() / 1000);
  ASSERT_EQ(t.Insert(AResponse("hit.example", 3600)), Status::kOk);
  udp::PlaneOptions options;
  options.endpoints.resize(1);
  ASSERT_TRUE(udp::MakeEndpoint("127.0.0.1", 0, &options.endpoints[0]));
  options.tap = std::make_shared<udp::Tap>(1);
  int error = 0;
  size_t failed = 0;
  const auto plane = udp::Plane::Create(
      t.cache.get(), &OpenGate(), options, [](void*) {}, nullptr, &error, &failed);
  ASSERT_NE(plane, nullptr);
  ASSERT_TRUE(plane->Start());
  Client client(plane->endpoints()[0]);
  const auto ask = [&] {
    client.Send(Query("hit.example"));
    EXPECT_FALSE(client.Receive().empty());
  };
  ask();
  EXPECT_EQ(options.tap->written(), 0u) << "nobody watches";
  options.tap->Set(udp::TapSettings::On(1, false));
  ask();
  ask();
  // The reply may be here before its thread has written the next one; the record is written before the reply is sent.
  EXPECT_EQ(options.tap->written(), 2u);
  Buffer out(1 << 16);
  ASSERT_NE(options.tap->Take(out), 0u);
  udp::TapRecord record;
  std::memcpy(&record, out.data(), sizeof record);
  EXPECT_EQ(record.by, udp::AnsweredBy::kHit);
  EXPECT_EQ(record.protocol, udp::TapProtocol::kUdp);
  EXPECT_EQ(record.family, 4);
  EXPECT_EQ(record.address[0], 127);
  EXPECT_EQ(record.one_in, 1);
  EXPECT_EQ(record.length, Query("hit.example").size());
}

TEST(Plane, RulesAreReplacedWhileReceiversJudgeByThem) {
  TestCache t;
  t.now = static_cast<uint32_t>(MonotonicMs() / 1000);
  ASSERT_EQ(t.Insert(AResponse("hit.example", 3600)), Status::kOk);
  int error = 0;
  gate::Gate gate(ExpandSeed(1));
  const auto plane = PlaneAt(t, 0, 2, &error, gate);
  ASSERT_NE(plane, nullptr);
  const gate::ClientRule loopback = {.prefix = {.address = {127}, .length = 8, .v6 = false}, .allow = true};
  std::vector<gate::ClientRule> many(1024,
                                     {.prefix = {.address = {10, 0, 0, 1}, .length = 32, .v6 = false}, .allow = true});
  for (uint8_t i = 0; i < 255; ++i) many[i].prefix.address[2] = i;
  many.back() = loopback;
  gate.Replace({.rules = many, .everybody = false});
  ASSERT_TRUE(plane->Start());
  std::atomic<bool> stop{false};
  std::vector<std::thread> clients;
  for (int c = 0; c < 2; ++c) {
    clients.emplace_back([&] {
      Client client(plane->endpoints()[0]);
      while (!stop) {
        client.Send(Query("hit.example"));
        const Buffer reply = client.Receive();
        ASSERT_FALSE(reply.empty());
        EXPECT_EQ(reply[3] & 15, 0);  // every list lets it in
      }
    });
  }
  for (int round = 0; round < 300; ++round) {
    gate.Replace({.rules = many, .everybody = false});
    for (int i = 0; i < 12; ++i) gate.Replace({.rules = {&loopback, 1}, .everybody = false});
    gate.Replace({});
  }
  stop = true;
  for (std::thread& client : clients) client.join();
}

TEST(Plane, PacketsFromPortsThatAnswerByThemselvesAreDropped) {
  TestCache t;
  int error = 0;
  const auto plane = PlaneAt(t, 0, 1, &error);
  ASSERT_NE(plane, nullptr);
  ASSERT_TRUE(plane->Start());
  Client chargen(plane->endpoints()[0], 19), echo(plane->endpoints()[0], 7), ordinary(plane->endpoints()[0]);
  if (!chargen.bound() || !echo.bound()) GTEST_SKIP() << "binding port 19 needs the rights of root";
  for (Client* client : {&chargen, &echo}) {
    client->Send(Query("a.example"));
    client->Send({0, 1, 0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0});  // an update: NOTIMP
    client->Send({0, 1, 1, 0, 0, 9, 0, 0, 0, 0, 0, 0});     // FORMERR
  }
  ordinary.Send({0, 1, 1, 0, 0, 9, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(ordinary.Receive()[3] & 15, 1);
  EXPECT_TRUE(chargen.Receive(50).empty());
  EXPECT_TRUE(echo.Receive(50).empty());
  udp::PlaneStats stats;
  plane->ReadStats(&stats);
  EXPECT_EQ(stats.dropped, 6u);
  EXPECT_EQ(stats.flights, 0u);
}

// A socket of somebody else's, as a service manager makes it: not blocking.
class HandedSocket {
 public:
  HandedSocket() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    udp::Endpoint at;
    EXPECT_TRUE(udp::MakeEndpoint("127.0.0.1", 0, &at));
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&at.address), at.length), 0);
    EXPECT_TRUE(udp::InspectSocket(fd_, &facts_));
  }
  ~HandedSocket() { close(fd_); }
  int fd() const { return fd_; }
  const udp::Endpoint& at() const { return facts_.endpoint; }
  std::unique_ptr<udp::Plane> Adopt(TestCache& t, udp::Plane* predecessor = nullptr) const {
    udp::PlaneOptions options;
    options.endpoints = {at()};
    options.threads = 4;
    options.adopted = {{.endpoint = 0, .fd = fd_}};
    options.predecessor = predecessor;
    int error = 0;
    size_t failed = 0;
    return udp::Plane::Create(
        t.cache.get(), &OpenGate(), options, [](void*) {}, nullptr, &error, &failed);
  }

 private:
  int fd_;
  udp::SocketFacts facts_;
};

TEST(Plane, WhatComesToAnAdoptedSocketBetweenTwoPlanesIsAnsweredByTheSecond) {
  TestCache t;
  t.now = static_cast<uint32_t>(MonotonicMs() / 1000);
  ASSERT_EQ(t.Insert(AResponse("hit.example", 3600)), Status::kOk);
  const HandedSocket socket;
  std::vector<std::unique_ptr<Client>> clients;
  const auto ask = [&](int count) {
    for (int i = 0; i < count; ++i) {
      clients.push_back(std::make_unique<Client>(socket.at()));
      clients.back()->Send(Query("hit.example"));
    }
  };
  for (int round = 0; round < 5; ++round) {
    const auto plane = socket.Adopt(t);
    ASSERT_NE(plane, nullptr);
    EXPECT_EQ(plane->endpoints()[0].port(), socket.at().port());
    ask(10);
    ASSERT_TRUE(plane->Start());
    ask(10);
    for (const auto& client : clients) EXPECT_FALSE(client->Receive().empty());
    clients.clear();
    ask(10);
    plane->StopReceiving();
    for (int i = 0; i < 300 && plane->receiving(); ++i) usleep(10'000);
    EXPECT_FALSE(plane->receiving()) << "it waits for a packet and for its end";
    ask(10);
  }
  const auto last = socket.Adopt(t);
  ASSERT_TRUE(last->Start());
  for (const auto& client : clients) EXPECT_FALSE(client->Receive().empty());
}

TEST(Plane, OneThatTakesThePlaceOfAnotherOnAnAdoptedSocketLosesNothing) {
  TestCache t;
  t.now = static_cast<uint32_t>(MonotonicMs() / 1000);
  ASSERT_EQ(t.Insert(AResponse("hit.example", 3600)), Status::kOk);
  const HandedSocket socket;
  auto plane = socket.Adopt(t);
  ASSERT_TRUE(plane->Start());
  for (int round = 0; round < 10; ++round) {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(std::make_unique<Client>(socket.at()));
    for (int i = 0; i < 10; ++i) clients[size_t(i)]->Send(Query("hit.example"));
    auto next = socket.Adopt(t, plane.get());
    ASSERT_NE(next, nullptr);
    ASSERT_TRUE(next->Start());
    plane->YieldTo(*next);
    plane = std::move(next);
    for (int i = 10; i < 20; ++i) clients[size_t(i)]->Send(Query("hit.example"));
    for (const auto& client : clients) EXPECT_FALSE(client->Receive().empty());
  }
}

TEST(Socket, OnlyWhatCanBeListenedOnIsTakenForASocketToListenOn) {
  udp::SocketFacts facts;
  EXPECT_FALSE(udp::InspectSocket(-1, &facts));
  const auto inspect = [&](int family, int type, const char* address, bool listens) {
    const int fd = socket(family, type, 0);
    if (address != nullptr) {
      udp::Endpoint at;
      EXPECT_TRUE(udp::MakeEndpoint(address, 0, &at));
      EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&at.address), at.length), 0);
    }
    if (listens) {
      EXPECT_EQ(listen(fd, 1), 0);
    }
    const bool is_one = udp::InspectSocket(fd, &facts);
    close(fd);
    return is_one;
  };
  EXPECT_FALSE(inspect(AF_INET, SOCK_DGRAM, nullptr, false)) << "not bound";
  EXPECT_FALSE(inspect(AF_INET, SOCK_STREAM, "127.0.0.1", false)) << "does not listen";
  EXPECT_FALSE(inspect(AF_UNIX, SOCK_DGRAM, nullptr, false));
  EXPECT_TRUE(inspect(AF_INET, SOCK_STREAM, "127.0.0.1", true));
  EXPECT_FALSE(facts.datagrams);
  EXPECT_TRUE(inspect(AF_INET6, SOCK_DGRAM, "::1", false));
  EXPECT_TRUE(facts.datagrams);
  EXPECT_FALSE(facts.both_families);
  EXPECT_TRUE(inspect(AF_INET6, SOCK_DGRAM, "::", false));
  EXPECT_TRUE(facts.both_families) << "IPV6_V6ONLY was not set";
}

TEST(Endpoint, OfAnAddressWithTheInterfaceItIsOf) {
  udp::Endpoint endpoint;
  ASSERT_TRUE(udp::MakeEndpoint("fe80::53%lo", 53, &endpoint));
  const auto* address = reinterpret_cast<const sockaddr_in6*>(&endpoint.address);
  EXPECT_EQ(address->sin6_scope_id, if_nametoindex("lo"));
  ASSERT_TRUE(udp::MakeEndpoint("fe80::53%7", 53, &endpoint));
  EXPECT_EQ(address->sin6_scope_id, 7u);
  EXPECT_FALSE(udp::MakeEndpoint("fe80::53%nosuchinterface", 53, &endpoint));
  EXPECT_FALSE(udp::MakeEndpoint("127.0.0.1%lo", 53, &endpoint));
}

TEST(Plane, AnAddressInUseIsReportedByItsNumber) {
  TestCache t;
  udp::Endpoint taken;
  ASSERT_TRUE(udp::MakeEndpoint("127.0.0.1", 0, &taken));
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&taken.address), taken.length), 0);
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&taken.address), &taken.length), 0);
  udp::PlaneOptions options;
  options.endpoints.resize(2);
  ASSERT_TRUE(udp::MakeEndpoint("127.0.0.1", 0, &options.endpoints[0]));
  options.endpoints[1] = taken;
  int error = 0;
  size_t failed = 0;
  EXPECT_EQ(udp::Plane::Create(
                t.cache.get(), &OpenGate(), options, [](void*) {}, nullptr, &error, &failed),
            nullptr);
  EXPECT_EQ(error, -EADDRINUSE);
  EXPECT_EQ(failed, 1u);
  close(fd);
}

}  // namespace
}  // namespace shardns::test
