// Names of a message that has changed since it was checked: each walk ends, within the message.
#include "wire/name.h"

#include <gtest/gtest.h>

#include <memory>

#include "message_builder.h"

namespace shardns::test {
namespace {

// A message of exactly its size on the heap, so that AddressSanitizer sees every step beyond it.
struct Exact {
  std::unique_ptr<uint8_t[]> octets;
  Bytes message;
  explicit Exact(const Buffer& tail)
      : octets(new uint8_t[12 + tail.size()]()), message(octets.get(), 12 + tail.size()) {
    std::copy(tail.begin(), tail.end(), octets.get() + 12);
  }
};

TEST(NameWalks, TakeAWholeNameWhereverItsPartsAre) {
  const Exact whole({1, 'B', 0, 3, 'w', 'W', 'w', 0xC0, 12});
  uint8_t out[wire::kMaxNameSize];
  const Buffer expected = Name("www.b");
  ASSERT_EQ(wire::ExpandFolded(whole.message, 15, out), expected.size());
  EXPECT_EQ(Buffer(out, out + expected.size()), expected);
  EXPECT_TRUE(wire::EqualsFolded(whole.message, 15, expected));
  EXPECT_FALSE(wire::EqualsFolded(whole.message, 15, Name("www.c")));
  EXPECT_EQ(wire::FirstLabel(whole.message, 19), 12u);
}

TEST(NameWalks, EndInWhatIsNoNameAnyMore) {
  Buffer hops;
  for (int i = 0; i < 200; ++i) {
    hops.push_back(static_cast<uint8_t>(0xC0 | (12 + 2 * i + 2) >> 8));
    hops.push_back(static_cast<uint8_t>(12 + 2 * i + 2));
  }
  hops.push_back(0);
  Buffer labels;
  for (int i = 0; i < 140; ++i) labels.insert(labels.end(), {1, 'a'});
  labels.push_back(0);
  const Buffer broken[] = {
      {0xC0, 12},             // a pointer to itself
      {0xC0, 14, 0xC0, 12},   // two to each other
      {1, 'a', 0xC0, 12},     // a label for ever
      {0xFF, 0xFF},           // a pointer beyond the message
      {0xC0},                 // half a pointer
      {63, 'a', 'b'},         // a label beyond the message
      {0x7F, 'a', 'b', 'c'},  // neither label nor pointer
      {3, 'a', 'b', 'c'},     // no end
      {},                     // nothing
      hops,                   // more pointers than a name has
      labels,                 // more than 255 octets
  };
  uint8_t out[wire::kMaxNameSize];
  for (const Buffer& octets : broken) {
    const Exact exact(octets);
    EXPECT_EQ(wire::ExpandFolded(exact.message, 12, out), 0u);
    EXPECT_FALSE(wire::EqualsFolded(exact.message, 12, Name("a")));
    EXPECT_FALSE(wire::EqualsFolded(exact.message, 12, {}));
    EXPECT_LE(wire::FirstLabel(exact.message, 12), exact.message.size());
  }
}

}  // namespace
}  // namespace shardns::test
