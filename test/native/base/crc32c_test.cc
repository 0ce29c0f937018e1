// The checksum of RFC 3720 appendix B.4.
#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <vector>

namespace shardns::test {
namespace {

TEST(Crc32c, GivesTheValuesOfRfc3720) {
  const std::vector<uint8_t> zeros(32, 0), ones(32, 0xFF);
  std::vector<uint8_t> rising(32);
  for (uint8_t i = 0; i < 32; ++i) rising[i] = i;
  EXPECT_EQ(Crc32c(0, zeros), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(0, ones), 0x62A8AB43u);
  EXPECT_EQ(Crc32c(0, rising), 0x46DD794Eu);
}

TEST(Crc32c, OfPartsIsThatOfTheWhole) {
  std::vector<uint8_t> octets(1000);
  for (size_t i = 0; i < octets.size(); ++i) octets[i] = static_cast<uint8_t>(i * i);
  const uint32_t whole = Crc32c(0, octets);
  for (size_t cut = 0; cut <= octets.size(); cut += 37) {
    EXPECT_EQ(Crc32c(Crc32c(0, Bytes(octets).first(cut)), Bytes(octets).subspan(cut)), whole);
  }
}

}  // namespace
}  // namespace shardns::test
