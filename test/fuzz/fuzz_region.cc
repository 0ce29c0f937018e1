// A shared region that a stranger has written to, of both kinds: refused, or worked on without a step outside of it.
#include <memory>

#include "bytes/byte_cache.h"
#include "cache_fixture_plain.h"

using namespace shardns;

namespace {

constexpr size_t kBytes = size_t{1} << 20;

// A filled region to begin each run with, in memory of exactly its size.
struct Template {
  std::unique_ptr<uint8_t[]> memory{new uint8_t[kBytes + 64]()};
  MutableBytes region{memory.get() + (-reinterpret_cast<uintptr_t>(memory.get()) % 64), kBytes};
};

test::Buffer Answer(uint32_t n) { return test::AResponse("n" + std::to_string(n) + ".example", 60, {1, 2, 3}); }
std::string Key(uint32_t n) { return std::string(1, '\0') + "key-" + std::to_string(n); }
Bytes Of(const std::string& text) { return {reinterpret_cast<const uint8_t*>(text.data()), text.size()}; }

void UseAnswers(std::unique_ptr<store::Region> region, uint32_t rounds, uint32_t modes) {
  static answers::PrepareScratch scratch;
  answers::Cache cache(std::move(region));
  cache.tunables().modes = modes;
  udp::Responder responder(&cache, cache.NewReader());
  test::Buffer out(4096), listed(64 << 10);
  for (uint32_t n = 0; n < rounds; ++n) {
    answers::EntryImage image;
    const test::Buffer response = Answer(n * 7);
    cache.Insert({.prepare = {.response = response}, .variant = {}, .now = 16000}, &scratch, &image);
    wire::Query parsed;
    responder.Respond(test::Query("n" + std::to_string(n) + ".example"), {.now = 16032}, &parsed, out);
  }
  size_t written = 0;
  cache.shard(0).List(
      0, 16032, [](const uint8_t*, const answers::EntryHeader&) { return false; }, listed, &written);
  cache.shard(0).Visit(
      0, [](const uint8_t*, const answers::EntryHeader&, uint32_t) {}, [] { return false; });
}

void UseBytes(std::unique_ptr<store::Region> region, uint32_t rounds, uint32_t) {
  bytes::ByteCache cache(std::move(region));
  store::Reader* reader = cache.NewReader();
  static test::Buffer out(bytes::kMaxValueOctets);
  for (uint32_t n = 0; n < rounds; ++n) {
    const std::string key = Key(n * 7), other = Key(n);
    cache.Set({.key = Of(key), .value = Of(key), .now = 1000, .ttl_ms = 5000});
    bytes::ByteSeen seen;
    cache.Get({.key = Of(other), .now = 2000}, reader, out, &seen);
    cache.Touch({.key = Of(other), .ttl_ms = 9000, .now = 2000}, out);
  }
}

const Template& Filled(store::RegionKind kind, store::PolicyKind policy) {
  static Template all[2][store::kPolicies];
  Template& one = all[static_cast<size_t>(kind)][static_cast<size_t>(policy)];
  if (store::SuperblockOf(one.region.data())->magic == 0) {
    auto region = store::Region::CreateIn(
        one.region, {.shards = 1, .policy = policy, .kind = kind, .average_entry_bytes = 100, .seed = 3});
    (kind == store::RegionKind::kAnswers ? UseAnswers : UseBytes)(std::move(region), 3000, 0);
  }
  return one;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Template work;
  if (size < 1) return 0;
  const auto kind = static_cast<store::RegionKind>(data[0] & 1);
  const auto policy = static_cast<store::PolicyKind>(data[0] >> 1 & 3);
  std::memcpy(work.region.data(), Filled(kind, policy).region.data(), kBytes);
  const size_t lock = store::SuperblockOf(work.region.data())->header_bytes;
  // Blows of seven octets: where (three), what (four). The lock stays: one that nobody lets go is another matter.
  for (size_t at = 1; at + 7 <= size; at += 7) {
    uint32_t where = 0;
    std::memcpy(&where, data + at, 3);
    where %= kBytes - 4;
    if (where + 4 > lock && where < lock + 4) continue;
    std::memcpy(work.region.data() + where, data + at + 3, 4);
  }
  const char* problem = nullptr;
  auto region = store::Region::Attach(work.region, kind, &problem);
  if (region == nullptr) return 0;
  // Other sizes may have put the lock elsewhere.
  for (uint32_t s = 0; s < region->layout().shards; ++s) {
    std::memset(region->layout().ShardBase(region->base(), s), 0, 4);
  }
  (kind == store::RegionKind::kAnswers ? UseAnswers : UseBytes)(
      std::move(region), 40, data[0] >> 3 & (answers::mode::kRotate | answers::mode::kOriginalTtl));
  return 0;
}
