// What may be stored, and for how long.
#include "cache_fixture.h"

namespace shardns::test {
namespace {

TEST(Insert, NegativeTtlIsTheLesserOfSoaTtlAndMinimum) {
  TestCache t;
  ASSERT_EQ(t.Insert(NxDomain("no.example", "example", 300, 60)), Status::kOk);
  t.now += 59;
  ASSERT_TRUE(t.Hits(Query("no.example")));
  EXPECT_EQ(t.Rcode(), 3);
  t.now += 1;
  EXPECT_FALSE(t.Hits(Query("no.example")));
}

TEST(Insert, NegativeWithoutSoaIsRefused) {
  TestCache t;
  EXPECT_EQ(t.Insert(MessageBuilder(1, 0x8183).Question("x.example", 1).bytes()), Status::kNoSoa);
  EXPECT_EQ(t.Insert(MessageBuilder(1, 0x8180).Question("x.example", 1).bytes()), Status::kNoSoa);
}

TEST(Insert, TruncatedFailedOrForeignClassIsNeverStored) {
  TestCache t;
  Buffer truncated = AResponse("a.example");
  truncated[2] |= 2;
  EXPECT_EQ(t.Insert(truncated), Status::kTruncated);
  Buffer failed = AResponse("a.example");
  failed[3] = 0x82;
  EXPECT_EQ(t.Insert(failed), Status::kUncacheable);
  Buffer query = AResponse("a.example");
  query[2] &= 0x7F;
  EXPECT_EQ(t.Insert(query), Status::kNotAResponse);
  EXPECT_FALSE(t.Hits(Query("a.example")));
}

TEST(Insert, AnAnswerMadeOfOthersEndsWithThem) {
  TestCache t;
  // Three seconds and a half are left of what says 3 s, or 4 s; of what says 2 s a minute would be, which is not
  // believed.
  t.lifetime = 3 * kTicksPerSecond + 8;
  ASSERT_EQ(t.Insert(AResponse("down.example", 3)), Status::kOk);
  ASSERT_EQ(t.Insert(AResponse("up.example", 4)), Status::kOk);
  t.lifetime = 60 * kTicksPerSecond;
  ASSERT_EQ(t.Insert(AResponse("less.example", 2)), Status::kOk);
  t.now += 2;
  EXPECT_FALSE(t.Hits(Query("less.example")));
  t.now += 1;
  t.ticks = 7;
  EXPECT_TRUE(t.Hits(Query("up.example")));
  ASSERT_TRUE(t.Hits(Query("down.example")));
  EXPECT_EQ(t.FirstTtl("down.example"), 0u);
  t.ticks = 8;
  EXPECT_FALSE(t.Hits(Query("up.example")));
  EXPECT_FALSE(t.Hits(Query("down.example")));
}

TEST(Insert, TtlZeroIsNeverStoredEvenUnderAMinimum) {
  TestCache t;
  t.ttl.min_seconds = 60;
  EXPECT_EQ(t.Insert(AResponse("a.example", 0)), Status::kZeroTtl);
}

TEST(Insert, TtlWithBit31CountsAsGreatAndIsCapped) {
  TestCache t;
  ASSERT_EQ(t.Insert(AResponse("a.example", 0x80000001)), Status::kOk);
  ASSERT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(t.FirstTtl("a.example"), 86400u);
}

TEST(Insert, MinimumRaisesAndMaximumCuts) {
  TestCache t;
  t.ttl.min_seconds = 60;
  t.ttl.max_seconds = 120;
  ASSERT_EQ(t.Insert(AResponse("low.example", 5)), Status::kOk);
  ASSERT_EQ(t.Insert(AResponse("high.example", 500)), Status::kOk);
  t.now += 59;
  ASSERT_TRUE(t.Hits(Query("low.example")));
  EXPECT_EQ(t.FirstTtl("low.example"), 1u);
  t.now += 61;
  EXPECT_FALSE(t.Hits(Query("high.example")));
}

TEST(Insert, DifferentTtlsInAnRrsetBecomeTheLeast) {
  TestCache t;
  Buffer response = MessageBuilder(1, 0x8180)
                        .Question("a.example", 1)
                        .Record(6, {0xC0, 0x0C}, 1, 500, {1, 1, 1, 1})
                        .Record(6, {0xC0, 0x0C}, 1, 70, {2, 2, 2, 2})
                        .bytes();
  ASSERT_EQ(t.Insert(response), Status::kOk);
  ASSERT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(t.FirstTtl("a.example"), 70u);
}

Buffer Rrsig(uint32_t original_ttl, uint32_t expiration) {
  Buffer rdata = {0, 1, 13, 2};
  rdata.resize(18);
  Store32(&rdata[4], original_ttl);
  Store32(&rdata[8], expiration);
  const Buffer signer = Name("example");
  rdata.insert(rdata.end(), signer.begin(), signer.end());
  rdata.insert(rdata.end(), 64, 0x55);
  return rdata;
}

TEST(Insert, ASignatureLimitsTheLifetimeAgainstAnyMinimum) {
  TestCache t;
  t.wall = 1'700'000'000;
  t.ttl.min_seconds = 3600;
  Buffer response = MessageBuilder(1, 0x8180)
                        .Question("a.example", 1)
                        .Record(6, {0xC0, 0x0C}, 1, 500, {1, 1, 1, 1})
                        .Record(6, {0xC0, 0x0C}, 46, 500, Rrsig(400, t.wall + 90))
                        .bytes();
  ASSERT_EQ(t.Insert(response), Status::kOk);
  t.now += 10;
  ASSERT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(t.FirstTtl("a.example"), 80u);
  const size_t rrsig = 12 + Name("a.example").size() + 4 + 16;
  EXPECT_EQ(Load32(&t.answer[rrsig + 6]), 80u);
  EXPECT_EQ(Load32(&t.answer[rrsig + 12 + 4]), 400u);  // the Original TTL field never ages
  t.now += 80;
  EXPECT_FALSE(t.Hits(Query("a.example")));
}

TEST(Insert, JitterOnlyEverShortens) {
  TestCache t;
  t.ttl.jitter_percent = 10;
  for (uint32_t random : {0u, 0x80000000u, 0xFFFFFFFFu}) {
    const uint32_t ttl = answers::LifetimeSeconds(t.ttl, 1000, UINT32_MAX, false, random);
    EXPECT_LE(ttl, 1000u);
    EXPECT_GE(ttl, 900u);
  }
}

TEST(Insert, RecordsOutsideTheChainAreRefused) {
  TestCache t;
  EXPECT_EQ(t.Insert(MessageBuilder(1, 0x8180)
                         .Question("a.example", 1)
                         .Answer("a.example", 1, 60, {1, 1, 1, 1})
                         .Answer("victim.test", 1, 60, {6, 6, 6, 6})
                         .bytes()),
            Status::kForeignRecords);
}

TEST(Insert, AChainOfAliasesIsFollowedAndItsEndDecides) {
  TestCache t;
  EXPECT_EQ(t.Insert(MessageBuilder(1, 0x8180)
                         .Question("a.example", 1)
                         .Answer("a.example", 5, 60, Name("b.example"))
                         .Answer("b.example", 5, 50, Name("c.example"))
                         .Answer("c.example", 1, 40, {1, 1, 1, 1})
                         .bytes()),
            Status::kOk);
  t.now += 39;
  EXPECT_TRUE(t.Hits(Query("a.example")));
  t.now += 1;
  EXPECT_FALSE(t.Hits(Query("a.example")));
  // A chain that ends nowhere and says so.
  EXPECT_EQ(t.Insert(MessageBuilder(1, 0x8183)
                         .Question("d.example", 1)
                         .Answer("d.example", 5, 600, Name("e.example"))
                         .Soa("example", 300, 60)
                         .bytes()),
            Status::kOk);
  ASSERT_TRUE(t.Hits(Query("d.example")));
  EXPECT_EQ(t.Rcode(), 3);
  t.now += 60;
  EXPECT_FALSE(t.Hits(Query("d.example")));
}

TEST(Insert, MalformedResponsesAreRefusedWhole) {
  TestCache t;
  const Buffer good = AResponse("a.example", 60, {1, 2});
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_NE(t.Insert(Buffer(good.begin(), good.begin() + static_cast<long>(length))), Status::kOk) << length;
  }
  Buffer loop = MessageBuilder(1, 0x8180).Question("a.example", 1).bytes();
  const uint8_t here = static_cast<uint8_t>(loop.size());
  loop = MessageBuilder(1, 0x8180).Question("a.example", 1).Record(6, {0xC0, here}, 1, 60, {1, 2, 3, 4}).bytes();
  EXPECT_EQ(t.Insert(loop), Status::kMalformed);
  EXPECT_FALSE(t.Hits(Query("a.example")));
}

TEST(Insert, OctetsBehindTheLastRecordAreCutOff) {
  TestCache t;
  const Buffer good = AResponse("a.example", 60, {1, 2});
  Buffer trailing = good;
  trailing.insert(trailing.end(), 7, 0xAB);
  ASSERT_EQ(t.Insert(trailing), Status::kOk);
  ASSERT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(t.answer.size(), good.size());
}

TEST(Insert, DataThatItsTypeCannotHaveIsRefused) {
  const Buffer name = Name("ns.example");
  const auto with = [](Buffer before, const Buffer& middle, size_t after) {
    before.insert(before.end(), middle.begin(), middle.end());
    before.resize(before.size() + after);
    return before;
  };
  const std::pair<uint16_t, Buffer> whole[] = {{1, {1, 2, 3, 4}},
                                               {28, Buffer(16)},
                                               {2, name},
                                               {5, name},
                                               {12, name},
                                               {39, name},
                                               {15, with({0, 1}, name, 0)},
                                               {33, with(Buffer(6), name, 0)},
                                               {6, with(name, name, 20)},
                                               {35, with({0, 1, 0, 2, 1, 'u', 0, 0}, name, 0)},
                                               {13, {1, 'x', 1, 'y'}},
                                               {108, Buffer(6)}};
  for (const auto& [type, data] : whole) {
    TestCache t;
    const auto insert = [&](const Buffer& rdata) {
      return t.Insert(MessageBuilder(1, 0x8180).Question("a", type).Record(6, {0xC0, 0x0C}, type, 60, rdata).bytes());
    };
    EXPECT_EQ(insert(data), Status::kOk) << type;
    EXPECT_EQ(insert(Buffer(data.begin(), data.end() - 1)), Status::kMalformed) << type;
    EXPECT_EQ(insert(with(data, {}, 1)), Status::kMalformed) << type;
    EXPECT_EQ(insert({}), Status::kMalformed) << type;
  }
}

TEST(Insert, ARecordThatIsThereTwiceIsToBeRewritten) {
  const auto insert = [](uint16_t type, const Buffer& first, const Buffer& second, const Buffer& owner = {0xC0, 0x0C}) {
    TestCache t;
    return t.Insert(MessageBuilder(1, 0x8180)
                        .Question("a.example", type)
                        .Record(6, {0xC0, 0x0C}, type, 60, first)
                        .Record(6, {0xC0, 0x0C}, type, 60, {3, 'c', 'c', 'c', 0})
                        .Record(6, owner, type, 50, second)
                        .bytes());
  };
  EXPECT_EQ(insert(2, Name("b.example"), Name("d.example")), Status::kOk);
  EXPECT_EQ(insert(2, Name("b.example"), Name("b.example")), Status::kToRewrite);
  EXPECT_EQ(insert(2, Name("b.example"), Name("B.Example"), Name("A.example")), Status::kToRewrite);
  EXPECT_EQ(insert(2, Name("b.example"), {1, 'b', 0xC0, 0x0E}), Status::kToRewrite);
  EXPECT_EQ(insert(65280, {1, 2}, {1, 2}), Status::kToRewrite);
  // The same data of another owner, type or section is another record.
  TestCache t;
  EXPECT_EQ(t.Insert(MessageBuilder(1, 0x8180)
                         .Question("a.example", 65280)
                         .Record(6, {0xC0, 0x0C}, 65280, 60, {1, 2})
                         .Record(6, {0xC0, 0x0C}, 65281, 60, {1, 2})
                         .Record(8, Name("x.example"), 65280, 60, {1, 2})
                         .Record(8, Name("y.example"), 65280, 60, {1, 2})
                         .bytes()),
            Status::kOk);
}

TEST(Insert, ANameThatNoSenderMayCompressIsToBeExpanded) {
  const auto insert = [](uint16_t type, const Buffer& rdata) {
    TestCache t;
    return t.Insert(
        MessageBuilder(1, 0x8180).Question("a.example", type).Record(6, {0xC0, 0x0C}, type, 60, rdata).bytes());
  };
  EXPECT_EQ(insert(15, {0, 1, 0xC0, 0x0C}), Status::kOk);                             // MX
  EXPECT_EQ(insert(14, {0xC0, 0x0C, 0xC0, 0x0E}), Status::kOk);                       // MINFO
  EXPECT_EQ(insert(33, {0, 1, 0, 2, 0, 3, 0xC0, 0x0C}), Status::kToRewrite);          // SRV
  EXPECT_EQ(insert(35, {0, 1, 0, 2, 1, 'u', 0, 0, 0xC0, 0x0C}), Status::kToRewrite);  // NAPTR
  EXPECT_EQ(insert(65, {0, 1, 0xC0, 0x0C}), Status::kToRewrite);                      // HTTPS
  EXPECT_EQ(insert(47, {0xC0, 0x0C, 0, 1, 0x40}), Status::kToRewrite);                // NSEC
  EXPECT_EQ(insert(35, {0, 1, 0, 2, 1, 'u', 0, 0, 0xC0, 0xFF}), Status::kMalformed);
}

TEST(Insert, TwoOptsAreMalformedAndYxdomainIsPassedOnButNotStored) {
  TestCache t;
  const auto response = [](uint16_t flags) {
    MessageBuilder builder(1, flags);
    builder.Question("a.example", 1).Record(6, {0xC0, 0x0E}, 39, 60, Name("b"));
    return builder;
  };
  EXPECT_EQ(t.Insert(response(0x8180).Opt(1232).Opt(1232).bytes()), Status::kMalformed);
  EXPECT_EQ(t.Insert(response(0x8186).Opt(1232).bytes()), Status::kUncacheable);
  EXPECT_EQ(t.Insert(response(0x8186).Answer("b.test", 1, 60, {1, 2, 3, 4}).bytes()), Status::kForeignRecords);
}

TEST(Insert, ANameReadOutOfATtlIsRefused) {
  // Found by fuzzing: the second owner points into the first record's TTL, which would change the name as it ages.
  Buffer response =
      MessageBuilder(1, 0x8180).Question("a", 1).Record(6, {0xC0, 0x0C}, 1, 0x01610000, {1, 2, 3, 4}).bytes();
  const uint8_t ttl_at = static_cast<uint8_t>(12 + 3 + 4 + 6);
  MessageBuilder builder(1, 0x8180);
  builder.Question("a", 1)
      .Record(6, {0xC0, 0x0C}, 1, 0x01610000, {1, 2, 3, 4})
      .Record(10, {0xC0, ttl_at}, 1, 60, {1, 2, 3, 4});
  TestCache t;
  EXPECT_EQ(t.Insert(response), Status::kOk);
  EXPECT_EQ(t.Insert(builder.bytes()), Status::kMalformed);
}

TEST(Insert, ANameInDataReadOutOfItsOwnRecordsTtlIsRefused) {
  // Found by fuzzing. The TTL's octets read as a label and the root: 1 'a' 0.
  const uint8_t ttl_at = static_cast<uint8_t>(12 + 3 + 4 + 2 + 4);
  TestCache t;
  EXPECT_EQ(
      t.Insert(
          MessageBuilder(1, 0x8180).Question("a", 5).Record(6, {0xC0, 0x0C}, 5, 0x01610000, {0xC0, ttl_at}).bytes()),
      Status::kMalformed);
}

TEST(Insert, ANameLedThroughAPointerInsideTheQuestionIsRefused) {
  // Found by fuzzing: the pointer's low octet is a letter of the question's name, which is folded to be stored.
  TestCache t;
  std::string label(63, 'a');
  label[70 - 13] = 0;
  label[72 - 13] = static_cast<char>(0xC0);
  label[73 - 13] = 'F';  // 0x46 = 70
  const auto response = [&](uint8_t target) {
    Buffer soa = {0, 0};
    soa.resize(22);
    Store32(&soa[18], 60);
    return MessageBuilder(1, 0x8183).Question(label + ".example", 1).Record(8, {0xC0, target}, 6, 60, soa).bytes();
  };
  EXPECT_EQ(t.Insert(response(72)), Status::kMalformed);
  EXPECT_EQ(t.Insert(response(12)), Status::kOk);
}

TEST(Insert, ANewAnswerReplacesTheOld) {
  TestCache t;
  ASSERT_EQ(t.Insert(AResponse("a.example", 60)), Status::kOk);
  ASSERT_EQ(t.Insert(NxDomain("a.example", "example")), Status::kOk);
  ASSERT_TRUE(t.Hits(Query("a.example")));
  EXPECT_EQ(t.Rcode(), 3);
  EXPECT_EQ(t.cache->TotalStats().entries, 1u);
  EXPECT_TRUE(t.cache->CheckInvariants());
}

TEST(Stale, AnExpiredAnswerIsServedWithTtl30OnlyWhenAllowed) {
  TestCache t;
  t.cache->SetStaleWindow(3600);
  ASSERT_EQ(t.Insert(AResponse("a.example", 60)), Status::kOk);
  t.now += 100;
  const udp::Response miss = t.Ask(EdnsQuery("a.example"));
  EXPECT_EQ(miss.verdict, udp::Verdict::kMiss);
  EXPECT_TRUE(miss.answer.has_stale);
  ASSERT_EQ(t.Ask(EdnsQuery("a.example"), true, true).verdict, udp::Verdict::kReply);
  EXPECT_EQ(t.FirstTtl("a.example"), 30u);
  EXPECT_EQ(Load16(&t.answer[t.answer.size() - 2]), 3);  // EDE: Stale Answer
  t.now += 3600;
  EXPECT_EQ(t.Ask(EdnsQuery("a.example"), true, true).verdict, udp::Verdict::kMiss);
}

TEST(Failure, IsServedAsServfailWithEde13AndNeverDisplacesAUsableAnswer) {
  TestCache t;
  t.cache->SetStaleWindow(3600);
  const Buffer name = Name("a.example");
  ASSERT_EQ(t.cache->InsertFailure(
                {.folded_name = name, .type = 1, .variant = {}, .ttl_seconds = 5, .now = TicksFromSeconds(t.now)}),
            Status::kOk);
  ASSERT_TRUE(t.Hits(EdnsQuery("a.example")));
  EXPECT_EQ(t.Rcode(), 2);
  EXPECT_EQ(Load16(&t.answer[t.answer.size() - 2]), 13);
  ASSERT_EQ(t.Insert(AResponse("a.example", 60)), Status::kOk);
  ASSERT_TRUE(t.Hits(EdnsQuery("a.example")));
  EXPECT_EQ(t.Rcode(), 0);
  // Expired, and refreshing it fails: stale without asking again.
  t.now += 100;
  t.cache->InsertFailure(
      {.folded_name = name, .type = 1, .variant = {}, .ttl_seconds = 30, .now = TicksFromSeconds(t.now)});
  ASSERT_TRUE(t.Hits(EdnsQuery("a.example")));
  EXPECT_EQ(t.Rcode(), 0);
  EXPECT_EQ(Load16(&t.answer[t.answer.size() - 2]), 3);
  t.now += 30;
  EXPECT_FALSE(t.Hits(EdnsQuery("a.example")));
}

TEST(Failure, IsToldWithItsWords) {
  TestCache t;
  const std::string text(200, 'x');
  for (const std::string_view words : {std::string_view("why"), std::string_view(text)}) {
    t.cache->InsertFailure(
        {.folded_name = Name("a.example"), .type = 1, .error = {6, words}, .now = TicksFromSeconds(t.now)});
    ASSERT_TRUE(t.Hits(EdnsQuery("a.example")));
    const std::string_view told = words.substr(0, wire::kMaxErrorText);
    const uint8_t* const end = t.answer.data() + t.answer.size();
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(end) - told.size(), told.size()), told);
    EXPECT_EQ(Load16(end - told.size() - 2), 6);
    EXPECT_EQ(Load16(end - told.size() - 4), told.size() + 2);
  }
}

TEST(Insert, TypesAboveTheMetaTypesAreStoredAndThoseBetweenAreNot) {
  TestCache t;
  const auto response = [](uint16_t type) {
    return MessageBuilder(1, 0x8180)
        .Question("a.example", type)
        .Record(6, {0xC0, 0x0C}, type, 300, {0, 5, 'i', 's', 's', 'u', 'e', 'x'})
        .bytes();
  };
  EXPECT_EQ(t.Insert(response(257)), Status::kOk);  // CAA
  EXPECT_TRUE(t.Hits(Query("a.example", 257)));
  EXPECT_EQ(t.Insert(response(65280)), Status::kOk);  // for private use
  EXPECT_EQ(t.Insert(response(128)), Status::kUncacheable);
  EXPECT_EQ(t.Insert(response(254)), Status::kUncacheable);
}

TEST(Invalidate, ForgetsANameASubtreeATenantOrEverythingWithoutWalking) {
  TestCache t;
  const auto fill = [&] {
    for (const char* name : {"example", "a.example", "b.a.example", "other.test"}) {
      ASSERT_EQ(t.Insert(AResponse(name)), Status::kOk);
    }
    ASSERT_EQ(t.Insert(AResponse("a.example"), {.tenant = 9}), Status::kOk);
  };
  fill();
  t.cache->ForgetName(Name("a.example"));
  EXPECT_FALSE(t.Hits(Query("a.example")));
  EXPECT_TRUE(t.Hits(Query("b.a.example")));
  fill();
  EXPECT_TRUE(t.Hits(Query("a.example")));
  t.cache->ForgetSuffix(Name("a.example"));
  EXPECT_FALSE(t.Hits(Query("a.example")));
  EXPECT_FALSE(t.Hits(Query("b.a.example")));
  EXPECT_TRUE(t.Hits(Query("example")));
  fill();
  t.cache->ForgetTenant(9);
  EXPECT_NE(t.Ask(Query("a.example"), true, false, 9).verdict, udp::Verdict::kReply);
  EXPECT_TRUE(t.Hits(Query("a.example")));
  t.cache->ForgetAll();
  EXPECT_FALSE(t.Hits(Query("other.test")));
}

TEST(Invalidate, ForgettingManyNamesCostsTheOthersFewMisses) {
  TestCache t;  // 4 MiB: 2048 places for names
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(t.Insert(AResponse("n" + std::to_string(i) + ".example")), Status::kOk);
  for (int i = 0; i < 100; ++i) t.cache->ForgetName(Name("n" + std::to_string(i) + ".example"));
  int left = 0;
  for (int i = 0; i < 1000; ++i) left += t.Hits(Query("n" + std::to_string(i) + ".example"));
  EXPECT_LE(left, 900);
  EXPECT_GE(left, 900 - 900 * 100 / 2048 * 2);
}

TEST(Refresh, IsAskedOncePerEntryAndOnlyOfPopularOnes) {
  TestCache t;
  const uint32_t shares[4] = {0, 0, 13, 26};
  for (int i = 0; i < 4; ++i) t.cache->tunables().prefetch_share[i] = shares[i];
  ASSERT_EQ(t.Insert(AResponse("a.example", 100)), Status::kOk);
  ASSERT_EQ(t.Insert(AResponse("rare.example", 100)), Status::kOk);
  for (int i = 0; i < 4; ++i) EXPECT_FALSE(t.Ask(Query("a.example")).answer.refresh);
  t.now += 95;
  EXPECT_TRUE(t.Ask(Query("a.example")).answer.refresh);
  EXPECT_FALSE(t.Ask(Query("a.example")).answer.refresh);
  EXPECT_FALSE(t.Ask(Query("rare.example")).answer.refresh);
}

TEST(Refresh, MayBeAskedByTheHitThatMakesAnEntryMorePopular) {
  TestCache t;
  for (auto& share : t.cache->tunables().prefetch_share) share = 26;
  ASSERT_EQ(t.Insert(AResponse("a.example", 100)), Status::kOk);
  t.now += 95;
  EXPECT_TRUE(t.Ask(Query("a.example")).answer.refresh);
}

TEST(Refresh, MayBeAskedAgainWhenItHasFailed) {
  TestCache t;
  for (auto& share : t.cache->tunables().prefetch_share) share = 26;
  ASSERT_EQ(t.Insert(AResponse("a.example", 100)), Status::kOk);
  t.now += 95;
  ASSERT_TRUE(t.Ask(Query("a.example")).answer.refresh);
  ASSERT_FALSE(t.Ask(Query("a.example")).answer.refresh);
  t.cache->AllowRefresh(Name("a.example"), 1, {});
  EXPECT_TRUE(t.Ask(Query("a.example")).answer.refresh);
  EXPECT_FALSE(t.Ask(Query("a.example")).answer.refresh);
}

}  // namespace
}  // namespace shardns::test
