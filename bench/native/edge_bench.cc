// What policy before hits costs: rate limits, cookies, names looked for in lists, and compiling a list. Writes JSON; ns
// are of CPU time, the median over the rounds and the least.
//
//   edge_bench [rounds] [judgements] [largest list]
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <random>
#include <string>

#include "gate/edge.h"
#include "gate/list_compiler.h"
#include "gate/rate_table.h"

namespace shardns::bench {
namespace {

using namespace gate;

double CpuNs() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

size_t rounds = 21, judgements = 200'000;
bool first = true;
uint64_t sink = 0;

template <typename Step>
void Measure(const std::string& name, Step&& step) {
  std::vector<double> ns;
  for (size_t round = 0; round < rounds; ++round) {
    const double from = CpuNs();
    for (size_t i = 0; i < judgements; ++i) sink += step(round * judgements + i);
    ns.push_back((CpuNs() - from) / static_cast<double>(judgements));
  }
  std::sort(ns.begin(), ns.end());
  std::printf("%s\n    {\"case\": \"%s\", \"ns\": %.1f, \"least_ns\": %.1f}", first ? "" : ",", name.c_str(),
              ns[ns.size() / 2], ns.front());
  std::fflush(stdout);
  first = false;
}

void Rates() {
  const auto limit = [](uint8_t v4, uint32_t times) {
    return RateLimit{.v4_bits = v4, .v6_bits = 64, .per_second_thousandths = 20'000 * times, .burst = 50 * times};
  };
  const RateClass sets[] = {{.limits = {limit(32, 1)}},
                            {.limits = {limit(32, 1), limit(24, 32)}},
                            {.limits = {limit(32, 1), limit(24, 32), limit(20, 256), limit(18, 768)}}};
  const RateClasses classes(sets);
  std::mt19937 random(1);
  for (const uint32_t clients : {1000u, 1'000'000u}) {
    std::vector<ClientAddress> addresses(clients);
    for (ClientAddress& one : addresses) {
      uint8_t octets[4];
      Store32(octets, static_cast<uint32_t>(random()));
      one = ClientAddress::Of(Bytes(octets, 4));
    }
    for (uint32_t set = 0; set < 3; ++set) {
      RateTable table(524'288, ExpandSeed(1));
      uint32_t turn = 0;
      uint64_t now = 1'000'000;
      Measure(
          "rate, " + std::to_string(sets[set].limits.size()) + " prefixes, " + std::to_string(clients) + " clients",
          [&](size_t i) {
            now += (i & 3) == 0;
            return static_cast<uint64_t>(
                table
                    .Judge(classes, {.client = addresses[i % clients], .rate_class = set, .now_us = now, .turn = &turn})
                    .over);
          });
    }
  }
}

void Cookies() {
  const SipKey secrets[3] = {{.octets = {1}}, {.octets = {2}}, {.octets = {3}}};
  const uint8_t v4[4] = {192, 0, 2, 1}, v6[16] = {0x20, 1, 0xd, 0xb8, 1};
  uint8_t cookie[kFullCookieSize] = {1, 2, 3};
  for (const size_t count : {1u, 3u}) {
    const ServerCookies cookies({secrets, count});
    for (const Bytes address : {Bytes(v4), Bytes(v6)}) {
      const std::string of = (address.size() == 4 ? "IPv4, " : "IPv6, ") + std::to_string(count) + " secrets";
      cookies.Make(cookie, address, 1000, cookie);
      Measure("cookie check, " + of,
              [&](size_t i) { return static_cast<uint64_t>(cookies.Check(cookie, address, 1000 + (i & 1023))); });
      if (count == 1) {
        Measure("cookie make, " + of, [&](size_t i) {
          uint8_t made[kFullCookieSize];
          cookies.Make(cookie, address, static_cast<uint32_t>(i), made);
          return uint64_t{made[20]};
        });
      }
    }
  }
}

// As blocked names are: two to four labels, some under shared parents; 19 octets in wire form on average.
std::string NameText(std::mt19937_64& random) {
  const auto letters = [&](size_t least, size_t spread) {
    std::string text;
    for (size_t n = least + random() % spread; n > 0; --n) {
      text += "abcdefghijklmnopqrstuvwxyz0123456789"[random() % (text.empty() ? 26 : 36)];
    }
    return text;
  };
  constexpr const char* kEnds[] = {"com", "net", "org", "info", "co.uk", "de"};
  std::string text = random() % 2 == 0 ? letters(2, 5) + "." : "";
  text += letters(6, 9);
  return text + "." + kEnds[random() % 6];
}

void Names(size_t count) {
  std::mt19937_64 random(count);
  std::vector<WireName> listed(count), others(std::min<size_t>(count, 1'000'000));
  std::string hosts;
  size_t octets = 0;
  for (WireName& name : listed) {
    const std::string text = NameText(random);
    SHARDNS_CHECK(ReadHostName(text, &name) == gate::NameText::kName);
    hosts += "0.0.0.0 " + text + "\n";
    octets += name.size;
  }
  for (WireName& name : others) ReadHostName(NameText(random), &name);
  std::unique_ptr<const NameList> list;
  std::shared_ptr<const Lists> lists;
  std::vector<double> builds, compiles;
  for (int round = 0; round < 3; ++round) {
    list.reset();
    lists.reset();
    double from = CpuNs();
    NameListBuilder builder(7);
    const uint16_t policy = *builder.PolicyOf({.list = 0, .tier = 3, .action = ListAction::kNxDomain});
    for (const WireName& name : listed) {
      SHARDNS_CHECK(builder.Add({.name = name.bytes(), .kind = NameKind::kSubtree, .policy = policy, .line = 1}));
    }
    list = std::move(builder).Build();
    builds.push_back((CpuNs() - from) / 1e6);
    from = CpuNs();
    ListCompiler compiler(7, {});
    compiler.Begin({.format = ListFormat::kHosts, .list = 0, .tiers = {0, 1, 2, 3}});
    for (size_t at = 0; at < hosts.size(); at += 1 << 18) {
      compiler.Feed(
          {reinterpret_cast<const uint8_t*>(hosts.data()) + at, std::min<size_t>(1 << 18, hosts.size() - at)});
    }
    SHARDNS_CHECK(compiler.End().broken == 0);
    lists = std::move(compiler).Build();
    compiles.push_back((CpuNs() - from) / 1e6);
    sink += lists->names();
  }
  std::sort(builds.begin(), builds.end());
  std::sort(compiles.begin(), compiles.end());
  const std::string of = std::to_string(count) + " names";
  std::printf(
      "%s\n    {\"case\": \"%s\", \"build_ms\": %.0f, \"compile_hosts_ms\": %.0f, \"names\": %zu, \"octets_a_name\": "
      "%.1f, "
      "\"wire_octets\": %.1f}",
      first ? "" : ",", of.c_str(), builds[1], compiles[1], list->names(),
      static_cast<double>(list->memory_bytes()) / static_cast<double>(list->names()),
      static_cast<double>(octets) / static_cast<double>(count));
  first = false;
  // Packets lie side by side, as in a batch: what is measured is not how names get into the cache.
  std::shuffle(listed.begin(), listed.end(), random);
  const auto ask = [&](const std::vector<WireName>& names, size_t among) {
    std::vector<uint8_t> packed(among * 64);
    for (size_t i = 0; i < among; ++i) std::memcpy(&packed[i * 64], names[i].octets, 64);
    return [&, among, packed = std::move(packed)](size_t i) {
      const uint8_t* const name = &packed[i % among * 64];
      const size_t size = wire::PlainNameLength({name, 64}, 0);
      return static_cast<uint64_t>(list->Find({name, size}, 1).has_value());
    };
  };
  // All steps together, as a batch of queries would take them.
  const auto judge = [&](const std::vector<WireName>& names, size_t clients) {
    const SipKey secret = {.octets = {1}};
    EdgeRules rules;
    rules.classes = {{.limits = {{.per_second_thousandths = 1'000'000, .burst = 1'000'000},
                                 {.v4_bits = 24, .per_second_thousandths = 9'000'000, .burst = 9'000'000}}}};
    rules.proven = {0};
    rules.rates = std::make_shared<RateTable>(524'288, ExpandSeed(1));
    rules.cookies.emplace(std::span(&secret, 1));
    rules.lists = lists;
    rules.list_sets = {1};
    struct Packet {
      uint8_t address[4], cookie[kFullCookieSize], name[64], size;
    };
    std::vector<Packet> packets(clients);
    for (size_t i = 0; i < clients; ++i) {
      Packet& packet = packets[i];
      Store32(packet.address, static_cast<uint32_t>(random()));
      rules.cookies->Make(packet.cookie, packet.address, 1000, packet.cookie);
      std::memcpy(packet.name, names[i % names.size()].octets, sizeof packet.name);
      packet.size = static_cast<uint8_t>(names[i % names.size()].size);
    }
    auto edge = std::make_shared<Edge>(std::move(rules));
    auto counts = std::make_shared<EdgeCounts>();
    return [edge, counts, packets = std::move(packets)](size_t i) {
      const Packet& packet = packets[i % packets.size()];
      return static_cast<uint64_t>(edge->Judge({.allowed = true, .tag = 0},
                                               {.address = packet.address,
                                                .name = {packet.name, packet.size},
                                                .has_cookie = true,
                                                .cookie = packet.cookie,
                                                .now_us = 1'000'000 + i,
                                                .wall_s = 1000},
                                               counts.get())
                                       .action);
    };
  };
  Measure("cookie, 2 prefixes, list: hot, " + of, judge(others, 1000));
  Measure("cookie, 2 prefixes, list: random, " + of, judge(others, others.size()));
  Measure("miss, hot, " + of, ask(others, 1000));
  Measure("miss, random, " + of, ask(others, others.size()));
  Measure("hit, hot, " + of, ask(listed, 1000));
  Measure("hit, random, " + of, ask(listed, listed.size()));
}

int Main(int argc, char** argv) {
  if (argc > 1) rounds = std::strtoul(argv[1], nullptr, 10);
  if (argc > 2) judgements = std::strtoul(argv[2], nullptr, 10);
  const size_t largest = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 5'000'000;
  std::printf("{\n  \"cases\": [");
  Rates();
  Cookies();
  for (const size_t count : {size_t{100'000}, size_t{1'000'000}, size_t{5'000'000}}) {
    if (count <= largest) Names(count);
  }
  std::printf("\n  ],\n  \"checksum\": %llu\n}\n", static_cast<unsigned long long>(sink));
  return 0;
}

}  // namespace
}  // namespace shardns::bench

int main(int argc, char** argv) { return shardns::bench::Main(argc, argv); }
