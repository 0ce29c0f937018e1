// A million entries in a file: attaching and the first hit, recovery of every shard after its writer died, saving a
// snapshot beside a plain write of the same octets, loading it. Writes JSON.
//
//   persist_bench [folder] [entries]
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "message_builder.h"
#include "snapshot/snapshot.h"
#include "udp/responder.h"

using namespace shardns;

namespace {

double Seconds(std::chrono::steady_clock::time_point from) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - from).count();
}
const auto Now = std::chrono::steady_clock::now;

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::unique_ptr<answers::Cache> Open(const std::string& path, size_t bytes) {
  store::FileProblem problem;
  auto region = store::Region::Open({.path = path.c_str(),
                                     .region = {.bytes = bytes, .seed = 1},
                                     .any_size = true,
                                     .recreate = false,
                                     .monotonic_ms = 1'000'000,
                                     .wall_ms = 1'700'000'000'000},
                                    &problem);
  if (!region) {
    std::fprintf(stderr, "%s: %s\n", path.c_str(), problem.what);
    std::exit(1);
  }
  return std::make_unique<answers::Cache>(std::move(region));
}

}  // namespace

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : "/dev/shm";
  const size_t entries = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1'000'000;
  const std::string file = folder + "/shardns-bench-" + std::to_string(getpid());
  const std::string snapshot_file = file + ".snapshot", plain_file = file + ".plain";
  const size_t bytes = size_t{256} << 20;
  const uint64_t now_ms = 1'000'000;
  const auto name = [](size_t n) { return "host-" + std::to_string(n) + ".persist.example"; };
  {
    auto filled = Open(file, bytes);
    answers::PrepareScratch* scratch = new answers::PrepareScratch;
    answers::EntryImage image;
    for (size_t n = 0; n < entries; ++n) {
      const test::Buffer response = test::AResponse(name(n), 3600, {1, 2});
      filled->Insert({.prepare = {.response = response}, .now = TicksFromMs(now_ms)}, scratch, &image);
    }
    delete scratch;
  }
  std::vector<double> attach, recovery, save, load, plain;
  uint64_t held = 0, octets = 0, loaded = 0;
  std::vector<uint8_t> reply(65535 + 64);
  for (int round = 0; round < 5; ++round) {
    const test::Buffer query = test::Query(name(entries - 1 - static_cast<size_t>(round)));
    auto from = Now();
    auto cache = Open(file, bytes);
    udp::Responder responder(cache.get(), cache->NewReader());
    wire::Query parsed;
    const auto response = responder.Respond(query, {.now = TicksFromMs(now_ms + 1000)}, &parsed, reply);
    attach.push_back(Seconds(from));
    if (response.verdict != udp::Verdict::kReply) std::fprintf(stderr, "no hit\n");
    held = cache->TotalStats().entries;

    // Every shard's lock is left to a number that nobody has: 1000.
    for (uint32_t s = 0; s < cache->shards(); ++s) {
      auto* word =
          reinterpret_cast<std::atomic<uint32_t>*>(cache->region().layout().ShardBase(cache->region().base(), s));
      word->store(1000);
    }
    from = Now();
    for (uint32_t s = 0; s < cache->shards(); ++s) {
      cache->shard(s).Visit(
          0, [](const uint8_t*, const answers::EntryHeader&, uint32_t) {}, [] { return true; });
    }
    // Less what each shard waits before it asks whether the holder lives.
    recovery.push_back((Seconds(from) - 0.002 * cache->shards()) / static_cast<double>(held) * 1e9);
    if (cache->TotalStats().entries != held) std::fprintf(stderr, "entries were lost\n");

    const snapshot::SaveArgs where = {.path = snapshot_file.c_str(), .now_ms = now_ms, .wall_ms = 1'700'000'000'000};
    snapshot::Save(*cache, where);
    auto fresh = answers::Cache::Create({.bytes = bytes, .seed = 9});
    from = Now();
    const auto result =
        snapshot::Load(*fresh, {.path = snapshot_file.c_str(), .now_ms = now_ms, .wall_ms = 1'700'000'000'000});
    load.push_back(Seconds(from));
    loaded = result.entries;
    unlink(snapshot_file.c_str());
    from = Now();
    const auto saved = snapshot::Save(*fresh, where);
    save.push_back(Seconds(from));
    octets = saved.octets;
    std::vector<uint8_t> same(octets);
    const int in = open(snapshot_file.c_str(), O_RDONLY);
    for (size_t got = 0; got < octets;) got += static_cast<size_t>(read(in, same.data() + got, octets - got));
    close(in);
    from = Now();
    const int out = open(plain_file.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    for (size_t put = 0; put < octets;) {
      put += static_cast<size_t>(write(out, same.data() + put, std::min<size_t>(octets - put, 1 << 20)));
    }
    close(out);
    plain.push_back(Seconds(from));
    unlink(plain_file.c_str());

    unlink(snapshot_file.c_str());
  }
  unlink(file.c_str());
  std::printf(
      "{\"entries\": %llu, \"attach_and_first_hit_us\": %.0f, \"recovery_ns_per_entry\": %.1f, \"snapshot_octets\": "
      "%llu, "
      "\"save_ms\": %.1f, \"plain_write_ms\": %.1f, \"save_of_plain_rate\": %.2f, \"load_entries_per_second\": %.0f, "
      "\"loaded\": %llu}\n",
      static_cast<unsigned long long>(held), Median(attach) * 1e6, Median(recovery),
      static_cast<unsigned long long>(octets), Median(save) * 1e3, Median(plain) * 1e3, Median(plain) / Median(save),
      static_cast<double>(loaded) / Median(load), static_cast<unsigned long long>(loaded));
}
