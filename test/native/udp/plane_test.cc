// The plane over real sockets on loopback, with a thread in JavaScript's place; and the miss ring by itself.
#include "udp/plane.h"

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
  EXPECT_EQ(Join(ring, query, udp::kUnknownTenant), udp::MissRing::Joined::kQueued);
  EXPECT_EQ(Join(ring, query, udp::kUnknownTenant), udp::MissRing::Joined::kQueued);
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

TEST(TenantTable, RemembersClientsUntilTheirTimeAndNoMoreThanItsBound) {
  udp::TenantTable table(64, ExpandSeed(1));
  const auto client = [](uint32_t n) {
    uint8_t octets[4];
    Store32(octets, n);
    return udp::AddressOf(Bytes(octets, 4));
  };
  table.Set(client(1), 7, 1000);
  EXPECT_EQ(table.Find(client(1), 999), 7u);
  EXPECT_EQ(table.Find(client(1), 1000), udp::kUnknownTenant);
  EXPECT_EQ(table.Find(client(2), 999), udp::kUnknownTenant);
  table.Set(client(1), 8, 2000);
  EXPECT_EQ(table.Find(client(1), 1500), 8u);
  for (uint32_t n = 100; n < 1100; ++n) table.Set(client(n), n, 2000 + n);
  uint32_t known = 0;
  for (uint32_t n = 100; n < 1100; ++n) {
    const uint32_t tenant = table.Find(client(n), 1500);
    if (tenant == udp::kUnknownTenant) continue;
    EXPECT_EQ(tenant, n);
    ++known;
  }
  EXPECT_GT(known, 48u);
  EXPECT_LE(known, 64u);
  EXPECT_EQ(table.Find(client(1099), 1500), 1099u);  // what goes is what would have expired first
  table.Clear();
  EXPECT_EQ(table.Find(client(1099), 1500), udp::kUnknownTenant);
}

TEST(TenantTable, AnIPv4AddressIsItsMappedIPv6Address) {
  const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 1};
  EXPECT_EQ(std::memcmp(udp::AddressOf(Bytes(mapped + 12, 4)).octets, mapped, 16), 0);
}

TEST(MissRing, IsBoundedInFlightsWaitersAndWaitersOfOneFlight) {
  udp::MissRing ring(4, 16, ExpandSeed(1));
  const Buffer popular = Query("popular.example");
  int joined = 0;
  for (int i = 0; i < 100; ++i) {
    joined += Join(ring, popular) != udp::MissRing::Joined::kFull;
  }
  EXPECT_EQ(joined, 12);  // three quarters
  int queued = 0;
  for (int i = 0; i < 100; ++i) {
    const Buffer query = Query("n" + std::to_string(i));
    queued += Join(ring, query) == udp::MissRing::Joined::kQueued;
  }
  EXPECT_EQ(queued, 3);
  EXPECT_EQ(ring.counters().full.Get(), 88u + 97u);
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
  explicit Client(const udp::Endpoint& server) : fd_(socket(server.address.ss_family, SOCK_DGRAM, 0)) {
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&server.address), server.length), 0);
  }
  ~Client() { close(fd_); }
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
};

TEST(Plane, AnswersHitsMissesAndNoiseFromSeveralThreadsAndStopsCleanly) {
  TestCache t;
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
  const auto plane = udp::Plane::Create(t.cache.get(), options, Resolver::Wake, &resolver, &error, &failed);
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
  plane->SetAccess({{.address = {192, 0, 2}, .length = 24, .v6 = false}});
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
                t.cache.get(), options, [](void*) {}, nullptr, &error, &failed),
            nullptr);
  EXPECT_EQ(error, -EADDRINUSE);
  EXPECT_EQ(failed, 1u);
  close(fd);
}

}  // namespace
}  // namespace shardns::test
