// Time of a hit: shardns beside absl::flat_hash_map + copy and a mutex + unordered_map + list LRU, in one run, rounds
// interleaved. Prints one JSON object; ns per operation are medians over the rounds.
//
// shardns does the whole job (parse, key, lookup, copy, id, flags, case, TTLs); the others find and copy only.
#include <absl/container/flat_hash_map.h>
#include <absl/strings/string_view.h>
#include <sys/resource.h>

#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "udp/responder.h"
#include "workload.h"

namespace shardns::bench {
namespace {

constexpr size_t kOut = 1500;

// Folds the question into a key: what any cache has to do with a packet first.
absl::string_view KeyOf(Bytes query, uint8_t* folded) {
  const size_t length = wire::PlainNameLength(query, wire::kHeaderSize);
  wire::Fold(folded, query.data() + wire::kHeaderSize, length);
  std::memcpy(folded + length, query.data() + wire::kHeaderSize + length, 2);
  return {reinterpret_cast<const char*>(folded), length + 2};
}

class AbslCache {
 public:
  void Insert(Bytes query, const Buffer& response) {
    uint8_t folded[260];
    map_[std::string(KeyOf(query, folded))] = response;
  }
  size_t Answer(Bytes query, uint8_t* out) const {
    uint8_t folded[260];
    const auto found = map_.find(KeyOf(query, folded));
    if (found == map_.end()) return 0;
    std::memcpy(out, found->second.data(), found->second.size());
    return found->second.size();
  }

 private:
  absl::flat_hash_map<std::string, Buffer> map_;
};

class ClassicLru {
 public:
  explicit ClassicLru(size_t most) : most_(most) {}
  void Insert(Bytes query, const Buffer& response) {
    uint8_t folded[260];
    std::lock_guard lock(mutex_);
    std::string key(KeyOf(query, folded));
    if (const auto found = map_.find(key); found != map_.end()) {
      list_.erase(found->second);
      map_.erase(found);
    }
    list_.emplace_front(key, response);
    map_[key] = list_.begin();
    if (map_.size() > most_) {
      map_.erase(list_.back().first);
      list_.pop_back();
    }
  }
  size_t Answer(Bytes query, uint8_t* out) {
    uint8_t folded[260];
    std::lock_guard lock(mutex_);
    const auto found = map_.find(std::string(KeyOf(query, folded)));
    if (found == map_.end()) return 0;
    list_.splice(list_.begin(), list_, found->second);
    const Buffer& response = found->second->second;
    std::memcpy(out, response.data(), response.size());
    return response.size();
  }

 private:
  size_t most_;
  std::mutex mutex_;
  std::list<std::pair<std::string, Buffer>> list_;
  std::unordered_map<std::string, std::list<std::pair<std::string, Buffer>>::iterator> map_;
};

struct Subject {
  std::unique_ptr<answers::Cache> cache;
  std::unique_ptr<answers::PrepareScratch> scratch{new answers::PrepareScratch};
  Subject(size_t bytes, store::PolicyKind policy)
      : cache(answers::Cache::Create({.bytes = bytes, .shards = 16, .policy = policy, .seed = 1})) {}
  void Insert(const Buffer& response) {
    answers::EntryImage image;
    cache->Insert({.prepare = {.response = response}, .now = 16000}, scratch.get(), &image);
  }
};

using Sequence = std::vector<uint32_t>;

double TimeSingle(const answers::Cache* cache, store::Reader* reader, const Workload& workload,
                  const Sequence& sequence) {
  uint8_t out[kOut];
  size_t octets = 0;
  const double ns = TimeBlocks(workload.queries, sequence, [&](const PacketArray& packets, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      wire::Query query;
      if (wire::ParseQuery(packets[i], &query) != wire::QueryVerdict::kAnswer) std::abort();
      answers::Answer answer;
      cache->AnswerQuery({.query = &query, .now = 16160}, reader, out, &answer);
      octets += answer.length;
    }
  });
  Keep(octets);
  return ns;
}

double TimeBatch(const answers::Cache* cache, store::Reader* reader, const Workload& workload,
                 const Sequence& sequence) {
  udp::Responder responder(cache, reader);
  std::vector<uint8_t> buffers(16 * kOut);
  Bytes batch[16];
  MutableBytes outs[16];
  wire::Query queries[16];
  udp::Response responses[16];
  for (size_t i = 0; i < 16; ++i) outs[i] = {&buffers[i * kOut], kOut};
  size_t octets = 0;
  const double ns = TimeBlocks(workload.queries, sequence, [&](const PacketArray& packets, size_t count) {
    for (size_t at = 0; at + 16 <= count; at += 16) {
      for (size_t i = 0; i < 16; ++i) batch[i] = packets[at + i];
      responder.RespondBatch(batch, {.now = 16160}, queries, outs, responses);
      for (const udp::Response& response : responses) octets += response.length;
    }
  });
  Keep(octets);
  return ns;
}

template <typename Other>
double TimeOther(Other& other, const Workload& workload, const Sequence& sequence) {
  uint8_t out[kOut];
  size_t octets = 0;
  const double ns = TimeBlocks(workload.queries, sequence, [&](const PacketArray& packets, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      octets += other.Answer(packets[i], out);
      Keep(out);
    }
  });
  Keep(octets);
  return ns;
}

double TimeInserts(Subject& subject, const Workload& workload, const Sequence& sequence) {
  const double start = Seconds();
  for (const uint32_t at : sequence) subject.Insert(workload.responses[at]);
  return (Seconds() - start) * 1e9 / static_cast<double>(sequence.size());
}

// Queries per second of both threads together over one thread alone.
double TimeTwoThreads(const answers::Cache* cache, store::Reader* a, store::Reader* b, const Workload& workload,
                      const Sequence& sequence) {
  double one = 0, two = 0;
  std::thread first([&] { one = TimeSingle(cache, a, workload, sequence); });
  std::thread second([&] { two = TimeSingle(cache, b, workload, sequence); });
  first.join();
  second.join();
  return 1 / (1 / one + 1 / two);
}

int Run(int rounds, size_t operations, std::string_view only) {
  std::printf("{\n  \"rounds\": %d,\n  \"operations\": %zu,\n  \"cases\": [\n", rounds, operations);
  struct Case {
    const char* name;
    size_t names;
    size_t bytes;
    bool zipf;
  };
  const Case cases[] = {{"1 k", 1000, size_t{16} << 20, false},
                        {"100 k", 100'000, size_t{64} << 20, false},
                        {"1 M", 1'000'000, size_t{512} << 20, false},
                        {"1 M Zipf", 1'000'000, size_t{512} << 20, true}};
  bool first = true;
  for (const Case& c : cases) {
    if (!only.empty() && only != c.name) continue;
    const Workload workload = MakeWorkload(c.names);
    const Sequence sequence = c.zipf ? ZipfSequence(c.names, operations, 1) : UniformSequence(c.names, operations, 1);
    Subject s3fifo(c.bytes, store::PolicyKind::kS3Fifo), lru(c.bytes, store::PolicyKind::kLru);
    AbslCache absl;
    ClassicLru classic(c.names);
    for (size_t i = 0; i < c.names; ++i) {
      s3fifo.Insert(workload.responses[i]);
      lru.Insert(workload.responses[i]);
      absl.Insert(workload.queries[i], workload.responses[i]);
      classic.Insert(workload.queries[i], workload.responses[i]);
    }
    store::Reader *a = s3fifo.cache->NewReader(), *b = s3fifo.cache->NewReader(), *l = lru.cache->NewReader();
    Subject tight(size_t{16} << 20, store::PolicyKind::kS3Fifo), tight_lru(size_t{16} << 20, store::PolicyKind::kLru);
    std::map<std::string, std::vector<double>> times;
    const Sequence shorter(sequence.begin(), sequence.begin() + static_cast<long>(sequence.size() / 8));
    for (int round = 0; round <= rounds; ++round) {
      std::map<std::string, double> now;
      now["shardns"] = TimeSingle(s3fifo.cache.get(), a, workload, sequence);
      now["absl"] = TimeOther(absl, workload, sequence);
      now["shardns_batch16"] = TimeBatch(s3fifo.cache.get(), a, workload, sequence);
      now["classic_lru"] = TimeOther(classic, workload, sequence);
      now["shardns_lru"] = TimeSingle(lru.cache.get(), l, workload, sequence);
      now["shardns_two_threads"] = TimeTwoThreads(s3fifo.cache.get(), a, b, workload, sequence);
      now["insert_evict_s3fifo"] = TimeInserts(tight, workload, shorter);
      now["insert_evict_lru"] = TimeInserts(tight_lru, workload, shorter);
      if (round == 0) continue;  // warm-up
      for (const auto& [name, ns] : now) times[name].push_back(ns);
    }
    std::printf("%s    {\"case\": \"%s\"", first ? "" : ",\n", c.name);
    first = false;
    for (const auto& [name, values] : times) std::printf(", \"%s\": %.1f", name.c_str(), Median(values));
    const store::Stats stats = s3fifo.cache->TotalStats();
    std::printf(", \"hit_share\": %.4f}",
                static_cast<double>(stats.hits_positive) / static_cast<double>(stats.hits_positive + stats.misses));
    std::fflush(stdout);
  }
  std::printf("\n  ]\n}\n");
  return 0;
}

}  // namespace
}  // namespace shardns::bench

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 7;
  const size_t operations = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 4'000'000;
  return shardns::bench::Run(rounds, operations, argc > 3 ? argv[3] : "");
}
