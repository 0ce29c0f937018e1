// Hit ratio of legitimate names on the real engine while a share of the traffic asks random names that do not exist.
// Zipf 1.0 over a million names, TTLs of 30 s to a day, 15 % of the names negative, 10,000 legitimate queries a second.
#include <cmath>
#include <string>

#include "udp/responder.h"
#include "workload.h"

namespace shardns::bench {
namespace {

constexpr size_t kNames = 1'000'000;
constexpr size_t kLegitimate = 2'000'000;
constexpr uint32_t kPerSecond = 10'000;

double Run(store::PolicyKind policy, size_t bytes, int attack_percent, const std::vector<uint32_t>& sequence) {
  const auto cache = answers::Cache::Create({.bytes = bytes, .policy = policy, .average_entry_bytes = 100, .seed = 4});
  udp::Responder responder(cache.get(), cache->NewReader());
  const auto scratch = std::make_unique<answers::PrepareScratch>();
  std::mt19937 random(5);
  uint8_t out[1500];
  uint64_t hits = 0, counted = 0, strangers = 0;
  const auto ask = [&](const std::string& name, Ticks now, bool exists, uint32_t ttl) {
    const Buffer query = test::Query(name);
    wire::Query parsed;
    if (responder.Respond(query, {.now = now}, &parsed, out).verdict == udp::Verdict::kReply) return true;
    answers::EntryImage image;
    const Buffer response =
        exists ? test::AResponse(name, ttl, {1, 2}) : test::NxDomain(name, "example.com", 3600, 900);
    cache->Insert({.prepare = {.response = response}, .now = now}, scratch.get(), &image);
    return false;
  };
  for (size_t i = 0; i < sequence.size(); ++i) {
    const Ticks now = static_cast<Ticks>(16000 + i * kTicksPerSecond / kPerSecond);
    // So many attack queries for one legitimate: share / (1 - share).
    for (double left = attack_percent / (100.0 - attack_percent); left > 0; left -= 1) {
      if (left < 1 && (random() & 0xFFFF) > left * 65536) break;
      ask("x" + std::to_string(strangers++) + ".victim.example.com", now, false, 0);
    }
    const uint32_t n = sequence[i];
    const uint32_t draw = n * 2654435761u;
    constexpr uint32_t kTtls[] = {30, 60, 300, 300, 900, 3600, 14400, 86400};
    const bool hit = ask("host" + std::to_string(n) + ".example.com", now, draw % 100 >= 15, kTtls[(draw >> 8) % 8]);
    if (i >= sequence.size() / 2) {  // the first half warms up
      hits += hit;
      ++counted;
    }
  }
  return 100.0 * static_cast<double>(hits) / static_cast<double>(counted);
}

int Main() {
  const std::vector<uint32_t> sequence = ZipfSequence(kNames, kLegitimate, 7);
  std::printf("{\n  \"cases\": [");
  bool first = true;
  for (const size_t mib : {2, 16}) {
    for (const auto policy : {store::PolicyKind::kS3Fifo, store::PolicyKind::kLru}) {
      double ratio[3];
      const int attacks[3] = {0, 50, 90};
      for (int i = 0; i < 3; ++i) ratio[i] = Run(policy, mib << 20, attacks[i], sequence);
      std::printf(
          "%s\n    {\"policy\": \"%s\", \"memory_mib\": %zu, \"attack_0\": %.1f, \"attack_50\": %.1f, "
          "\"attack_90\": %.1f, \"kept_at_50\": %.3f}",
          first ? "" : ",", policy == store::PolicyKind::kLru ? "lru" : "s3fifo", mib, ratio[0], ratio[1], ratio[2],
          ratio[1] / ratio[0]);
      std::fflush(stdout);
      first = false;
    }
  }
  std::printf("\n  ]\n}\n");
  return 0;
}

}  // namespace
}  // namespace shardns::bench

int main() { return shardns::bench::Main(); }
