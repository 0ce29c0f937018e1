// How often something may be done.
#include "base/token_bucket.h"

#include <gtest/gtest.h>

namespace shardns::test {
namespace {

int Taken(TokenBucket& bucket, uint32_t now_ms) {
  int taken = 0;
  while (bucket.Take(now_ms)) ++taken;
  return taken;
}

TEST(TokenBucket, GivesABurstAndThenSoManyASecond) {
  TokenBucket bucket({.per_second = 100, .burst = 50});
  EXPECT_EQ(Taken(bucket, 5000), 50);
  EXPECT_EQ(Taken(bucket, 5009), 0);
  EXPECT_EQ(Taken(bucket, 5010), 1);
  EXPECT_EQ(Taken(bucket, 5110), 10);
  EXPECT_EQ(Taken(bucket, 3'600'000), 50);
}

TEST(TokenBucket, TheClockMayWrapAndStepBack) {
  TokenBucket bucket({.per_second = 100, .burst = 50});
  EXPECT_EQ(Taken(bucket, UINT32_MAX - 49), 50);
  EXPECT_EQ(Taken(bucket, 50), 10);
  EXPECT_EQ(Taken(bucket, 40), 0);
}

}  // namespace
}  // namespace shardns::test
