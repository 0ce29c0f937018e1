// Hit ratio of each policy, or of the one that is named, on the real engine, by trace. Prints one JSON object.
//
//   zipf    Zipf 1.0 over a million keys
//   scan    the same, while as many keys that never come again pass through in bursts of 20,000
//   shift   the same as zipf, but every eighth of the trace other keys are the popular ones
//
// A miss stores the key with 120 octets. The first half warms up.
#include "bytes/byte_cache.h"
#include "store/policies.h"
#include "workload.h"

namespace shardns::bench {
namespace {

constexpr size_t kKeys = 1'000'000;
constexpr size_t kRequests = 3'000'000;
constexpr size_t kBurst = 20'000;
constexpr uint64_t kNow = 1'000'000;

struct Trace {
  const char* name;
  bool scan;
  size_t shifts;
};
constexpr Trace kTraces[] = {{"zipf", false, 0}, {"scan", true, 0}, {"shift", false, 8}};

double Run(store::PolicyKind policy, size_t bytes, const Trace& trace, const std::vector<uint32_t>& sequence) {
  const auto cache = bytes::ByteCache::Over<bytes::ByteCache>(
      store::Region::Create({.bytes = bytes, .policy = policy, .kind = store::RegionKind::kBytes, .seed = 4}));
  store::Reader* reader = cache->NewReader();
  uint8_t value[120] = {}, out[256];
  uint64_t hits = 0, counted = 0, strangers = 0;
  // As keys are given whole: a namespace without a name, then the key.
  const auto ask = [&](uint64_t n, char kind) {
    uint8_t key[16] = {0, static_cast<uint8_t>(kind)};
    std::memcpy(key + 2, &n, sizeof n);
    bytes::ByteSeen seen;
    cache->Get({.key = key, .now = kNow}, reader, out, &seen);
    if (seen.outcome == bytes::ByteOutcome::kHit) return true;
    cache->Set({.key = key, .value = value, .now = kNow});
    return false;
  };
  for (size_t i = 0; i < sequence.size(); ++i) {
    if (trace.scan && i % kBurst == 0) {
      for (size_t stranger = 0; stranger < kBurst; ++stranger) ask(strangers++, 's');
    }
    const uint64_t shift = trace.shifts == 0 ? 0 : i * trace.shifts / sequence.size() * 7919;
    const bool hit = ask((sequence[i] + shift) % kKeys, 'k');
    if (i < sequence.size() / 2) continue;
    hits += hit;
    ++counted;
  }
  return 100.0 * static_cast<double>(hits) / static_cast<double>(counted);
}

int Main(const char* only) {
  const std::vector<uint32_t> sequence = ZipfSequence(kKeys, kRequests, 7);
  std::printf("{\n  \"cases\": [");
  bool first = true;
  for (const size_t mib : {2, 16}) {
    for (uint32_t number = 0; number < store::kPolicies; ++number) {
      const auto policy = static_cast<store::PolicyKind>(number);
      if (only != nullptr && std::strcmp(only, store::TraitsOf(policy).name) != 0) continue;
      std::printf("%s\n    {\"policy\": \"%s\", \"memory_mib\": %zu", first ? "" : ",", store::TraitsOf(policy).name, mib);
      for (const Trace& trace : kTraces) {
        std::printf(", \"%s\": %.1f", trace.name, Run(policy, mib << 20, trace, sequence));
      }
      std::printf("}");
      std::fflush(stdout);
      first = false;
    }
  }
  std::printf("\n  ]\n}\n");
  return 0;
}

}  // namespace
}  // namespace shardns::bench

int main(int count, char** arguments) { return shardns::bench::Main(count > 1 ? arguments[1] : nullptr); }
