// Flights of the miss ring that are forwarded, and the responses to them; and the same with receivers at work.
#include "udp/forwarder.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "cache_fixture.h"
#include "udp/ask_commands.h"

namespace shardns::test {
namespace {

constexpr uint16_t kRd = 0x0100, kAd = 0x0020, kCd = 0x0010;

class ForwarderFixture : public ::testing::Test {
 protected:
  ForwarderFixture() : gate(ExpandSeed(1)) {
    t.now = static_cast<uint32_t>(MonotonicMs() / 1000);
    udp::PlaneOptions options;
    options.endpoints.resize(1);
    EXPECT_TRUE(udp::MakeEndpoint("127.0.0.1", 0, &options.endpoints[0]));
    int error = 0;
    size_t failed = 0;
    const auto wake = [](void* woken) { ++*static_cast<std::atomic<int>*>(woken); };
    plane = udp::Plane::Create(t.cache.get(), &gate, options, wake, &woken, &error, &failed);
    EXPECT_TRUE(plane);
    forwarder = std::make_unique<udp::Forwarder>(plane.get(), t.cache.get(), &t.ttl);
  }

  udp::MissRing::Joined Join(const wire::Query& query, uint32_t tenant = 0) {
    return plane->ring().Join({.query = query, .peer = {}, .tenant = tenant, .generation = t.cache->generation()});
  }
  // The token of the flight that the query begins.
  uint64_t Begin(const Buffer& query, uint32_t tenant = 0) {
    wire::Query parsed;
    EXPECT_EQ(wire::ParseQuery(query, &parsed), wire::QueryVerdict::kAnswer);
    EXPECT_EQ(Join(parsed, tenant), udp::MissRing::Joined::kQueued);
    return Drain();
  }
  uint64_t Drain() {
    Buffer records(4096);
    bool left = false;
    EXPECT_EQ(plane->Drain(records, 1, &left), 1u);
    uint32_t ticket;
    std::memcpy(&ticket, records.data(), sizeof ticket);
    return udp::TokenOf(ticket);
  }
  Buffer Written(uint64_t token) {
    Buffer out(udp::kWrittenQuery);
    out.resize(forwarder->WriteQuery(token, 1232, out));
    return out;
  }
  bool Takes(uint64_t token, const Buffer& response) {
    taken = {};
    return forwarder->OnResponse(token, response, &taken);
  }

  TestCache t;
  gate::Gate gate;
  std::atomic<int> woken = 0;
  std::unique_ptr<udp::Plane> plane;
  std::unique_ptr<udp::Forwarder> forwarder;
  udp::Completion::Taken taken;
};

TEST_F(ForwarderFixture, WritesWhatGoesUpstream) {
  Buffer query = Written(Begin(Query("a.example", 1, 7, kRd | kAd)));
  EXPECT_EQ(query, MessageBuilder(0, kRd | kAd).Question("a.example", 1).Opt(1232, 0).bytes());
  query = Written(Begin(EdnsQuery("b.example", 28, 4096, true)));
  EXPECT_EQ(query, MessageBuilder(0, kRd).Question("b.example", 28).Opt(1232, 0x8000).bytes());
}

TEST_F(ForwarderFixture, WritesNothingForWhatIsNotPlain) {
  EXPECT_TRUE(Written(udp::TokenOf(77)).empty());
  EXPECT_TRUE(Written(Begin(Query("a.example", 1, 7, kRd | kCd))).empty());
  EXPECT_TRUE(Written(Begin(Query("b.example", 1, 7, 0))).empty());
  EXPECT_TRUE(Written(Begin(Query("c.example", 46))).empty());
  EXPECT_TRUE(Written(Begin(Query("d.example"), 5)).empty());
}

TEST_F(ForwarderFixture, WritesNothingWhereTheCacheHasSomethingInAnyForm) {
  const uint64_t token = Begin(Query("a.example"));
  ASSERT_EQ(t.Insert(AResponse("a.example"), {.dnssec_ok = true, .scope = {}}), Status::kOk);
  EXPECT_TRUE(Written(token).empty());
}

TEST_F(ForwarderFixture, AnAnswerIsStoredAndEndsTheFlight) {
  const uint64_t token = Begin(Query("A.example"));
  EXPECT_TRUE(Takes(token, AResponse("a.example")));
  EXPECT_EQ(taken.result, 0);
  EXPECT_FALSE(taken.with_response);
  EXPECT_EQ(plane->in_flight(), 0u);
  EXPECT_TRUE(t.Hits(Query("a.example")));
  EXPECT_FALSE(Takes(token, AResponse("a.example")));  // a ticket is good once
}

TEST_F(ForwarderFixture, WhatIsOutdatedEndsTheFlightAndIsNotStored) {
  const uint64_t token = Begin(Query("a.example"));
  plane->Outdate();
  EXPECT_TRUE(Takes(token, AResponse("a.example")));
  EXPECT_EQ(plane->in_flight(), 0u);
  EXPECT_FALSE(t.Hits(Query("a.example")));
}

TEST_F(ForwarderFixture, WhatSomebodyHasForgottenMeanwhileIsNotStoredAndNobodyJoinsIt) {
  const Buffer message = Query("a.example");
  wire::Query query;
  ASSERT_EQ(wire::ParseQuery(message, &query), wire::QueryVerdict::kAnswer);
  const uint64_t before = Begin(message);
  EXPECT_EQ(Join(query), udp::MissRing::Joined::kJoined);
  t.cache->ForgetAll();
  const uint64_t after = Begin(message);
  EXPECT_TRUE(Takes(before, AResponse("a.example")));
  EXPECT_FALSE(t.Hits(message));
  EXPECT_TRUE(Takes(after, AResponse("a.example")));
  EXPECT_TRUE(t.Hits(message));
}

TEST_F(ForwarderFixture, LeavesWhatIsOddToItsCaller) {
  const uint64_t token = Begin(Query("a.example"));
  Buffer odd = AResponse("a.example");
  odd[2] |= 0x02;  // TC
  EXPECT_FALSE(Takes(token, odd));
  odd = AResponse("a.example");
  odd[3] |= 2;  // SERVFAIL
  EXPECT_FALSE(Takes(token, odd));
  EXPECT_FALSE(Takes(token, AResponse("a.example", 0)));
  odd = AResponse("a.example");
  odd.resize(odd.size() - 1);
  EXPECT_FALSE(Takes(token, odd));
  EXPECT_EQ(plane->in_flight(), 1u);
  EXPECT_FALSE(t.Hits(Query("a.example")));
}

TEST_F(ForwarderFixture, AnOptWithOptionsIsLeftToItsCaller) {
  const auto with_opt = [](size_t options) {
    Buffer response = AResponse("a.example");
    Store16(&response[10], 1);
    const Buffer opt = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, static_cast<uint8_t>(options)};
    response.insert(response.end(), opt.begin(), opt.end());
    // An extended error (RFC 8914).
    if (options != 0) response.insert(response.end(), {0, 15, 0, 2, 0, 3});
    return response;
  };
  const uint64_t token = Begin(Query("a.example"));
  EXPECT_FALSE(Takes(token, with_opt(6)));
  EXPECT_TRUE(Takes(token, with_opt(0)));
  EXPECT_EQ(taken.result, udp::forwarded::kHasOpt);
}

TEST_F(ForwarderFixture, ADenialIsStoredAndToldBesideTheCompletion) {
  const uint64_t token = Begin(Query("a.example"));
  ASSERT_EQ(t.Insert(AResponse("a.example"), {.dnssec_ok = true, .scope = {}}), Status::kOk);
  MessageBuilder denial(1, 0x8183);
  denial.Question("a.example", 1).Soa("example", 300, 60);
  EXPECT_TRUE(Takes(token, denial.bytes()));
  EXPECT_EQ(taken.result, udp::forwarded::kDenies);
  EXPECT_TRUE(taken.with_response);
  EXPECT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(t.Rcode(), wire::rcode::kNxDomain);
  EXPECT_FALSE(t.Hits(EdnsQuery("a.example", 1, 1232, true)));  // what those with DO were told is over
}

TEST_F(ForwarderFixture, IsFoundAndRecalledByWhoAsksTheSame) {
  const Buffer query = Query("a.example", 1, 9);
  const uint64_t token = Begin(query);
  wire::Query parsed, other;
  const Buffer with_do = EdnsQuery("a.example", 1, 1232, true);
  wire::ParseQuery(query, &parsed);
  wire::ParseQuery(with_do, &other);
  const udp::Peer nobody = {};
  EXPECT_EQ(udp::TokenOf(plane->ring().Find({.query = parsed, .peer = nobody, .generation = t.cache->generation()})),
            token);
  EXPECT_EQ(plane->ring().Find({.query = other, .peer = nobody}), udp::MissRing::kNone);
  Buffer record(600);
  EXPECT_TRUE(plane->ring().Recall(static_cast<uint32_t>(token), record));
  EXPECT_EQ(Buffer(record.begin() + 32, record.begin() + 32 + static_cast<long>(query.size())), query);
  EXPECT_FALSE(plane->ring().Recall(static_cast<uint32_t>(token), MutableBytes(record).first(40)));
  EXPECT_FALSE(plane->ring().Recall(static_cast<uint32_t>(token) + 1, record));
}

// While flights are looked at, answered and outdated on one thread, receivers begin others and join them.
TEST_F(ForwarderFixture, FlightsEndWhileReceiversJoinThem) {
  ASSERT_TRUE(plane->Start());
  constexpr int kQueries = 400;
  std::atomic<bool> done = false;
  std::thread asks([&] {
    const udp::Endpoint& at = plane->endpoints()[0];
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    ASSERT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&at.address), at.length), 0);
    int answered = 0;
    for (int i = 0; i < kQueries; ++i) {
      const Buffer query = Query("n" + std::to_string(i / 2) + ".example", 1, static_cast<uint16_t>(i));
      uint8_t reply[512];
      for (int tries = 0; tries < 50; ++tries) {
        EXPECT_EQ(send(fd, query.data(), query.size(), 0), ssize_t(query.size()));
        pollfd poller = {.fd = fd, .events = POLLIN, .revents = 0};
        if (poll(&poller, 1, 200) != 1) continue;
        answered += recv(fd, reply, sizeof reply, 0) > 0;
        break;
      }
    }
    EXPECT_EQ(answered, kQueries);
    close(fd);
    done = true;
  });
  Buffer records(4096);
  for (int turn = 0; !done; ++turn) {
    bool left = false;
    if (plane->Drain(records, 1, &left) == 0) {
      usleep(100);
      continue;
    }
    uint32_t ticket;
    std::memcpy(&ticket, records.data(), sizeof ticket);
    const uint64_t token = udp::TokenOf(ticket);
    Buffer response = Written(token);
    if (turn % 16 == 0) plane->Outdate();
    if (response.empty()) {  // it was asked again, and is known meanwhile
      plane->ReplyError(ticket, wire::rcode::kServFail, wire::kNoExtendedError);
    } else {
      response.resize(response.size() - 11);
      Store16(&response[2], 0x8180);
      Store16(&response[6], 1);
      Store16(&response[10], 0);
      for (const uint8_t octet : {0xC0, 0x0C, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 192, 0, 2, 1}) response.push_back(octet);
      EXPECT_TRUE(Takes(token, response));
    }
    forwarder->Flush();
  }
  asks.join();
  plane->StopReceiving();
}

}  // namespace
}  // namespace shardns::test
