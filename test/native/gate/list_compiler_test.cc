// Lists as they are found in the wild, line by line and as a whole.
#include "gate/list_compiler.h"

#include <gtest/gtest.h>

#include "gate/list_model.h"

namespace shardns::test {
namespace {

using gate::ListAction;
using gate::ListCompiler;
using gate::ListFormat;
using gate::ListReport;
using gate::Lists;
using gate::ListSource;
using gate::NameKind;

constexpr gate::ListTiers kTiers = {0, 1, 2, 3};
const std::vector<uint8_t> kClient = {192, 0, 2, 1};

struct Compiled {
  std::unique_ptr<const Lists> lists;
  std::vector<ListReport> reports;
};
Compiled Compile(const std::vector<std::pair<ListSource, std::string>>& sources, size_t piece = SIZE_MAX) {
  ListCompiler compiler(1, {});
  Compiled compiled;
  for (const auto& [source, text] : sources) {
    compiler.Begin(source);
    for (size_t at = 0; at < text.size(); at += std::min(piece, text.size() - at)) {
      compiler.Feed({reinterpret_cast<const uint8_t*>(text.data()) + at, std::min(piece, text.size() - at)});
    }
    compiled.reports.push_back(compiler.End());
  }
  EXPECT_EQ(compiler.full(), ListCompiler::Full::kNo);
  compiled.lists = std::move(compiler).Build();
  return compiled;
}
ListSource Source(ListFormat format, uint8_t list = 0) {
  return {.format = format, .list = list, .tiers = format == ListFormat::kZone ? gate::ListTiers{4, 4, 4, 4} : kTiers};
}

constexpr const char* kActions[] = {"pass", "nxdomain", "nodata", "zero", "refuse", "drop", "truncate", "data"};
std::string Show(const Lists& lists, const std::optional<gate::NameMatch>& match) {
  if (!match) return "-";
  std::string text = kActions[static_cast<size_t>(match->policy.action)];
  if (match->policy.action == ListAction::kData) text += " " + lists.data()[match->policy.data];
  return text + " " + std::to_string(match->line);
}
std::string Ask(const Compiled& compiled, const std::string& name, uint64_t lists = UINT64_MAX) {
  return Show(*compiled.lists, compiled.lists->Find(WireName(name), kClient, lists));
}

TEST(HostsList, BlocksItsNamesExactlyAndAnswersOwnAddresses) {
  const Compiled hosts = Compile({{Source(ListFormat::kHosts),
                                   "\xEF\xBB\xBF# comment\r\n"
                                   "127.0.0.1 localhost\r\n"
                                   "::1 ip6-localhost ip6-loopback\n"
                                   "0.0.0.0 0.0.0.0\n"
                                   "0.0.0.0 a.example B.example # and why\r\n"
                                   "\t::\tc.example.\n"
                                   "192.0.2.7 nas.example\n"
                                   "2001:db8::7 nas.example\n"
                                   "plain.example\n"
                                   "0.0.0.0 bad..example good.example\n"
                                   "0.0.0.0\n"
                                   "two names.example\n"
                                   "fe80::1%lo0 localhost\n"
                                   "127.0.0.1 last.example"}});
  EXPECT_EQ(Ask(hosts, "a.example"), "nxdomain 5");
  EXPECT_EQ(Ask(hosts, "b.example"), "nxdomain 5");
  EXPECT_EQ(Ask(hosts, "x.a.example"), "-");
  EXPECT_EQ(Ask(hosts, "c.example"), "nxdomain 6");
  EXPECT_EQ(Ask(hosts, "nas.example"), "data A 192.0.2.7\nAAAA 2001:db8::7 7");
  EXPECT_EQ(Ask(hosts, "plain.example"), "nxdomain 9");
  EXPECT_EQ(Ask(hosts, "good.example"), "-") << "a line is taken whole or not at all";
  EXPECT_EQ(Ask(hosts, "last.example"), "nxdomain 14");
  EXPECT_EQ(Ask(hosts, "localhost"), "-");
  EXPECT_EQ(hosts.reports[0].lines, 14u);
  EXPECT_EQ(hosts.reports[0].broken, 3u);
  ASSERT_EQ(hosts.reports[0].problems.size(), 3u);
  EXPECT_EQ(hosts.reports[0].problems[0].line, 10u);
  EXPECT_EQ(hosts.reports[0].problems[2].text, "two names.example");
}

TEST(DomainsList, BareNamesAndWildcardsAreAboutWhatTheSourceSays) {
  const std::string text = "a.example\n*.b.example\n.c.example\n192.0.2.1\nx/y.example\nfoo.123\n";
  const Compiled wide = Compile({{Source(ListFormat::kDomains), text}});
  EXPECT_EQ(Ask(wide, "x.a.example"), "nxdomain 1");
  EXPECT_EQ(Ask(wide, "b.example"), "nxdomain 2");
  EXPECT_EQ(Ask(wide, "x.c.example"), "nxdomain 3");
  EXPECT_EQ(wide.reports[0].broken, 3u);
  ListSource strict = Source(ListFormat::kDomains);
  strict.plain = NameKind::kExact;
  strict.wildcard = NameKind::kBelow;
  strict.block = ListAction::kZero;
  const Compiled narrow = Compile({{strict, text}});
  EXPECT_EQ(Ask(narrow, "a.example"), "zero 1");
  EXPECT_EQ(Ask(narrow, "x.a.example"), "-");
  EXPECT_EQ(Ask(narrow, "b.example"), "-");
  EXPECT_EQ(Ask(narrow, "x.b.example"), "zero 2");
}

TEST(DomainsList, AListOfWhatIsAllowedBeatsWhatOtherListsBlock) {
  ListSource allow = Source(ListFormat::kDomains, 1);
  allow.allows = true;
  const Compiled both = Compile({{Source(ListFormat::kDomains, 0), "example\n"}, {allow, "good.example\n"}});
  EXPECT_EQ(Ask(both, "x.example"), "nxdomain 1");
  EXPECT_EQ(Ask(both, "x.good.example"), "pass 1");
  EXPECT_EQ(Ask(both, "x.good.example", 0b01), "nxdomain 1");
}

TEST(AdblockList, RulesAreReadAsAdGuardReadsThemForDns) {
  const Compiled list = Compile({{Source(ListFormat::kAdblock),
                                  "[Adblock Plus 2.0]\n"               // 1
                                  "! Title: x\n"                       // 2
                                  "||a.example^\n"                     // 3
                                  "@@||good.a.example^\n"              // 4
                                  "||bad.good.a.example^$important\n"  // 5
                                  "@@||fine.bad.good.a.example^$important\n"
                                  "||gone.example^\n"            // 7
                                  "||gone.example^$badfilter\n"  // 8
                                  "0.0.0.0 host.example\n"       // 9
                                  "plain.example\n"              // 10
                                  "||*.below.example^\n"         // 11
                                  "|exact.example^|\n"           // 12
                                  "||own.example^$dnsrewrite=192.0.2.9\n"
                                  "||alias.example^$dnsrewrite=NOERROR;CNAME;other.example\n"
                                  "||none.example^$dnsrewrite=NXDOMAIN;;\n"
                                  "||empty.example^$dnsrewrite=NOERROR;;\n"
                                  "# a comment\n"
                                  "||open.example\n"}});
  EXPECT_EQ(Ask(list, "x.a.example"), "nxdomain 3");
  EXPECT_EQ(Ask(list, "x.good.a.example"), "pass 4");
  EXPECT_EQ(Ask(list, "bad.good.a.example"), "nxdomain 5");
  EXPECT_EQ(Ask(list, "fine.bad.good.a.example"), "pass 6");
  EXPECT_EQ(Ask(list, "gone.example"), "-");
  EXPECT_EQ(Ask(list, "host.example"), "nxdomain 9");
  EXPECT_EQ(Ask(list, "plain.example"), "nxdomain 10");
  EXPECT_EQ(Ask(list, "x.plain.example"), "-");
  EXPECT_EQ(Ask(list, "below.example"), "-");
  EXPECT_EQ(Ask(list, "x.below.example"), "nxdomain 11");
  EXPECT_EQ(Ask(list, "exact.example"), "nxdomain 12");
  EXPECT_EQ(Ask(list, "x.exact.example"), "-");
  EXPECT_EQ(Ask(list, "x.own.example"), "data A 192.0.2.9 13");
  EXPECT_EQ(Ask(list, "alias.example"), "data CNAME other.example. 14");
  EXPECT_EQ(Ask(list, "none.example"), "nxdomain 15");
  EXPECT_EQ(Ask(list, "empty.example"), "nodata 16");
  EXPECT_EQ(Ask(list, "x.open.example"), "nxdomain 18");
  EXPECT_EQ(list.reports[0].broken + list.reports[0].unsupported, 0u);
}

TEST(AdblockList, WhatIsNotAboutNamesAloneIsCountedAndBlocksNothing) {
  const char* const kRules[] = {"||a.example/ads^",
                                "/ads[0-9]+/",
                                "a.example##.banner",
                                "##.banner",
                                "a.example#@#.banner",
                                "||a.example^$third-party",
                                "||a.example^$dnstype=AAAA",
                                "||a.example^$client=192.0.2.1",
                                "||a.example^$denyallow=b",
                                "||a*.example^",
                                "||a.",
                                "||192.0.2.1^",
                                "|https://a.example^",
                                "-ads.a.example|",
                                "||a.example^$ctag=x,important"};
  for (const char* rule : kRules) {
    const Compiled list = Compile({{Source(ListFormat::kAdblock), rule}});
    EXPECT_EQ(list.reports[0].unsupported, 1u) << rule;
    EXPECT_EQ(list.lists->names(), 0u) << rule;
  }
}

TEST(ForeignNames, AreReadAgainWithALabelsAndAreBrokenIfTheyStayForeign) {
  ListCompiler compiler(1, {});
  compiler.Begin(Source(ListFormat::kAdblock));
  const std::string text =
      "||b\xC3\xBC"
      "cher.example^\n! \xC3\xBC\na.example##\xC3\xBC\n||\xC3\xBC.example^\n";
  compiler.Feed({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  const auto foreign = compiler.Foreign();
  ASSERT_EQ(foreign.size(), 2u);
  EXPECT_EQ(foreign[0].line, 1u);
  compiler.FeedLine(1, "||xn--bcher-kva.example^");
  compiler.FeedLine(4, foreign[1].text);
  const ListReport report = compiler.End();
  EXPECT_EQ(report.rules, 1u);
  EXPECT_EQ(report.broken, 1u);
  const auto lists = std::move(compiler).Build();
  EXPECT_EQ(Show(*lists, lists->Find(WireName("x.xn--bcher-kva.example"), kClient, 1)), "nxdomain 1");
}

const std::string kZone = R"($TTL 300
$ORIGIN rpz.example.
@ IN SOA localhost. root.localhost. ( 1 ; serial
    3600 600 86400 60 )
  IN NS localhost.
nx.test CNAME .
*.nx.test 60 IN CNAME .
nodata.test IN 60 CNAME *.
pass.test CNAME rpz-passthru.
old.test CNAME old.test.
drop.test CNAME rpz-drop.
tcp.test CNAME rpz-tcp-only.
odd.test CNAME rpz-unknown.
walled.test CNAME garden.net.
*.wild.test CNAME *.garden.net.
data.test A 192.0.2.1
          AAAA 2001:db8::1
          TXT "a ; b" ( "c" )
full.test.rpz.example. CNAME .
outside.example. CNAME .
data.test DNAME x.
32.1.2.0.192.rpz-client-ip CNAME rpz-drop.
24.0.2.0.192.rpz-client-ip CNAME rpz-passthru.
24.1.2.0.192.rpz-ip CNAME .
24.0.3.0.192.rpz-ip A 192.0.2.9
48.zz.2.db8.2001.rpz-nsip CNAME .
ns.bad.test.rpz-nsdname CNAME .
esc\.aped.te\115t CNAME .
bad\300.test CNAME .
data.test A nonsense
)";

TEST(PolicyZone, HasAllTriggersAndAllActions) {
  const Compiled zone = Compile({{Source(ListFormat::kZone), kZone}});
  const std::vector<uint8_t> other = {198, 51, 100, 1};
  const auto ask = [&](const std::string& name) {
    return Show(*zone.lists, zone.lists->Find(WireName(name), other, 1));
  };
  EXPECT_EQ(ask("nx.test"), "nxdomain 6");
  EXPECT_EQ(ask("x.y.nx.test"), "nxdomain 7");
  EXPECT_EQ(ask("nodata.test"), "nodata 8");
  EXPECT_EQ(ask("x.nodata.test"), "-");
  EXPECT_EQ(ask("pass.test"), "pass 9");
  EXPECT_EQ(ask("old.test"), "pass 10");
  EXPECT_EQ(ask("drop.test"), "drop 11");
  EXPECT_EQ(ask("tcp.test"), "truncate 12");
  EXPECT_EQ(ask("odd.test"), "-");
  EXPECT_EQ(ask("walled.test"), "data 300 CNAME garden.net. 14");
  EXPECT_EQ(ask("x.wild.test"), "data 300 CNAME *.garden.net. 15");
  EXPECT_EQ(ask("data.test"), "data 300 A 192.0.2.1\n300 AAAA 2001:db8::1\n300 TXT \"a ; b\"   \"c\" 16");
  EXPECT_EQ(ask("full.test"), "nxdomain 19");
  EXPECT_EQ(ask("outside.example"), "-");
  EXPECT_TRUE(zone.lists->Find(
      std::vector<uint8_t>{8, 'e', 's', 'c', '.', 'a', 'p', 'e', 'd', 4, 't', 'e', 's', 't', 0}, other, 1));
  EXPECT_EQ(zone.reports[0].broken, 4u) << "outside, an escape of no octet, and an address that is none; a prefix";
  EXPECT_EQ(zone.reports[0].unsupported, 2u);
  const auto address = [&](gate::Trigger trigger, const std::vector<uint8_t>& octets) {
    return Show(*zone.lists, zone.lists->FindAddress(trigger, octets, 1));
  };
  EXPECT_EQ(Ask(zone, "pass.test"), "drop 22") << "by whoever asks, before what is asked";
  EXPECT_EQ(address(gate::Trigger::kClientAddress, {192, 0, 2, 2}), "pass 23");
  EXPECT_EQ(address(gate::Trigger::kAnswerAddress, {192, 0, 3, 77}), "data 300 A 192.0.2.9 25");
  EXPECT_EQ(address(gate::Trigger::kServerAddress, {0x20, 1, 0xd, 0xb8, 0, 2, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9}),
            "nxdomain 26");
  const auto server = WireName("ns.bad.test");
  const Bytes names[] = {server};
  EXPECT_TRUE(zone.lists->NoteServers(WireName("served.test"), names, {}));
  const auto served = zone.lists->FindServed(WireName("a.served.test"), 1);
  EXPECT_EQ(Show(*zone.lists, served ? std::optional(served->match) : std::nullopt), "nxdomain 27");
  EXPECT_EQ(address(gate::Trigger::kServerAddress, {192, 0, 2, 1}), "-");
}

TEST(PolicyZone, NamesInRecordsOfAnAnswerAreBelowTheOriginWhereNoDotEndsThem) {
  const Compiled zone = Compile({{Source(ListFormat::kZone),
                                  "$ORIGIN rpz.\n@ SOA a. b. 1 2 3 4 5\n"
                                  "a.test CNAME b.test\nm.test MX 10 mail\nm.test 30 MX 20 mail.example.\n"
                                  "$ORIGIN deep.test.rpz.\nx PTR @\n"}});
  EXPECT_EQ(Ask(zone, "a.test"), "data CNAME b.test.rpz. 3");
  EXPECT_EQ(Ask(zone, "m.test"), "data 30 MX 20 mail.example.\nMX 10 mail.rpz. 4");
  EXPECT_EQ(Ask(zone, "x.deep.test"), "data PTR deep.test.rpz. 7");
}

TEST(PolicyZone, AWildcardHoldsForNamesOfWhichNoLongerPartExists) {
  const Compiled zone = Compile({{Source(ListFormat::kZone),
                                  "@ SOA a. b. 1 2 3 4 5\n*.w CNAME .\nkept.w CNAME rpz-passthru.\nnx.w CNAME .\n"
                                  "a.q.w CNAME rpz-drop.\n*.u.w CNAME *.\nother A 192.0.2.1\n"}});
  EXPECT_EQ(Ask(zone, "w"), "-");
  EXPECT_EQ(Ask(zone, "x.y.w"), "nxdomain 2");
  EXPECT_EQ(Ask(zone, "kept.w"), "pass 3");
  EXPECT_EQ(Ask(zone, "x.kept.w"), "-");
  EXPECT_EQ(Ask(zone, "x.nx.w"), "-") << "though both rules say the same";
  EXPECT_EQ(Ask(zone, "a.q.w"), "drop 5");
  EXPECT_EQ(Ask(zone, "q.w"), "-") << "an empty non-terminal exists";
  EXPECT_EQ(Ask(zone, "x.q.w"), "-");
  EXPECT_EQ(Ask(zone, "x.a.q.w"), "-");
  EXPECT_EQ(Ask(zone, "u.w"), "-");
  EXPECT_EQ(Ask(zone, "x.u.w"), "nodata 6");
  // What one zone has is no end to another's wildcards.
  const Compiled two = Compile({{Source(ListFormat::kZone, 0), "@ SOA a. b. 1 2 3 4 5\na.b.w CNAME rpz-drop.\n"},
                                {Source(ListFormat::kZone, 1), "@ SOA a. b. 1 2 3 4 5\n*.w CNAME .\n"}});
  EXPECT_EQ(Ask(two, "x.b.w"), "nxdomain 2");
}

TEST(PolicyZone, OfTwoZonesTheFirstThatMatchesEndsIt) {
  ListSource first = Source(ListFormat::kZone, 0), second = Source(ListFormat::kZone, 1);
  first.tiers = {4, 4, 4, 4};
  second.tiers = {5, 5, 5, 5};
  const std::string soa = "@ SOA a. b. 1 2 3 4 5\n";
  const Compiled zones = Compile({{second, soa + "a.b.test CNAME .\n"}, {first, soa + "*.test CNAME rpz-passthru.\n"}});
  EXPECT_EQ(Ask(zones, "a.b.test"), "pass 2");
  EXPECT_EQ(Ask(zones, "a.b.test", 0b10), "nxdomain 2");
  first.instead = ListAction::kRefuse;
  const Compiled over = Compile({{first, soa + "a.test CNAME .\nb.test CNAME rpz-passthru.\nc.test A 192.0.2.1\n"}});
  EXPECT_EQ(Ask(over, "a.test"), "refuse 2");
  EXPECT_EQ(Ask(over, "b.test"), "pass 3");
  EXPECT_EQ(Ask(over, "c.test"), "refuse 4");
}

TEST(PolicyZone, PrefixesAreReadBackwards) {
  const auto read = [](const std::string& text) -> std::string {
    gate::Prefix prefix;
    if (!gate::ReadReversedPrefix(text, &prefix)) return "-";
    std::string octets = std::to_string(prefix.length) + ":";
    for (int i = 0; i < (prefix.v6 ? 16 : 4); ++i) octets += (i == 0 ? "" : ",") + std::to_string(prefix.address[i]);
    return octets;
  };
  EXPECT_EQ(read("24.0.2.0.192"), "24:192,0,2,0");
  EXPECT_EQ(read("32.1.2.0.192"), "32:192,0,2,1");
  EXPECT_EQ(read("24.1.2.0.192"), "-") << "bits behind the prefix";
  EXPECT_EQ(read("33.1.2.0.192"), "-");
  EXPECT_EQ(read("24.0.2.192"), "-");
  EXPECT_EQ(read("128.57.zz.101.db8.2001"), "128:32,1,13,184,1,1,0,0,0,0,0,0,0,0,0,87");
  EXPECT_EQ(read("48.zz.2.db8.2001"), "48:32,1,13,184,0,2,0,0,0,0,0,0,0,0,0,0");
  EXPECT_EQ(read("128.1.zz"), "128:0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1");
  EXPECT_EQ(read("128.8.7.6.5.4.3.2.1"), "128:0,1,0,2,0,3,0,4,0,5,0,6,0,7,0,8");
  EXPECT_EQ(read("0.zz"), "0:0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0");
  EXPECT_EQ(read("128.1.zz.zz.1"), "-");
  EXPECT_EQ(read("128.1.2.3"), "-");
  EXPECT_EQ(read("x.1.2.3.4"), "-");
  EXPECT_EQ(read(".1"), "-");
  EXPECT_EQ(read("8..0.0.10"), "-");
}

TEST(ListCompiler, PiecesOfAnySizeGiveTheSame) {
  const std::string text = "||a.example^\n0.0.0.0 b.example\r\n! x\n@@||c.a.example^";
  for (size_t piece = 1; piece < text.size(); ++piece) {
    const Compiled list = Compile({{Source(ListFormat::kAdblock), text}, {Source(ListFormat::kZone, 1), kZone}}, piece);
    EXPECT_EQ(Ask(list, "a.example", 1), "nxdomain 1");
    EXPECT_EQ(Ask(list, "b.example", 1), "nxdomain 2");
    EXPECT_EQ(Ask(list, "c.a.example", 1), "pass 4");
    EXPECT_EQ(list.reports[0].lines, 4u);
    EXPECT_EQ(list.reports[1].broken, 4u);
  }
}

TEST(ListCompiler, LinesThatAreTooLongAreOneBrokenLineEach) {
  const std::string text = std::string(100'000, 'x') + "\na.example\n" + std::string(5000, 'y');
  for (const size_t piece : {size_t{1000}, SIZE_MAX}) {
    const Compiled list = Compile({{Source(ListFormat::kDomains), text}}, piece);
    EXPECT_EQ(list.reports[0].broken, 2u);
    EXPECT_EQ(list.reports[0].lines, 3u);
    EXPECT_EQ(Ask(list, "a.example"), "nxdomain 2");
    EXPECT_LE(list.reports[0].problems[0].text.size(), ListReport::kMaxProblemText);
  }
}

TEST(ListCompiler, ABoundThatIsReachedIsToldAndEndsIt) {
  const std::string text = "a.example\nb.example\nc.example\n";
  const Bytes octets(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  ListCompiler names(1, {.max_octets = 1000, .max_names = 2});
  names.Begin(Source(ListFormat::kDomains));
  names.Feed(octets);
  EXPECT_EQ(names.full(), ListCompiler::Full::kRules);
  ListCompiler few(1, {.max_octets = 20, .max_names = 10});
  few.Begin(Source(ListFormat::kDomains));
  few.Feed(octets);
  EXPECT_EQ(few.full(), ListCompiler::Full::kOctets);
  few.Feed(octets);
  EXPECT_EQ(few.rules(), 0u);
}

TEST(ListCompiler, OfManyProblemsTheFirstAreTold) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "bad..name\n";
  const Compiled list = Compile({{Source(ListFormat::kDomains), text}});
  EXPECT_EQ(list.reports[0].broken, 1000u);
  EXPECT_EQ(list.reports[0].problems.size(), ListReport::kMaxProblems);
  EXPECT_EQ(list.reports[0].problems.back().line, 16u);
}

}  // namespace
}  // namespace shardns::test
