// What the gate costs a query: the longest of many prefixes of three kinds of lists, for clients in any order. Writes
// JSON; ns a judgement are of CPU time, the median over the rounds and the least, which is without the cache misses
// that neighbours make.
//
//   gate_bench [rounds] [judgements]
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <random>
#include <string>

#include "gate/gate.h"

namespace shardns::bench {
namespace {

using gate::ClientRule;

struct List {
  const char* name;
  bool v6;
  // The bits of an address at random behind those it begins with.
  unsigned fixed_bits, length;
};
// As a network's customers are listed; of addresses all over; of one block only, which no index by first bits helps.
constexpr List kLists[] = {{"ipv4 /24 anywhere", false, 0, 24},       {"ipv4 /32 anywhere", false, 0, 32},
                           {"ipv4 /32 in one /12", false, 12, 32},    {"ipv6 /48 in one /24", true, 24, 48},
                           {"ipv6 /64 in one /32", true, 32, 64},     {"ipv6 /128 in one /64", true, 64, 128},
                           {"ipv6 /128 anywhere in /3", true, 3, 128}};
constexpr size_t kCounts[] = {256, 4096, 65'536, 1'048'576};

double CpuNs() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void Fill(std::mt19937& random, const List& list, uint8_t* octets) {
  const uint8_t begin[16] = {0x20, 0x01, 0x0D, 0xB8, 0x12, 0x34, 0x56, 0x78};
  for (unsigned i = 0; i < (list.v6 ? 16u : 4u); ++i) {
    const unsigned fixed = list.fixed_bits <= 8 * i ? 0 : std::min(8u, list.fixed_bits - 8 * i);
    const unsigned keep = 0xFF00u >> fixed & 0xFF;
    octets[i] = static_cast<uint8_t>((begin[i] & keep) | (random() & ~keep & 0xFF));
  }
}

int Main(int argc, char** argv) {
  const size_t rounds = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 41;
  const size_t judgements = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 100'000;
  constexpr size_t kClients = 1 << 16;
  std::mt19937 random(1);
  std::printf("{\n  \"cases\": [");
  bool first = true;
  for (const List& list : kLists) {
    for (const size_t count : kCounts) {
      std::vector<ClientRule> rules(count);
      for (ClientRule& rule : rules) {
        rule.prefix = {.address = {}, .length = static_cast<uint8_t>(list.length), .v6 = list.v6};
        rule.allow = true;
        Fill(random, list, rule.prefix.address);
      }
      const double began = CpuNs();
      const gate::Rules compiled(gate::Rules::Compile({.rules = rules, .everybody = false}), nullptr, nullptr);
      const double compile_ms = (CpuNs() - began) / 1e6;
      // Half of the clients are on the list.
      std::vector<uint8_t> clients(kClients * 16);
      for (size_t i = 0; i < kClients; ++i) {
        Fill(random, list, &clients[i * 16]);
        if (i % 2 == 0) std::memcpy(&clients[i * 16], rules[random() % count].prefix.address, list.length / 8);
      }
      std::shuffle(reinterpret_cast<unsigned __int128*>(clients.data()),
                   reinterpret_cast<unsigned __int128*>(clients.data()) + kClients, random);
      std::vector<double> ns;
      uint64_t allowed = 0;
      for (size_t round = 0; round < rounds; ++round) {
        const double from = CpuNs();
        for (size_t i = 0; i < judgements; ++i) {
          const uint8_t* client = &clients[i % kClients * 16];
          allowed += compiled.Judge({client, list.v6 ? 16u : 4u}, 0).allowed;
        }
        ns.push_back((CpuNs() - from) / static_cast<double>(judgements));
      }
      std::printf(
          "%s\n    {\"list\": \"%s\", \"prefixes\": %zu, \"judge_ns\": %.1f, \"least_ns\": %.1f, \"octets_a_prefix\": "
          "%.1f, "
          "\"compile_ms\": %.1f, \"allowed\": %.2f}",
          first ? "" : ",", list.name, count, Median(ns), *std::min_element(ns.begin(), ns.end()),
          static_cast<double>(compiled.memory_bytes()) / static_cast<double>(count), compile_ms,
          static_cast<double>(allowed) / static_cast<double>(rounds * judgements));
      std::fflush(stdout);
      first = false;
    }
  }
  std::printf("\n  ]\n}\n");
  return 0;
}

}  // namespace
}  // namespace shardns::bench

int main(int argc, char** argv) { return shardns::bench::Main(argc, argv); }
