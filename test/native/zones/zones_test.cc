#include "zones/zones.h"

#include <gtest/gtest.h>

#include <thread>

#include "zones/packed_zone.h"

namespace shardns::test {
namespace {

using zones::Told;
namespace type = wire::type;

const Octets kApex = NameOf("example");
const Octets kAddress = {192, 0, 2, 1};

class ZonesTest : public testing::Test {
 protected:
  std::shared_ptr<const zones::ZoneView> ViewOf(PackedZone& zone, PackedZone* changes = nullptr,
                                                const Octets& apex = kApex) {
    zones::ZoneArrays arrays{.base = zone.Pack(), .changes = {}};
    if (changes != nullptr) arrays.changes = changes->Pack();
    return zones::ZoneView::Create(apex, arrays, kNamesKey, nullptr);
  }
  zones::Reply Ask(const zones::ZoneView& view, std::string_view name, uint16_t qtype = type::kA) {
    wire::Query query;
    const Octets question = NameOf(name);
    message_ = AskFor(question, qtype, &query);
    return view.Answer(query, question, out_);
  }
  size_t Count(size_t section) const { return Load16(out_.data() + 6 + 2 * section); }

  Octets message_;
  Octets out_ = Octets(2048);
};

TEST_F(ZonesTest, HashIsTheOneOfJavaScript) {
  // hashUnder([0x01234567, 0x89abcdef]) of lib/base/keyed-hash.ts.
  const Octets octets = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  EXPECT_EQ(HalfSipHash(kNamesKey, octets.data(), 0), 2197268204u);
  EXPECT_EQ(HalfSipHash(kNamesKey, octets.data(), 3), 1851907831u);
  EXPECT_EQ(HalfSipHash(kNamesKey, octets.data(), 4), 2686062208u);
  EXPECT_EQ(HalfSipHash(kNamesKey, octets.data(), 9), 1205894458u);
}

TEST_F(ZonesTest, NameInNoZoneIsDenied) {
  PackedZone zone;
  zone.Soa(kApex);
  const auto view = ViewOf(zone);
  ASSERT_NE(view, nullptr);
  const zones::Reply reply = Ask(*view, "a.b.example");
  EXPECT_EQ(reply.told, Told::kDenied);
  EXPECT_EQ(wire::Flags(out_.data()) & wire::flag::kRcode, wire::rcode::kNxDomain);
  EXPECT_EQ(Count(0), 0u);
  EXPECT_EQ(Count(1), 1u);
  EXPECT_EQ(Ask(*view, "example").told, Told::kNothing);
}

TEST_F(ZonesTest, WildcardOfTheClosestEncloser) {
  PackedZone zone;
  zone.Soa(kApex).Add("*", type::kA, kAddress).Add("a", type::kA, kAddress);
  const auto view = ViewOf(zone);
  EXPECT_EQ(Ask(*view, "x.y.example").told, Told::kWildcard);
  EXPECT_EQ(Count(0), 1u);
  EXPECT_EQ(Ask(*view, "x.y.example", type::kAaaa).told, Told::kWildcard);
  EXPECT_EQ(Count(0), 0u);
  EXPECT_EQ(Ask(*view, "x.a.example").told, Told::kDenied);
  EXPECT_EQ(Ask(*view, "a.example").told, Told::kNothing);
}

TEST_F(ZonesTest, ReferralWithAddressesOfItsServers) {
  PackedZone zone;
  zone.Soa(kApex).Add("sub", type::kNs, NameOf("ns.sub.example")).Add("ns.sub", type::kA, kAddress);
  const auto view = ViewOf(zone);
  EXPECT_EQ(Ask(*view, "a.sub.example").told, Told::kReferred);
  EXPECT_EQ(Count(1), 1u);
  EXPECT_EQ(Count(2), 1u);
  EXPECT_EQ(wire::Flags(out_.data()) & wire::flag::kAa, 0);
  EXPECT_EQ(Ask(*view, "sub.example", type::kDs).told, Told::kNothing);
}

TEST_F(ZonesTest, ChangesLaidOverAZoneCount) {
  PackedZone zone, changes;
  zone.Soa(kApex).Add("a", type::kA, kAddress).Add("b.c", type::kA, kAddress);
  changes.Mark("", zones::node_flag::kUnsaid).Mark("a", zones::node_flag::kDeleted).Add("new", type::kA, kAddress);
  const auto view = ViewOf(zone, &changes);
  EXPECT_EQ(Ask(*view, "a.example").told, Told::kDenied);
  EXPECT_EQ(Ask(*view, "new.example").told, Told::kNothing);
  EXPECT_EQ(Ask(*view, "c.example").told, Told::kNothing);
}

TEST_F(ZonesTest, WhatHasNoRoomIsLeftToOthers) {
  PackedZone zone;
  zone.Soa(kApex).Add("*", type::kA, Octets(3000));
  const auto view = ViewOf(zone);
  EXPECT_EQ(Ask(*view, "x.example").told, Told::kNothing);
}

TEST_F(ZonesTest, ArraysThatAreNotWholeAreRefused) {
  PackedZone zone;
  zone.Soa(kApex);
  zones::ZoneArrays arrays{.base = zone.Pack(), .changes = {}};
  arrays.base.slots = arrays.base.slots.first(3);
  EXPECT_EQ(zones::ZoneView::Create(kApex, arrays, kNamesKey, nullptr), nullptr);
  arrays.base = zone.Pack();
  arrays.base.name_at = arrays.base.name_at.first(1);
  EXPECT_EQ(zones::ZoneView::Create(kApex, arrays, kNamesKey, nullptr), nullptr);
  PackedZone without_soa;
  without_soa.Add("a", type::kA, kAddress);
  EXPECT_EQ(ViewOf(without_soa), nullptr);
}

TEST_F(ZonesTest, LongestApexHasTheSay) {
  PackedZone outer, inner;
  const Octets below = NameOf("sub.example");
  outer.Soa(kApex).Add("*", type::kA, kAddress);
  inner.Soa(below);
  zones::Zones set(1);
  zones::Zones::Reader reader(set.published());
  const auto told = [&](std::string_view name) {
    wire::Query query;
    const Octets message = AskFor(NameOf(name), type::kA, &query);
    const auto held = reader.Take();
    return held ? held->Answer(query, 0, out_).told : Told::kNothing;
  };
  EXPECT_EQ(told("x.example"), Told::kNothing);
  ASSERT_TRUE(set.Put(kApex, ViewOf(outer), 1));
  ASSERT_TRUE(set.Put(below, ViewOf(inner, nullptr, below), 1));
  EXPECT_EQ(told("x.example"), Told::kWildcard);
  EXPECT_EQ(told("x.sub.example"), Told::kDenied);
  ASSERT_TRUE(set.Put(below, nullptr, 0));
  EXPECT_EQ(told("x.sub.example"), Told::kNothing);
  set.Remove(below);
  EXPECT_EQ(told("x.sub.example"), Told::kWildcard);
  EXPECT_EQ(set.count(), 1u);
}

TEST_F(ZonesTest, VersionsThatWereReplacedAreGivenBack) {
  PackedZone zone;
  zone.Soa(kApex);
  zones::Zones set(1);
  std::weak_ptr<int> last;
  for (int i = 0; i < 1000; ++i) {
    auto owner = std::make_shared<int>(i);
    if (i == 0) last = owner;
    ASSERT_TRUE(
        set.Put(kApex, zones::ZoneView::Create(kApex, {.base = zone.Pack(), .changes = {}}, kNamesKey, owner), 1));
    EXPECT_TRUE(i < 200 || last.expired());
  }
  // A large one does not wait for others.
  auto owner = std::make_shared<int>(0);
  last = owner;
  const auto large = zones::ZoneView::Create(kApex, {.base = zone.Pack(), .changes = {}}, kNamesKey, owner);
  owner.reset();
  ASSERT_TRUE(set.Put(kApex, large, zones::Zones::kMostReplaced + 1));
  EXPECT_EQ(set.sets(), 1u);
}

// For the thread sanitizer: readers answer while zones come, change and go.
TEST_F(ZonesTest, ReadersAnswerWhileZonesChange) {
  PackedZone one, other;
  one.Soa(kApex).Add("*", type::kA, kAddress);
  other.Soa(kApex);
  const auto first = ViewOf(one), second = ViewOf(other);
  zones::Zones set(1);
  ASSERT_TRUE(set.Put(kApex, first, 1));
  std::atomic<bool> over{false};
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      zones::Zones::Reader reader(set.published());
      Octets out(1024);
      wire::Query query;
      const Octets message = AskFor(NameOf("x.example"), type::kA, &query);
      while (!over) {
        const auto held = reader.Take();
        const Told told = held->Answer(query, 0, out).told;
        EXPECT_TRUE(told == Told::kWildcard || told == Told::kDenied);
      }
    });
  }
  for (uint32_t i = 0; i < 3000; ++i) {
    ASSERT_TRUE(set.Put(kApex, i % 2 == 0 ? second : first, 1));
    const Octets name = NameOf("z" + std::to_string(i % 100));
    ASSERT_TRUE(set.Put(name, nullptr, 0));
    if (i % 3 == 0) set.Remove(name);
  }
  over = true;
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace shardns::test
