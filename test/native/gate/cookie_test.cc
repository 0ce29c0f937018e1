// Server cookies against the vectors of RFC 9018 appendix A, and what a client makes of responses.
#include "gate/cookie.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "gate/cookie_jar.h"
#include "wire/header.h"

namespace shardns::test {
namespace {

using gate::CookieJar;
using gate::CookieOption;
using gate::CookieState;
using gate::CookieVerdict;
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

class Jar : public ::testing::Test {
 protected:
  static constexpr uint16_t kOk = wire::rcode::kNoError, kBad = wire::rcode::kBadCookie;
  CookieVerdict Respond(const std::optional<Buffer>& cookie, uint16_t rcode = kOk, bool tcp = false,
                        bool retried = false) {
    const CookieOption sent = jar_.OptionFor(server_);
    return jar_.Judge({.server = server_,
                       .sent = sent,
                       .has_cookie = cookie.has_value(),
                       .cookie = cookie ? Bytes(*cookie) : Bytes(),
                       .rcode = rcode,
                       .tcp = tcp,
                       .retried = retried,
                       .now = 1});
  }
  Buffer Full(uint8_t fill, size_t size = 16) {
    const CookieOption sent = jar_.OptionFor(server_);
    Buffer cookie(sent.octets, sent.octets + 8);
    cookie.insert(cookie.end(), size, fill);
    return cookie;
  }
  Buffer Sent() {
    const CookieOption sent = jar_.OptionFor(server_);
    return Buffer(sent.octets, sent.octets + sent.length);
  }
  CookieJar jar_{64, kSecret};
  const Buffer server_ = {192, 0, 2, 1};
};

TEST_F(Jar, EachServerHasAClientCookieOfItsOwnUntilTheyAreRenewed) {
  const CookieOption one = jar_.OptionFor(server_), other = jar_.OptionFor(Buffer{192, 0, 2, 2});
  EXPECT_EQ(one.length, 8);
  EXPECT_NE(std::memcmp(one.octets, other.octets, 8), 0);
  EXPECT_EQ(std::memcmp(one.octets, jar_.OptionFor(server_).octets, 8), 0);
  EXPECT_EQ(Respond(Full(7)), CookieVerdict::kAccept);
  jar_.Renew(Key("dd3bdf9344b678b185a6f5cb60fca715"));
  EXPECT_EQ(Sent().size(), 8u);
  EXPECT_NE(std::memcmp(one.octets, jar_.OptionFor(server_).octets, 8), 0);
  // A response to a query from before is good; the server's cookie in it belongs to the old one.
  Buffer late(one.octets, one.octets + 8);
  late.insert(late.end(), 16, 9);
  EXPECT_EQ(jar_.Judge({.server = server_,
                        .sent = one,
                        .has_cookie = true,
                        .cookie = late,
                        .rcode = kOk,
                        .tcp = false,
                        .retried = false,
                        .now = 1}),
            CookieVerdict::kAccept);
  EXPECT_EQ(Sent().size(), 8u);
}

TEST_F(Jar, AServersCookieIsSentFromThenOnWhateverItsLength) {
  EXPECT_EQ(Respond(std::nullopt), CookieVerdict::kAccept) << "it may know no cookies";
  for (const size_t size : {8u, 16u, 32u}) {
    const Buffer cookie = Full(static_cast<uint8_t>(size), size);
    EXPECT_EQ(Respond(cookie, wire::rcode::kServFail), CookieVerdict::kAccept);
    EXPECT_EQ(Sent(), cookie);
  }
}

TEST_F(Jar, WhatLacksTheCookieOrHasAnotherIsDiscarded) {
  ASSERT_EQ(Respond(Full(7)), CookieVerdict::kAccept);
  const Buffer known = Sent();
  EXPECT_EQ(Respond(std::nullopt), CookieVerdict::kDiscard);
  Buffer forged = Full(8);
  forged[3] ^= 1;
  EXPECT_EQ(Respond(forged), CookieVerdict::kDiscard);
  EXPECT_EQ(Respond(forged, kBad), CookieVerdict::kDiscard);
  for (const size_t size : {0u, 7u, 9u, 15u, 41u}) {
    Buffer odd = Full(7, 40);
    odd.resize(size);
    EXPECT_EQ(Respond(odd), CookieVerdict::kDiscard) << size;
  }
  EXPECT_EQ(Sent(), known) << "nothing is learned from what is discarded";
}

TEST_F(Jar, ThatAServerKnowsNoCookiesAnyMoreIsBelievedOverTcp) {
  ASSERT_EQ(Respond(Full(7)), CookieVerdict::kAccept);
  EXPECT_TRUE(jar_.Knows(server_));
  EXPECT_EQ(Respond(std::nullopt, kOk, true), CookieVerdict::kAccept);
  EXPECT_FALSE(jar_.Knows(server_));
  EXPECT_EQ(Respond(std::nullopt), CookieVerdict::kAccept);
}

TEST_F(Jar, BadCookieIsAskedAgainOnceThenOverTcp) {
  ASSERT_EQ(Respond(Full(7)), CookieVerdict::kAccept);
  EXPECT_EQ(Respond(Full(8), kBad), CookieVerdict::kRetry);
  EXPECT_EQ(Sent(), Full(8));
  EXPECT_EQ(Respond(Full(9), kBad, false, true), CookieVerdict::kRetryTcp);
  EXPECT_EQ(Respond(Full(9), kBad, true, true), CookieVerdict::kAccept);
  Buffer half = Full(9);
  half.resize(8);
  EXPECT_EQ(Respond(half, kBad), CookieVerdict::kRetryTcp) << "there is nothing to ask again with";
}

TEST_F(Jar, KeepsNoMoreServersThanItsBound) {
  const size_t before = jar_.memory_bytes();
  uint32_t known = 0;
  for (int pass = 0; pass < 2; ++pass) {
    for (uint32_t n = 0; n < 1000; ++n) {
      const Buffer server = {10, 0, static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)};
      if (pass == 1) {
        known += jar_.Knows(server);
        continue;
      }
      const CookieOption sent = jar_.OptionFor(server);
      Buffer cookie(sent.octets, sent.octets + 8);
      cookie.resize(24, 1);
      jar_.Judge({.server = server,
                  .sent = sent,
                  .has_cookie = true,
                  .cookie = cookie,
                  .rcode = kOk,
                  .tcp = false,
                  .retried = false,
                  .now = n});
    }
  }
  EXPECT_GT(known, 48u);
  EXPECT_LE(known, 64u);
  EXPECT_TRUE(jar_.Knows(Buffer{10, 0, 999 >> 8, 999 & 255}));
  EXPECT_EQ(jar_.memory_bytes(), before);
}

}  // namespace
}  // namespace shardns::test
