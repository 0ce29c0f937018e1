// Server cookies against the vectors of RFC 9018 appendix A.
#include "gate/cookie.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "wire/header.h"

namespace shardns::test {
namespace {

using gate::CookieState;
using gate::ServerCookies;

using Buffer = std::vector<uint8_t>;

Buffer Hex(const std::string& text) {
  Buffer octets;
  for (size_t i = 0; i < text.size(); i += 2) {
    octets.push_back(static_cast<uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return octets;
}
SipKey Key(const std::string& hex) {
  SipKey key;
  std::memcpy(key.octets, Hex(hex).data(), 16);
  return key;
}

const SipKey kSecret = Key("e5e973e5a6b2a43f48e7dc849e37bfcf");
const Buffer kClient = {198, 51, 100, 100};

Buffer Made(const ServerCookies& cookies, const std::string& client, const Buffer& address, uint32_t now) {
  Buffer out(gate::kFullCookieSize);
  cookies.Make(Hex(client).data(), address, now, out.data());
  return out;
}

TEST(SipHash, IsTheOneOfThePaper) {
  SipKey key;
  uint8_t message[15];
  for (uint8_t i = 0; i < 16; ++i) key.octets[i] = i;
  for (uint8_t i = 0; i < 15; ++i) message[i] = i;
  EXPECT_EQ(SipHash24(key, message, sizeof message), 0xa129ca6149be45e5u);  // appendix A of the paper
  EXPECT_EQ(SipHash24(key, message, 0), 0x726fdb47dd0e0e31u);
}
TEST(SipHash, HasTheLongFormOfTheReferenceCode) {
  SipKey key;
  uint8_t message[15];
  for (uint8_t i = 0; i < 16; ++i) key.octets[i] = i;
  for (uint8_t i = 0; i < 15; ++i) message[i] = i;
  // The vectors of 128 bits of the authors' reference code, for 0, 1 and 15 octets.
  const SipHash128 none = LongSipHash24(key, message, 0);
  EXPECT_EQ(none.low, 0xe6a825ba047f81a3u);
  EXPECT_EQ(none.high, 0x930255c71472f66du);
  const SipHash128 one = LongSipHash24(key, message, 1);
  EXPECT_EQ(one.low, 0x44af996bd8c187dau);
  EXPECT_EQ(one.high, 0x45fc229b11597634u);
  const SipHash128 all = LongSipHash24(key, message, 15);
  EXPECT_EQ(all.low, 0x11a8b03399e99354u);
  EXPECT_EQ(all.high, 0xd9c3cf970fec087eu);
}

TEST(ServerCookies, AreThoseOfRfc9018AppendixA) {
  const ServerCookies cookies({&kSecret, 1});
  const std::string client = "2464c4abcf10c957";
  EXPECT_EQ(Made(cookies, client, kClient, 0x5cf79f11), Hex(client + "010000005cf79f111f8130c3eee29480"));
  // Forty minutes later: still good, and due to be renewed.
  const Buffer old = Hex(client + "010000005cf79f111f8130c3eee29480");
  EXPECT_EQ(cookies.Check(old, kClient, 0x5cf7a871), CookieState::kGoodToRenew);
  EXPECT_EQ(Made(cookies, client, kClient, 0x5cf7a871), Hex(client + "010000005cf7a871d4a564a1442aca77"));
  // Reserved octets count as they came.
  const Buffer other = {203, 0, 113, 203};
  EXPECT_EQ(cookies.Check(Hex("fc93fc62807ddb8601abcdef5cf78f71a314227b6679ebf5"), other, 0x5cf78f71),
            CookieState::kGood);
  // IPv6, under a secret that is followed by another.
  const Buffer v6 = Hex("20010db80220000159ded0f4876982b8");
  const SipKey before = Key("dd3bdf9344b678b185a6f5cb60fca715"), after = Key("445536bcd2513298075a5d379663c962");
  const std::string v6_client = "22681ab97d52c298";
  const SipKey rolled[] = {after, before};
  EXPECT_EQ(Made(ServerCookies({&before, 1}), v6_client, v6, 0x5cf7c579),
            Hex(v6_client + "010000005cf7c57926556bd0934c72f8"));
  EXPECT_EQ(ServerCookies(rolled).Check(Hex(v6_client + "010000005cf7c57926556bd0934c72f8"), v6, 0x5cf7c609),
            CookieState::kGood);
  EXPECT_EQ(Made(ServerCookies(rolled), v6_client, v6, 0x5cf7c609),
            Hex(v6_client + "010000005cf7c609a6bb79d16625507a"));
  EXPECT_EQ(ServerCookies({&after, 1}).Check(Hex(v6_client + "010000005cf7c57926556bd0934c72f8"), v6, 0x5cf7c609),
            CookieState::kBad);
}

TEST(ServerCookies, AgeInSerialArithmeticAroundTheWrapOfTime) {
  const ServerCookies cookies({&kSecret, 1});
  for (const uint32_t made : {1'700'000'000u, 100u, UINT32_MAX - 100}) {
    const Buffer cookie = Made(cookies, "0102030405060708", kClient, made);
    const auto state = [&](int64_t age) { return cookies.Check(cookie, kClient, static_cast<uint32_t>(made + age)); };
    EXPECT_EQ(state(0), CookieState::kGood);
    EXPECT_EQ(state(1800), CookieState::kGood);
    EXPECT_EQ(state(1801), CookieState::kGoodToRenew);
    EXPECT_EQ(state(3600), CookieState::kGoodToRenew);
    EXPECT_EQ(state(3601), CookieState::kBad);
    EXPECT_EQ(state(-300), CookieState::kGood);
    EXPECT_EQ(state(-301), CookieState::kBad);
    EXPECT_EQ(state(-3600), CookieState::kBad) << "after the clock stepped back an hour";
  }
}

TEST(ServerCookies, AnyOtherAddressOctetVersionOrLengthIsNotGood) {
  const ServerCookies cookies({&kSecret, 1});
  const Buffer cookie = Made(cookies, "0102030405060708", kClient, 1000);
  EXPECT_EQ(cookies.Check(cookie, kClient, 1000), CookieState::kGood);
  const Buffer mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 198, 51, 100, 100};
  EXPECT_EQ(cookies.Check(cookie, mapped, 1000), CookieState::kGood) << "one client, however its address is written";
  EXPECT_EQ(cookies.Check(cookie, Buffer{198, 51, 100, 101}, 1000), CookieState::kBad);
  for (size_t i = 0; i < cookie.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Buffer forged = cookie;
      forged[i] ^= static_cast<uint8_t>(1 << bit);
      EXPECT_EQ(cookies.Check(forged, kClient, 1000), CookieState::kBad) << i;
    }
  }
  for (size_t size = 0; size <= 64; ++size) {
    Buffer other = cookie;
    other.resize(size);
    const CookieState expected = size == 8                ? CookieState::kClientOnly
                                 : size < 16 || size > 40 ? CookieState::kMalformed
                                 : size == cookie.size()  ? CookieState::kGood
                                                          : CookieState::kBad;
    EXPECT_EQ(cookies.Check(other, kClient, 1000), expected) << size;
  }
}

}  // namespace
}  // namespace shardns::test
