// The asker over real sockets on loopback: matching, forgery, batches, and what is told.
#include "udp/asker.h"

#include "asker_fixture.h"

namespace shardns::test {
namespace {

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
  bool OnResponse(uint64_t token, Bytes response, Taken* taken) override {
    tokens.push_back(token);
    taken->result = 17;
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
  EXPECT_EQ(taking.tokens, (std::vector<uint64_t>{first + 1, second + 1}));
  EXPECT_EQ(events[0].kind, udp::AskEvent::kCompleted);
  EXPECT_EQ(events[0].value, 17);
  EXPECT_TRUE(events[0].octets.empty());
  EXPECT_EQ(events[1].kind, udp::AskEvent::kAnswered);
  EXPECT_FALSE(events[1].octets.empty());
}

class Writing : public udp::Completion {
 public:
  size_t WriteQuery(uint64_t, uint16_t, MutableBytes out) override {
    const Buffer query = EdnsQuery(kLong);
    std::copy(query.begin(), query.end(), out.begin());
    return query.size();
  }
  bool OnResponse(uint64_t, Bytes response, Taken*) override {
    responses.emplace_back(response.begin(), response.end());
    return takes;
  }
  std::vector<Buffer> responses;
  bool takes = true;
};

TEST_F(AskerFixture, ACookieGoesWithAWrittenQueryAndOnlyAResponseWithTheSameIsCompleted) {
  Writing writing;
  udp::AskerOptions options;
  options.completion = &writing;
  Make(options);
  Upstream upstream;
  const Buffer cookie = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  const auto ask = [&] {
    const uint32_t number = free.empty() ? next++ : free.back();
    if (!free.empty()) free.pop_back();
    asker->AskWritten({.number = number,
                       .serial = number ^ 0x5555,
                       .token = 1,
                       .server = upstream.at(),
                       .now_ms = now_ms,
                       .message = {}},
                      1232, cookie);
    asker->Flush();
    const auto queries = upstream.Take();
    EXPECT_EQ(queries.size(), 1u);
    return queries.at(0);
  };
  const size_t bare = EdnsQuery(kLong).size();
  const auto query = ask();
  ASSERT_EQ(query.message.size(), bare + 4 + cookie.size());
  EXPECT_EQ(Load16(&query.message[bare - 2]), 4 + cookie.size());
  EXPECT_EQ(Load16(&query.message[bare]), wire::kOptionCookie);
  EXPECT_TRUE(std::equal(cookie.begin(), cookie.end(), query.message.begin() + static_cast<long>(bare) + 4));
  const Buffer echoed = Upstream::ResponseTo(query);
  upstream.Send(query, echoed);
  EXPECT_EQ(Receive()[0].kind, udp::AskEvent::kCompleted);
  ASSERT_EQ(writing.responses.size(), 1u);
  EXPECT_EQ(writing.responses[0].size(), bare) << "as if there was none";
  EXPECT_EQ(Load16(&writing.responses[0][bare - 2]), 0);

  // Without it, with another, with more beside it: the caller's, as they came, and nothing to the Completion.
  const auto bad = [&](auto spoil) {
    const auto next_query = ask();
    Buffer response = Upstream::ResponseTo(next_query);
    spoil(&response);
    upstream.Send(next_query, response);
    const auto events = Receive();
    EXPECT_EQ(events[0].kind, udp::AskEvent::kAnswered);
    EXPECT_EQ(events[0].octets, response);
  };
  bad([&](Buffer* response) {
    response->resize(bare);
    Store16(&(*response)[bare - 2], 0);
  });
  bad([&](Buffer* response) { response->back() ^= 1; });
  bad([&](Buffer* response) { (*response)[bare + 4] ^= 1; });
  bad([&](Buffer* response) { response->pop_back(); });
  bad([&](Buffer* response) { response->insert(response->end(), {0, 3, 0, 0}); });
  EXPECT_EQ(writing.responses.size(), 1u);
  // What it does not take is the caller's with its cookie.
  writing.takes = false;
  bad([](Buffer*) {});
  EXPECT_EQ(writing.responses.size(), 2u);
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
  other[0] = 5;
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
