// What a stored answer looks like when it is served again.
#include "cache_fixture.h"

namespace shardns::test {
namespace {

TEST(Answer, CopiesIdAndEchoesLetterCase) {
  TestCache t;
  ASSERT_EQ(t.Insert(AResponse("www.example.com")), Status::kOk);
  const Buffer query = Query("WwW.eXample.COM", 1, 0xBEEF);
  ASSERT_TRUE(t.Hits(query));
  EXPECT_EQ(wire::Id(t.answer.data()), 0xBEEF);
  EXPECT_EQ(Buffer(t.answer.begin() + 12, t.answer.begin() + 29), Name("WwW.eXample.COM"));
  EXPECT_EQ(wire::Flags(t.answer.data()), 0x8180);
}

TEST(Answer, AgesEveryTtlAndExpiresAtTheTtl) {
  TestCache t;
  ASSERT_EQ(t.Insert(AResponse("a.example", 100, {1, 2})), Status::kOk);
  t.now += 40;
  ASSERT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(t.FirstTtl("a.example"), 60u);
  t.now += 59;
  ASSERT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(t.FirstTtl("a.example"), 1u);
  t.now += 1;
  EXPECT_FALSE(t.Hits(Query("a.example")));
}

TEST(Answer, TypesAndNamesAreKeptApart) {
  TestCache t;
  ASSERT_EQ(t.Insert(AResponse("a.example")), Status::kOk);
  EXPECT_FALSE(t.Hits(Query("a.example", 28)));
  EXPECT_FALSE(t.Hits(Query("b.example")));
  EXPECT_FALSE(t.Hits(Query("a.example", 0x61)));  // a type that folding must not touch
}

TEST(Answer, DnssecOkAndCheckingDisabledHaveTheirOwnEntries) {
  TestCache t;
  ASSERT_EQ(t.Insert(AResponse("a.example")), Status::kOk);
  EXPECT_FALSE(t.Hits(EdnsQuery("a.example", 1, 1232, true)));
  EXPECT_FALSE(t.Hits(Query("a.example", 1, 1, 0x0110)));
  ASSERT_EQ(t.Insert(AResponse("a.example"), {.dnssec_ok = true}), Status::kOk);
  EXPECT_TRUE(t.Hits(EdnsQuery("a.example", 1, 1232, true)));
}

TEST(Answer, OptIsRebuiltOnlyForQueriesThatHadOne) {
  TestCache t;
  Buffer response = MessageBuilder(1, 0x8180)
                        .Question("a.example", 1)
                        .Record(6, {0xC0, 0x0C}, 1, 60, {1, 2, 3, 4})
                        .Opt(4096, 0, {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8})
                        .bytes();
  ASSERT_EQ(t.Insert(response), Status::kOk);
  ASSERT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(wire::ArCount(t.answer.data()), 0);
  const size_t plain = t.answer.size();
  ASSERT_TRUE(t.Hits(EdnsQuery("a.example")));
  EXPECT_EQ(wire::ArCount(t.answer.data()), 1);
  EXPECT_EQ(t.answer.size(), plain + 11);  // no cookie of another client
}

TEST(Answer, AuthenticDataOnlyForThoseWhoAsk) {
  TestCache t;
  Buffer response = AResponse("a.example");
  response[3] |= 0x20;
  ASSERT_EQ(t.Insert(response), Status::kOk);
  ASSERT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(wire::Flags(t.answer.data()) & 0x20, 0);
  ASSERT_TRUE(t.Hits(Query("a.example", 1, 1, 0x0120)));
  EXPECT_NE(wire::Flags(t.answer.data()) & 0x20, 0);
}

TEST(Answer, AskedForWithoutAdSaysNothingToThoseWhoWantToKnow) {
  TestCache t;
  t.ad_unknown = true;
  ASSERT_EQ(t.Insert(AResponse("a.example")), Status::kOk);
  EXPECT_TRUE(t.Hits(Query("a.example")));
  EXPECT_FALSE(t.Hits(Query("a.example", 1, 1, 0x0120)));
  // It is there for them as a stale one would be, and is not called stale.
  EXPECT_EQ(t.Ask(EdnsQuery("a.example"), true, true).verdict, udp::Verdict::kReply);
  const size_t plain = t.answer.size();
  Buffer wanting = EdnsQuery("a.example");
  wanting[3] |= 0x20;
  EXPECT_FALSE(t.Hits(wanting));
  EXPECT_EQ(t.Ask(wanting, true, true).verdict, udp::Verdict::kReply);
  EXPECT_EQ(t.answer.size(), plain);
  t.ad_unknown = false;
  ASSERT_EQ(t.Insert(AResponse("a.example")), Status::kOk);
  EXPECT_TRUE(t.Hits(Query("a.example")));
  EXPECT_TRUE(t.Hits(Query("a.example", 1, 1, 0x0120)));
}

TEST(Answer, OursIsNotLengthenedByAMinimum) {
  TestCache t;
  t.ttl.min_seconds = 1000;
  t.authoritative = true;
  ASSERT_EQ(t.Insert(AResponse("a.example")), Status::kOk);
  t.now += 999;
  EXPECT_FALSE(t.Hits(Query("a.example")));
}

TEST(Answer, OfAZoneOfOursStaysAsItIsAndShowsNoRecursion) {
  TestCache t;
  t.authoritative = t.of_zone = true;
  t.ttl.max_seconds = 60;  // is no matter of ours
  Buffer response = AResponse("a.example", 2000000);
  response[2] |= 0x04;  // AA
  ASSERT_EQ(t.Insert(response), Status::kOk);
  ASSERT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(wire::Flags(t.answer.data()) & 0x04C0, 0x0400);  // AA, and neither RA nor Z
  EXPECT_EQ(t.FirstTtl("a.example"), 2000000u);
  const Buffer fresh = t.answer;
  t.now += 6 * 86400;
  ASSERT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(t.answer, fresh);
  t.now += 2 * 86400;
  EXPECT_FALSE(t.Hits(Query("a.example")));
  // Another of its name, which is not, is as all others are.
  t.authoritative = t.of_zone = false;
  ASSERT_EQ(t.Insert(AResponse("a.example")), Status::kOk);
  ASSERT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(wire::Flags(t.answer.data()) & 0x04C0, 0x0080);
}

TEST(Answer, OfAZoneOfOursMayReferAndDeny) {
  TestCache t;
  t.authoritative = t.of_zone = true;
  MessageBuilder referral(1, 0x8000);
  referral.Question("a.sub.example", 1);
  referral.Record(8, Name("sub.example"), 2, 60, Name("ns.sub.example"));
  ASSERT_EQ(t.Insert(referral.bytes()), Status::kOk);
  ASSERT_TRUE(t.Hits(Query("a.sub.example")));
  EXPECT_EQ(wire::NsCount(t.answer.data()), 1);
  t.now += answers::kZoneNegativeSeconds;
  EXPECT_FALSE(t.Hits(Query("a.sub.example")));
}

TEST(Answer, ShowsTtlsAsTheyCameWhereThatIsWanted) {
  TestCache t;
  t.ttl.min_seconds = 1000;
  t.ttl.show_original = true;
  t.cache->tunables().modes = answers::mode::kOriginalTtl;
  t.cache->SetStaleWindow(3600);
  ASSERT_EQ(t.Insert(AResponse("a.example")), Status::kOk);
  ASSERT_TRUE(t.Hits(Query("a.example")));
  const Buffer fresh = t.answer;
  t.now += 900;
  ASSERT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(t.answer, fresh);
  t.now += 200;  // the lifetime is bounded as ever; a stale answer shows them too
  EXPECT_FALSE(t.Hits(Query("a.example")));
  ASSERT_EQ(t.Ask(Query("a.example"), true, true).verdict, udp::Verdict::kReply);
  EXPECT_EQ(t.answer, fresh);
}

TEST(Answer, IsNotCalledSecureWhenItIsStale) {
  TestCache t;
  t.cache->SetStaleWindow(3600);
  Buffer response = AResponse("a.example", 60);
  response[3] |= 0x20;  // AD
  ASSERT_EQ(t.Insert(response), Status::kOk);
  const Buffer query = Query("a.example", 1, 1, 0x0120);
  ASSERT_TRUE(t.Hits(query));
  EXPECT_NE(wire::Flags(t.answer.data()) & 0x20, 0);
  t.now += 61 * kTicksPerSecond;
  ASSERT_EQ(t.Ask(query, true, true).verdict, udp::Verdict::kReply);
  EXPECT_EQ(wire::Flags(t.answer.data()) & 0x20, 0);
}

TEST(Answer, TooGreatForTheClientIsCutToTheQuestionWithTc) {
  TestCache t;
  MessageBuilder builder(1, 0x8180);
  builder.Question("big.example", 16);
  for (int i = 0; i < 40; ++i) {
    Buffer text(101, 'x');
    text[0] = 100;
    text[1] = static_cast<uint8_t>(i);
    builder.Record(6, {0xC0, 0x0C}, 16, 60, text);
  }
  ASSERT_EQ(t.Insert(builder.bytes()), Status::kOk);
  ASSERT_TRUE(t.Hits(Query("big.example", 16)));
  EXPECT_EQ(t.answer.size(), 12 + Name("big.example").size() + 4);
  EXPECT_NE(wire::Flags(t.answer.data()) & 0x0200, 0);
  EXPECT_EQ(wire::AnCount(t.answer.data()), 0);
  ASSERT_EQ(t.Ask(Query("big.example", 16), false).verdict, udp::Verdict::kReply);  // TCP
  EXPECT_EQ(t.answer.size(), builder.bytes().size());
}

TEST(Answer, EntriesFromTheSmallestTo64KiBAreServedWhole) {
  TestCache t({.bytes = 1 << 20, .shards = 1, .seed = 3});
  MessageBuilder builder(1, 0x8180);
  builder.Question("huge.example", 16);
  const size_t fixed = builder.bytes().size();
  size_t left = 65535 - fixed;
  while (left > 12) {
    const size_t data = std::min<size_t>(left - 12, 60000);
    Buffer text;
    for (size_t n = data; n > 0;) {
      const size_t piece = std::min<size_t>(n - 1, 255);
      text.push_back(static_cast<uint8_t>(piece));
      text.insert(text.end(), piece, 'y');
      n -= piece + 1;
    }
    builder.Record(6, {0xC0, 0x0C}, 16, 1000, text);
    left -= 12 + data;
  }
  ASSERT_EQ(builder.bytes().size() + left, 65535u);
  ASSERT_EQ(t.Insert(builder.bytes()), Status::kOk);
  t.now += 7;
  ASSERT_EQ(t.Ask(Query("huge.example", 16), false).verdict, udp::Verdict::kReply);
  EXPECT_EQ(t.answer.size(), builder.bytes().size());
  EXPECT_EQ(t.FirstTtl("huge.example"), 993u);
}

TEST(Answer, MoreTtlsThanTheTableHoldsAreFoundByWalking) {
  TestCache t;
  MessageBuilder builder(1, 0x8180);
  builder.Question("many.example", 1);
  for (int i = 0; i < 300; ++i) {
    builder.Record(6, {0xC0, 0x0C}, 1, 500, {10, 0, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)});
  }
  ASSERT_EQ(t.Insert(builder.bytes()), Status::kOk);
  t.now += 100;
  ASSERT_EQ(t.Ask(Query("many.example"), false).verdict, udp::Verdict::kReply);
  const size_t first = 12 + Name("many.example").size() + 4 + 6;
  for (size_t i = 0; i < 300; ++i) ASSERT_EQ(Load32(&t.answer[first + i * 16]), 400u);
}

TEST(Answer, RotationTurnsAddressesInsideTheirRrset) {
  TestCache t;
  ASSERT_EQ(t.Insert(AResponse("r.example", 60, {1, 2, 3})), Status::kOk);
  t.cache->tunables().modes = answers::mode::kRotate;
  bool seen[4] = {};
  const size_t data = 12 + Name("r.example").size() + 4 + 12;
  for (int i = 0; i < 64; ++i) {
    ASSERT_TRUE(t.Hits(Query("r.example")));
    int sum = 0;
    for (size_t r = 0; r < 3; ++r) sum += t.answer[data + r * 16 + 3];
    ASSERT_EQ(sum, 6);
    seen[t.answer[data + 3]] = true;
  }
  EXPECT_TRUE(seen[1] && seen[2] && seen[3]);
}

TEST(Answer, AnyGetsOneSynthesisedRecord) {
  TestCache t;
  ASSERT_TRUE(t.Hits(Query("a.example", 255)));
  EXPECT_EQ(wire::AnCount(t.answer.data()), 1);
  EXPECT_EQ(Load16(&t.answer[12 + Name("a.example").size() + 4 + 2]), 13);
}

TEST(Answer, BatchesGiveTheSameRepliesAsSingleQueries) {
  TestCache t;
  std::vector<Buffer> queries;
  for (int i = 0; i < 16; ++i) {
    const std::string name = "n" + std::to_string(i) + ".example";
    if (i % 3 != 0) {
      ASSERT_EQ(t.Insert(AResponse(name, 60 + static_cast<uint32_t>(i))), Status::kOk);
    }
    queries.push_back(i % 2 != 0 ? Query(name) : EdnsQuery(name));
  }
  queries[5] = {1, 2, 3};
  std::vector<Bytes> packets(queries.begin(), queries.end());
  std::vector<Buffer> buffers(16, Buffer(1500));
  std::vector<MutableBytes> outs(buffers.begin(), buffers.end());
  wire::Query parsed[16];
  udp::Response responses[16];
  t.responder.RespondBatch(packets, {.now = TicksFromSeconds(t.now)}, parsed, outs.data(), responses);
  for (size_t i = 0; i < 16; ++i) {
    const udp::Response single = t.Ask(queries[i]);
    ASSERT_EQ(single.verdict, responses[i].verdict) << i;
    ASSERT_EQ(single.length, responses[i].length);
    EXPECT_EQ(t.answer, Buffer(buffers[i].begin(), buffers[i].begin() + static_cast<long>(single.length)));
  }
}

TEST(Answer, ClientSubnetIsAnsweredByScopeWhereSwitchedOn) {
  TestCache t;
  t.cache->tunables().modes = answers::mode::kClientSubnet;
  wire::ClientSubnet scope{.family = 1, .source_prefix = 24, .scope_prefix = 16, .address = {198, 51, 0, 0}};
  ASSERT_EQ(t.Insert(AResponse("geo.example", 60, {77}), {.scope = scope}), Status::kOk);
  const auto from = [](uint8_t second) {
    return MessageBuilder(1, 0x0100)
        .Question("geo.example", 1)
        .Opt(1232, 0, {0, 8, 0, 7, 0, 1, 24, 0, 198, second, 100})
        .bytes();
  };
  EXPECT_TRUE(t.Hits(from(51)));
  // The option comes back with the scope it was answered by (RFC 7871 section 7.2.1).
  const Buffer echoed = {0, 8, 0, 7, 0, 1, 24, 16, 198, 51, 100};
  ASSERT_GE(t.answer.size(), echoed.size());
  EXPECT_EQ(Buffer(t.answer.end() - static_cast<long>(echoed.size()), t.answer.end()), echoed);
  EXPECT_FALSE(t.Hits(from(52)));
  EXPECT_FALSE(t.Hits(Query("geo.example")));
}

// Under lru each lookup takes the long way (AnswerAtLength), under s3fifo a plain hit the short one.
TEST(Answer, IsTheSameByTheShortAndByTheLongWay) {
  TestCache quick;
  TestCache slow({.bytes = size_t{4} << 20, .shards = 1, .policy = store::PolicyKind::kLru, .seed = 7});
  const auto insert = [&](const Buffer& response, answers::Variant variant = {}) {
    ASSERT_EQ(quick.Insert(response, variant), Status::kOk);
    ASSERT_EQ(slow.Insert(response, variant), Status::kOk);
  };
  std::vector<std::string> names = {"a", "seven.x", "exactly14.of.x", "www.example.com",
                                    std::string(63, 'l') + ".example"};
  for (const std::string& name : names) {
    insert(AResponse(name, 100, {1, 2, 3, 4}));
    insert(AResponse(name, 7, {9}), {.dnssec_ok = true});
    MessageBuilder many(1, 0x81B0);
    many.Question(name, 1);
    for (uint8_t i = 0; i < 40; ++i) many.Record(6, {0xC0, 0x0C}, 1, 50u + i, {192, 0, 2, i});
    insert(many.bytes(), {.checking_disabled = true});
  }
  insert(NxDomain("missing.example", "example"));
  names.push_back("missing.example");
  for (const uint32_t later : {0u, 1u, 5u, 6u, 40u, 50u, 100u}) {
    quick.now = slow.now = 1000 + later;
    for (const std::string& name : names) {
      for (const Buffer& query : {Query(name), Query(name, 1, 77, 0x0120), Query(name, 1, 5, 0x0110), EdnsQuery(name),
                                  EdnsQuery(name, 1, 512, true), EdnsQuery(name, 1, 65535, true)}) {
        for (const bool udp : {true, false}) {
          const udp::Response expected = slow.Ask(query, udp), got = quick.Ask(query, udp);
          EXPECT_EQ(got.verdict, expected.verdict);
          EXPECT_EQ(got.answer.outcome, expected.answer.outcome);
          EXPECT_EQ(quick.answer, slow.answer) << name << " after " << later;
        }
      }
    }
  }
  const store::Stats a = quick.cache->TotalStats(), b = slow.cache->TotalStats();
  EXPECT_EQ(a.hits_positive, b.hits_positive);
  EXPECT_EQ(a.hits_negative, b.hits_negative);
  EXPECT_EQ(a.misses, b.misses);
  EXPECT_GT(a.hits_negative, 0u);
}

// A full index has a good part of its entries in their second buckets; batches wait for those apart.
TEST(Answer, IsFoundInTheSecondBucketByBatchesAndSingleQueries) {
  TestCache t({.bytes = size_t{1} << 20, .shards = 1, .average_entry_bytes = 512, .seed = 7});
  std::vector<Buffer> queries;
  for (int i = 0; i < 1792; ++i) {
    const std::string name = "n" + std::to_string(i) + ".example";
    ASSERT_EQ(t.Insert(AResponse(name)), Status::kOk);
    queries.push_back(Query(name));
  }
  std::vector<Buffer> replies(16, Buffer(kRoom));
  MutableBytes outs[16];
  for (size_t i = 0; i < 16; ++i) outs[i] = replies[i];
  wire::Query parsed[16];
  udp::Response responses[16];
  size_t singles = 0, batched = 0;
  for (size_t at = 0; at + 16 <= queries.size(); at += 16) {
    Bytes batch[16];
    for (size_t i = 0; i < 16; ++i) batch[i] = queries[at + i];
    t.responder.RespondBatch(batch, {.now = TicksFromSeconds(t.now)}, parsed, outs, responses);
    for (size_t i = 0; i < 16; ++i) {
      const bool hit = t.Hits(queries[at + i]);
      singles += hit;
      batched += responses[i].verdict == udp::Verdict::kReply;
      EXPECT_EQ(responses[i].verdict == udp::Verdict::kReply, hit);
      if (!hit) continue;
      const Buffer reply(replies[i].begin(), replies[i].begin() + static_cast<long>(responses[i].length));
      EXPECT_EQ(t.answer, reply);
    }
  }
  EXPECT_EQ(singles, batched);
  EXPECT_EQ(singles, t.cache->TotalStats().entries);
  EXPECT_GT(singles, 1000u);
}

}  // namespace
}  // namespace shardns::test
