// What is answered, told to whoever watches: the ring of records by itself, one in so many, and the writers of threads
// that come and go. Run under the thread sanitizer too, which sees a record that is read while it is written.
#include "udp/tap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "message_builder.h"

namespace shardns::test {
namespace {

using udp::AnsweredBy;
using udp::Tap;
using udp::TapRecord;
using udp::TapRing;
using udp::TapSettings;
using udp::TapWriter;
using udp::Told;

constexpr size_t kSmall = 16384;  // room for three of the greatest records

struct Taken {
  TapRecord record;
  std::vector<uint8_t> reply;
};

std::vector<Taken> Parse(Bytes octets) {
  std::vector<Taken> taken;
  for (size_t at = 0; at < octets.size();) {
    Taken one;
    std::memcpy(&one.record, octets.data() + at, sizeof one.record);
    const uint8_t* reply = octets.data() + at + sizeof one.record;
    one.reply.assign(reply, reply + one.record.length);
    at += TapRing::SizeOf(one.record.length);
    taken.push_back(std::move(one));
  }
  return taken;
}

std::vector<Taken> TakeAll(TapRing& ring, size_t room = kSmall) {
  std::vector<uint8_t> out(room);
  return Parse(Bytes(out).first(ring.Take(out)));
}

// Its octets all say which one it is.
bool Write(TapRing& ring, uint32_t number, uint16_t length) {
  const std::vector<uint8_t> reply(length, static_cast<uint8_t>(number));
  return ring.Write({.at_us = number, .latency_us = number, .length = length}, reply.data());
}

bool IsWhole(const Taken& one, uint32_t number) {
  return one.record.at_us == number && one.record.latency_us == number &&
         std::all_of(one.reply.begin(), one.reply.end(),
                     [&](uint8_t octet) { return octet == static_cast<uint8_t>(number); });
}

TEST(TapRing, RecordsComeOutWholeAndInOrder) {
  TapRing ring(kSmall);
  EXPECT_TRUE(ring.empty());
  for (uint32_t i = 0; i < 20; ++i) ASSERT_TRUE(Write(ring, i, static_cast<uint16_t>(i * 7)));
  const std::vector<Taken> taken = TakeAll(ring);
  ASSERT_EQ(taken.size(), 20u);
  for (uint32_t i = 0; i < 20; ++i) {
    EXPECT_EQ(taken[i].record.latency_us, i);
    EXPECT_EQ(taken[i].reply, std::vector<uint8_t>(i * 7, static_cast<uint8_t>(i)));
  }
  EXPECT_TRUE(ring.empty());
  EXPECT_EQ(ring.written(), 20u);
  EXPECT_EQ(ring.dropped(), 0u);
}

TEST(TapRing, AFullOneDropsWhatIsNewAndCountsIt) {
  TapRing ring(kSmall);
  uint32_t kept = 0;
  while (Write(ring, kept, 100)) ++kept;
  EXPECT_EQ(kept, kSmall / TapRing::SizeOf(100));
  for (int i = 0; i < 9; ++i) EXPECT_FALSE(Write(ring, 7, 100));
  EXPECT_EQ(ring.dropped(), 10u);
  const std::vector<Taken> taken = TakeAll(ring);
  ASSERT_EQ(taken.size(), kept);
  EXPECT_EQ(taken.back().record.latency_us, kept - 1) << "none that it had is overwritten";
  EXPECT_TRUE(Write(ring, 1, 100)) << "there is room again";
}

TEST(TapRing, GoesAroundWithRecordsOfAnySize) {
  TapRing ring(kSmall);
  uint32_t written = 0, seen = 0;
  uint32_t random = 1;
  while (seen < 20'000) {
    random = random * 1664525u + 1013904223u;
    const uint16_t length = random % 50 == 0 ? TapRing::kMaxReply : static_cast<uint16_t>(random % 300);
    if (Write(ring, written, length)) {
      ++written;
      if (random % 3 != 0) continue;
    }
    for (const Taken& one : TakeAll(ring, TapRing::kMaxRecord)) {
      ASSERT_TRUE(IsWhole(one, seen));
      ++seen;
    }
  }
}

TEST(TapRing, TakesNoMoreThanThereIsRoomFor) {
  TapRing ring(kSmall);
  for (uint32_t i = 0; i < 4; ++i) Write(ring, i, 8);
  EXPECT_EQ(TakeAll(ring, 2 * TapRing::SizeOf(8) + 7).size(), 2u);
  EXPECT_EQ(TakeAll(ring).size(), 2u);
  EXPECT_EQ(TakeAll(ring).size(), 0u);
}

TEST(TapRing, AReaderInAnotherThreadNeverSeesHalfOfARecord) {
  constexpr uint32_t kRecords = 50'000;
  TapRing ring(kSmall);
  std::thread writer([&] {
    uint32_t random = 1;
    for (uint32_t i = 0; i < kRecords;) {
      random = random * 1664525u + 1013904223u;
      if (Write(ring, i, static_cast<uint16_t>(random % 200))) ++i;
    }
  });
  uint32_t seen = 0;
  while (seen < kRecords) {
    for (const Taken& one : TakeAll(ring)) {
      EXPECT_TRUE(IsWhole(one, seen));
      ++seen;
    }
  }
  writer.join();
  EXPECT_EQ(ring.written(), kRecords);
}

constexpr uint8_t kClient[] = {192, 0, 2, 7};

Told Hit() { return {.address = kClient, .port = 4242, .by = AnsweredBy::kHit, .began_us = 1}; }

TEST(TapWriter, TellsOneHitInSoManyWhicheverItIs) {
  TapWriter writer(size_t{1} << 22, 1);
  const Buffer reply = Query("a.example");
  constexpr uint32_t kHits = 40'000;
  const TapSettings settings = TapSettings::On(10, false);
  uint32_t odd = 0;
  for (uint32_t i = 0; i < kHits; ++i) {
    const uint64_t before = writer.ring().written();
    writer.Sample(settings, Hit(), reply);
    odd += i % 2 == 1 && writer.ring().written() != before;
  }
  const double share = static_cast<double>(writer.ring().written()) / kHits;
  EXPECT_NEAR(share, 0.1, 0.005);
  EXPECT_NEAR(static_cast<double>(odd) / static_cast<double>(writer.ring().written()), 0.5, 0.05)
      << "no fixed step, which would tell every second question only";
  EXPECT_EQ(TakeAll(writer.ring(), size_t{1} << 22)[0].record.one_in, 10);
}

TEST(TapWriter, TellsEveryHitOrNone) {
  TapWriter writer(kSmall, 1);
  const Buffer reply = Query("a.example");
  for (int i = 0; i < 5; ++i) writer.Sample(TapSettings::On(1, false), Hit(), reply);
  EXPECT_EQ(writer.ring().written(), 5u);
  for (int i = 0; i < 5; ++i) writer.Sample(TapSettings::On(0, false), Hit(), reply);
  EXPECT_EQ(writer.ring().written(), 5u);
}

TEST(TapWriter, TellsEverythingThatAListStandsInTheWayOf) {
  TapWriter writer(kSmall, 1);
  const Buffer reply = Query("a.example");
  Told blocked = Hit();
  blocked.by = AnsweredBy::kBlocked;
  for (int i = 0; i < 5; ++i) writer.Sample(TapSettings::On(0, false), blocked, reply);
  const std::vector<Taken> taken = TakeAll(writer.ring());
  ASSERT_EQ(taken.size(), 5u);
  EXPECT_EQ(taken[0].record.one_in, 1);
}

TEST(TapWriter, KeepsHeaderAndQuestionOrAllOfAReply) {
  TapWriter writer(kSmall, 1);
  Buffer reply = Query("a.example");
  const size_t question = reply.size();
  reply.insert(reply.end(), 60, 0xAB);
  writer.Write(TapSettings::On(1, false), Hit(), reply);
  writer.Write(TapSettings::On(1, true), Hit(), reply);
  const Buffer cut = {1, 2, 3};
  writer.Write(TapSettings::On(1, false), Hit(), cut);
  const std::vector<Taken> taken = TakeAll(writer.ring());
  ASSERT_EQ(taken.size(), 3u);
  EXPECT_EQ(taken[0].reply.size(), question);
  EXPECT_EQ(taken[1].reply.size(), reply.size());
  EXPECT_EQ(taken[2].reply.size(), 3u);
  EXPECT_EQ(taken[0].record.family, 4);
  EXPECT_EQ(taken[0].record.port, 4242);
  EXPECT_EQ(std::memcmp(taken[0].record.address, kClient, 4), 0);
}

TEST(Tap, OffTellsNothingAndIsOneWord) {
  Tap tap(1);
  EXPECT_FALSE(tap.settings().on());
  tap.Set(TapSettings::On(100'000, true));
  EXPECT_TRUE(tap.settings().on());
  EXPECT_TRUE(tap.settings().whole());
  EXPECT_EQ(tap.settings().hits_every(), TapSettings::kMostEvery);
  tap.Set(TapSettings());
  EXPECT_EQ(tap.settings().word(), 0u);
}

TEST(Tap, WhatAThreadHasWrittenIsTakenAfterItsEndAndCountsOn) {
  Tap tap(1);
  const Buffer reply = Query("a.example");
  const TapSettings settings = TapSettings::On(1, false);
  auto writer = tap.NewWriter();
  std::thread([&] { writer->Write(settings, Hit(), reply); }).join();
  tap.main().Write(settings, Hit(), reply);
  writer.reset();
  std::vector<uint8_t> out(kSmall);
  EXPECT_EQ(Parse(Bytes(out).first(tap.Take(out))).size(), 2u);
  EXPECT_EQ(tap.Take(out), 0u);
  EXPECT_EQ(tap.written(), 2u);
  EXPECT_EQ(tap.memory_bytes(), Tap::kMainOctets) << "its ring is gone";
}

TEST(Tap, WhatWasNotedOfAFlightIsForThatFlightOnly) {
  Tap tap(1);
  std::vector<uint32_t> notes(2 * 16);
  tap.UseNotes(notes);
  const uint32_t ticket = 7u << 16 | 3;
  notes[6] = ticket;
  notes[7] = 5u << 16 | static_cast<uint32_t>(AnsweredBy::kSecondLevel);
  Told told = Hit();
  tap.Recall(ticket, &told);
  EXPECT_EQ(told.by, AnsweredBy::kSecondLevel);
  EXPECT_EQ(told.upstream, 5);
  Told other = Hit();
  tap.Recall(8u << 16 | 3, &other);
  tap.Recall(7u << 16 | 500, &other);
  EXPECT_EQ(other.by, AnsweredBy::kHit);
}

}  // namespace
}  // namespace shardns::test
