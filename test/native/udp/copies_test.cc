#include "udp/copies.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

namespace shardns::test {
namespace {

using Buffer = std::vector<uint8_t>;

TEST(Copies, CopiesTheShareThatIsAskedForEvenly) {
  udp::Copies copies;
  const auto wanted = [&](int count) {
    int found = 0;
    for (int i = 0; i < count; ++i) found += copies.Wants();
    return found;
  };
  EXPECT_EQ(wanted(1000), 0);
  copies.Sample(UINT32_MAX);
  EXPECT_EQ(wanted(1000), 1000);
  copies.Sample(UINT32_MAX / 100);
  for (int i = 0; i < 10; ++i) EXPECT_NEAR(wanted(10'000), 100, 3);
  copies.Sample(0);
  EXPECT_EQ(wanted(1000), 0);
}

TEST(Copies, GivesWholeRecordsInTheirOrder) {
  udp::Copies copies;
  copies.Sample(1);
  const Buffer query = {1, 2, 3}, reply = {4, 5, 6, 7};
  copies.Offer(query, reply, 99);
  copies.Offer(reply, query, uint64_t{1} << 40);
  Buffer out(udp::kCopyOctets);
  ASSERT_EQ(copies.Drain(out), 32u);
  udp::CopyRecord record;
  std::memcpy(&record, out.data(), sizeof record);
  EXPECT_EQ(record.query_length, 3u);
  EXPECT_EQ(record.reply_length, 4u);
  EXPECT_EQ(record.took_us, 99u);
  EXPECT_EQ(Buffer(out.begin() + 8, out.begin() + 15), (Buffer{1, 2, 3, 4, 5, 6, 7}));
  std::memcpy(&record, &out[16], sizeof record);
  EXPECT_EQ(record.took_us, UINT32_MAX);
  EXPECT_EQ(Buffer(out.begin() + 24, out.begin() + 31), (Buffer{4, 5, 6, 7, 1, 2, 3}));
  EXPECT_EQ(copies.Drain(out), 0u);
}

TEST(Copies, LeavesOutWhatItHasNoRoomForAndWhatNobodyWants) {
  udp::Copies copies;
  const Buffer query(100), reply(900);
  copies.Offer(query, reply, 1);
  EXPECT_EQ(copies.dropped(), 1u);
  copies.Sample(1);
  const size_t most = udp::kCopyOctets / 1008;
  for (size_t i = 0; i < most + 5; ++i) copies.Offer(query, reply, 1);
  EXPECT_EQ(copies.copied(), most);
  EXPECT_EQ(copies.dropped(), 6u);
  Buffer out(udp::kCopyOctets);
  EXPECT_EQ(copies.Drain(out), most * 1008);
  copies.Offer(query, reply, 1);
  EXPECT_EQ(copies.Drain(out), 1008u);
}

TEST(Copies, ThreadsThatOfferAndOneThatDrainsLoseNothingUncounted) {
  udp::Copies copies;
  copies.Sample(1);
  const Buffer query(40), reply(60);
  constexpr int kThreads = 4, kOffers = 20'000;
  std::vector<std::thread> threads;
  std::atomic<int> running{kThreads};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kOffers; ++i) copies.Offer(query, reply, 1);
      --running;
    });
  }
  Buffer out(udp::kCopyOctets);
  size_t octets = 0;
  while (running != 0) octets += copies.Drain(out);
  for (std::thread& thread : threads) thread.join();
  octets += copies.Drain(out);
  EXPECT_EQ(octets / 108, copies.copied());
  EXPECT_EQ(copies.copied() + copies.dropped(), uint64_t{kThreads * kOffers});
}

}  // namespace
}  // namespace shardns::test
