// Saving and loading: what is kept, what is refused, and that nothing in a file is believed.
#include "snapshot/snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <thread>

#include "base/crc32c.h"
#include "cache_fixture.h"
#include "folder.h"
#include "marked.h"

namespace shardns::test {
namespace {

constexpr uint64_t kWallMs = 1'700'000'000'000;

Buffer ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void WriteFile(const std::string& path, const Buffer& octets) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(octets.data()), static_cast<long>(octets.size()));
}

snapshot::Result Save(TestCache& t, const std::string& path, uint64_t wall_ms = kWallMs) {
  return snapshot::Save(*t.cache, {.path = path.c_str(), .now_ms = t.now * uint64_t{1000}, .wall_ms = wall_ms});
}
snapshot::Result Load(TestCache& t, const std::string& path, uint64_t wall_ms = kWallMs, bool keep = false) {
  return snapshot::Load(*t.cache, {.path = path.c_str(),
                                   .now_ms = t.now * uint64_t{1000},
                                   .wall_ms = wall_ms,
                                   .ttl = t.ttl,
                                   .keep_undamaged = keep});
}

// What a snapshot says is told to clients: whoever may write it decides that.
TEST(Snapshot, IsBelievedOnlyWhereNobodyElseMayHaveWrittenIt) {
  Folder folder;
  TestCache t({.bytes = 2 << 20, .shards = 1, .seed = 1});
  ASSERT_EQ(t.Insert(AResponse("a.example", 300)), Status::kOk);
  ASSERT_EQ(Save(t, folder.file()).what, nullptr);
  struct stat status;
  ASSERT_EQ(stat(folder.file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  const auto refusal = [&](const std::string& path) {
    const snapshot::Result result = Load(t, path);
    return std::string(result.what == nullptr ? "" : result.what);
  };
  for (const mode_t mode : {0600, 0644, 0400}) {
    ASSERT_EQ(chmod(folder.file().c_str(), mode), 0);
    EXPECT_EQ(refusal(folder.file()), "") << mode;
  }
  for (const mode_t mode : {0620, 0602, 0666}) {
    ASSERT_EQ(chmod(folder.file().c_str(), mode), 0);
    EXPECT_EQ(refusal(folder.file()), "others may write to it: take that right away (chmod go-w)") << mode;
  }
  ASSERT_EQ(chmod(folder.file().c_str(), 0600), 0);
  ASSERT_EQ(symlink(folder.file().c_str(), (folder.path + "/link").c_str()), 0);
  EXPECT_EQ(refusal(folder.path + "/link"), "it is a symbolic link, which is not followed");
  ASSERT_EQ(mkfifo((folder.path + "/fifo").c_str(), 0600), 0);
  EXPECT_EQ(refusal(folder.path + "/fifo"), "it is no regular file");
  EXPECT_EQ(refusal(folder.path), "it is no regular file");
  if (geteuid() == 0 && chown(folder.file().c_str(), 65534, 65534) == 0) {
    EXPECT_EQ(refusal(folder.file()), "it belongs to another user");
  }
  // A hole as great as no cache: refused by its size, before it is read.
  ASSERT_EQ(Save(t, folder.file()).what, nullptr);
  if (truncate(folder.file().c_str(), (off_t{1} << 40) + 1) == 0) {
    EXPECT_EQ(refusal(folder.file()), "it is greater than any cache");
  }
}

TEST(Snapshot, TakesThePlaceOfALinkAndLeavesWhatItLeadsTo) {
  Folder folder;
  TestCache t({.bytes = 2 << 20, .shards = 1, .seed = 1});
  WriteFile(folder.path + "/other", {1, 2, 3});
  ASSERT_EQ(symlink((folder.path + "/other").c_str(), folder.file().c_str()), 0);
  ASSERT_EQ(Save(t, folder.file()).what, nullptr);
  EXPECT_EQ(ReadFile(folder.path + "/other"), (Buffer{1, 2, 3}));
  EXPECT_EQ(Load(t, folder.file()).what, nullptr);
}

TEST(Snapshot, KeepsAnswersTheirTimesAndTheirPopularity) {
  Folder folder;
  TestCache from({.bytes = 2 << 20, .shards = 1, .seed = 1});
  ASSERT_EQ(from.Insert(AResponse("a.example", 300)), Status::kOk);
  ASSERT_EQ(from.Insert(AResponse("short.example", 5)), Status::kOk);
  ASSERT_EQ(from.Insert(AResponse("forgotten.example", 300)), Status::kOk);
  ASSERT_EQ(from.Insert(NxDomain("no.example", "example")), Status::kOk);
  ASSERT_EQ(from.Insert(AResponse("a.example", 300), {.dnssec_ok = true, .tenant = 7}), Status::kOk);
  ASSERT_EQ(from.cache->InsertFailure({.folded_name = Name("broken.example"), .type = 1, .now = 16000}), Status::kOk);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(from.Hits(Query("a.example")));
  from.cache->ForgetName(Name("forgotten.example"));
  from.now += 10;
  const snapshot::Result saved = Save(from, folder.file());
  ASSERT_EQ(saved.what, nullptr) << saved.what;
  EXPECT_EQ(saved.entries, 3u);

  // Another region: other size, other secret, another monotonic clock, and 20 s later by the wall.
  TestCache to({.bytes = 8 << 20, .shards = 2, .policy = store::PolicyKind::kLru, .seed = 99});
  to.now = 77;
  const snapshot::Result loaded = Load(to, folder.file(), kWallMs + 20'000);
  ASSERT_EQ(loaded.what, nullptr);
  EXPECT_EQ(loaded.entries, 3u);
  EXPECT_EQ(loaded.rejected, 0u);
  EXPECT_TRUE(to.Hits(Query("a.example")));
  EXPECT_EQ(to.FirstTtl("a.example"), 270u);
  EXPECT_EQ(to.Ask(EdnsQuery("a.example", 1, 1232, true), true, false, 7).verdict, udp::Verdict::kReply);
  EXPECT_TRUE(to.Hits(Query("no.example")));
  EXPECT_EQ(to.Rcode(), wire::rcode::kNxDomain);
  Buffer out(kRoom);
  EXPECT_GE(to.cache->Peek(Name("a.example"), 1, {}, TicksFromSeconds(to.now), out).freq, 3u);
  to.now += 269;
  EXPECT_TRUE(to.Hits(Query("a.example")));
  to.now += 2;
  EXPECT_FALSE(to.Hits(Query("a.example")));
  EXPECT_TRUE(to.cache->CheckInvariants());
  // Nothing lies beside the file.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path), {}), 1);
}

TEST(Snapshot, LoadedLateHasExpired) {
  Folder folder;
  TestCache from, to;
  ASSERT_EQ(from.Insert(AResponse("a.example", 300)), Status::kOk);
  ASSERT_EQ(Save(from, folder.file()).entries, 1u);
  const snapshot::Result loaded = Load(to, folder.file(), kWallMs + 300'000);
  EXPECT_EQ(loaded.entries, 0u);
  EXPECT_EQ(loaded.expired, 1u);
  // A wall clock set back lets nothing live longer than it had left.
  EXPECT_EQ(Load(to, folder.file(), kWallMs - 300'000).entries, 1u);
  to.now += 300;
  EXPECT_FALSE(to.Hits(Query("a.example")));
}

TEST(Snapshot, KeepsValuesTheirNamespacesAndTheirTags) {
  Folder folder;
  const auto make = [](uint64_t seed) {
    return bytes::ByteCache::Over<bytes::ByteCache>(
        store::Region::Create({.bytes = 2 << 20, .shards = 1, .kind = store::RegionKind::kBytes, .seed = seed}));
  };
  const auto of = [](std::string_view text) {
    return Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  };
  const std::string plain("\0plain", 6), named("\5usersname", 10), brief("\0brief", 6);
  const std::string users("\5users", 6);
  const uint16_t red = bytes::ByteCache::TagMark(of("red"));
  const auto from = make(1), to = make(2);
  ASSERT_EQ(from->Set({.key = of(plain), .value = of("1"), .now = 1000, .ttl_ms = 60'000, .tags = 1, .tag = {red}}),
            Status::kOk);
  ASSERT_EQ(from->Set({.key = of(named), .value = of(std::string(60'000, 'x')), .now = 1000}), Status::kOk);
  ASSERT_EQ(from->Set({.key = of(brief), .value = of("3"), .now = 1000, .ttl_ms = 500}), Status::kOk);
  ASSERT_EQ(snapshot::Save(*from, {.path = folder.file().c_str(), .now_ms = 1100, .wall_ms = kWallMs}).entries, 3u);
  const snapshot::Result loaded =
      snapshot::Load(*to, {.path = folder.file().c_str(), .now_ms = 5'000'000, .wall_ms = kWallMs + 1000});
  EXPECT_EQ(loaded.entries, 2u);
  EXPECT_EQ(loaded.expired, 1u);
  Buffer out(bytes::kMaxValueOctets);
  bytes::ByteSeen seen;
  store::Reader* reader = to->NewReader();
  const auto get = [&](const std::string& key) {
    to->Get({.key = of(key), .now = 5'000'000}, reader, out, &seen);
    return seen.outcome == bytes::ByteOutcome::kHit;
  };
  EXPECT_TRUE(get(plain));
  EXPECT_EQ(seen.remaining_ms, 60'000 - 100 - 1000);
  EXPECT_TRUE(get(named));
  EXPECT_EQ(seen.length, 60'000u);
  to->ForgetTag(red);
  EXPECT_FALSE(get(plain));
  to->ForgetNamespace(of(users));
  EXPECT_FALSE(get(named));
}

TEST(Snapshot, SaysWhatIsWrongWithAFile) {
  Folder folder;
  TestCache t;
  EXPECT_STREQ(Load(t, folder.file()).what, "it cannot be opened");
  EXPECT_STREQ(Load(t, folder.path).what, "it is no regular file");
  EXPECT_STREQ(Save(t, folder.path + "/no/folder").what, "it cannot be made");
  WriteFile(folder.file(), Buffer(1000, 7));
  EXPECT_STREQ(Load(t, folder.file()).what, "it is no snapshot");
  ASSERT_EQ(Save(t, folder.file()).what, nullptr);
  Buffer file = ReadFile(folder.file());
  file[8] = 9;
  WriteFile(folder.file(), file);
  EXPECT_STREQ(Load(t, folder.file()).what, "it is of another version");
  file[8] = 1;
  file[17] ^= 1;
  WriteFile(folder.file(), file);
  EXPECT_STREQ(Load(t, folder.file()).what, "its head is damaged");
  ASSERT_EQ(Save(t, folder.file()).what, nullptr);
  const auto bytes = bytes::ByteCache::Over<bytes::ByteCache>(
      store::Region::Create({.bytes = 2 << 20, .kind = store::RegionKind::kBytes}));
  EXPECT_STREQ(snapshot::Load(*bytes, {.path = folder.file().c_str(), .now_ms = 1, .wall_ms = 1}).what,
               "its entries are of another kind");
}

TEST(Snapshot, OfOtherRulesIsRefused) {
  Folder folder;
  TestCache t({.bytes = 2 << 20, .shards = 1, .seed = 3});
  ASSERT_EQ(t.Insert(Marked("a.example", 1)), Status::kOk);
  const auto save = [&](uint64_t rules) {
    ASSERT_EQ(snapshot::Save(*t.cache, {.path = folder.file().c_str(), .now_ms = 1, .wall_ms = 1, .rules = rules}).what,
              nullptr);
  };
  const auto load = [&](uint64_t rules) {
    return snapshot::Load(*t.cache, {.path = folder.file().c_str(), .now_ms = 1, .wall_ms = 1, .rules = rules}).what;
  };
  save(7);
  EXPECT_STREQ(load(8), "its answers were made by other rules");
  EXPECT_EQ(load(7), nullptr);
  EXPECT_EQ(load(0), nullptr);
  save(0);
  EXPECT_EQ(load(7), nullptr);
}

// Ten thousand damaged files: refused before anything is stored, or loaded up to the damage; never a wrong answer.
TEST(Snapshot, DamageIsRefusedOrLoadedUpTo) {
#if defined(__SANITIZE_ADDRESS__) || defined(SHARDNS_TSAN)
  constexpr int kFiles = 1000;
#else
  constexpr int kFiles = 10'000;
#endif
  Folder folder;
  TestCache from({.bytes = 2 << 20, .shards = 1, .seed = 3});
  constexpr int kNames = 150;
  std::vector<std::string> names;
  for (int i = 0; i < kNames; ++i) {
    names.push_back("name-" + std::to_string(i) + ".snapshot.example");
    ASSERT_EQ(from.Insert(Marked(names.back(), static_cast<uint8_t>(i))), Status::kOk);
  }
  ASSERT_EQ(Save(from, folder.file()).entries, uint64_t{kNames});
  const Buffer whole = ReadFile(folder.file());
  std::mt19937 random(8);
  uint64_t refused = 0, partly = 0, unharmed = 0, stored = 0;
  TestCache t({.bytes = 1 << 20, .shards = 1, .seed = 4});
  for (int i = 0; i < kFiles; ++i) {
    Buffer file = whole;
    const int kind = static_cast<int>(random() % 4);
    if (kind == 0) file.resize(random() % file.size());
    if (kind >= 1) {
      for (uint32_t n = 1 + random() % 4; n > 0; --n) {
        file[random() % file.size()] ^= static_cast<uint8_t>(1u << (random() % 8));
      }
    }
    if (kind == 3) {  // by somebody who knows the checksum
      const size_t block = snapshot::kHeadOctets;
      const uint32_t octets = LoadNative<uint32_t>(&file[block]);
      if (block + snapshot::kBlockHead + octets <= file.size()) {
        const uint32_t crc = Crc32c(Crc32c(0, {&file[block], 8}), {&file[block + snapshot::kBlockHead], octets});
        std::memcpy(&file[block + 8], &crc, 4);
        const uint32_t head = Crc32c(0, {file.data(), snapshot::kHeadOctets - 4});
        std::memcpy(&file[snapshot::kHeadOctets - 4], &head, 4);
      }
    }
    WriteFile(folder.file(), file);
    t.cache->ForgetAll();
    const uint64_t before = t.cache->TotalStats().inserts;
    const bool keep = random() % 2 == 0;
    const snapshot::Result loaded = Load(t, folder.file(), kWallMs, keep);
    refused += loaded.what != nullptr;
    partly += loaded.what == nullptr && (loaded.damaged || loaded.rejected != 0);
    unharmed += loaded.what == nullptr && !loaded.damaged && loaded.rejected == 0;
    stored += loaded.entries;
    if (loaded.what != nullptr) {
      ASSERT_EQ(t.cache->TotalStats().inserts, before);
    }
    // Where the checksum was made right, an answer may say what the file says, but it is whole.
    for (int n = 0; n < 3; ++n) {
      const std::string& name = names[random() % kNames];
      const Buffer query = Query(name);
      if (!t.Hits(query)) continue;
      if (kind != 3) {
        ASSERT_TRUE(IsMarked(name, query, t.answer, 0));
      }
    }
  }
  EXPECT_TRUE(t.cache->CheckInvariants());
  std::printf("%d files: %llu refused, %llu loaded in part, %llu whole, %llu entries\n", kFiles,
              static_cast<unsigned long long>(refused), static_cast<unsigned long long>(partly),
              static_cast<unsigned long long>(unharmed), static_cast<unsigned long long>(stored));
  EXPECT_GT(refused, 100u);
  EXPECT_GT(partly, 100u);
}

TEST(Snapshot, OfACacheThatIsWrittenToHoldsNothingWrong) {
  Folder folder;
  TestCache t({.bytes = 1 << 20, .shards = 1, .average_entry_bytes = 100, .seed = 5});
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    std::mt19937 random(1);
    auto scratch = std::make_unique<answers::PrepareScratch>();
    answers::EntryImage image;
    while (!stop) {
      const std::string name = "name-" + std::to_string(random() % 20'000) + ".busy.example";
      const Buffer message = Marked(name, static_cast<uint8_t>(random() % 251));
      t.cache->Insert({.prepare = {.response = message}, .variant = {}, .now = 16000}, scratch.get(), &image);
    }
  });
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(Save(t, folder.file()).what, nullptr);
    TestCache copy({.bytes = 4 << 20, .shards = 1, .seed = 6});
    const snapshot::Result loaded = Load(copy, folder.file());
    ASSERT_EQ(loaded.what, nullptr);
    ASSERT_EQ(loaded.rejected, 0u);
    for (int i = 0; i < 20'000; i += 7) {
      const std::string name = "name-" + std::to_string(i) + ".busy.example";
      const Buffer query = Query(name);
      if (copy.Hits(query)) {
        ASSERT_TRUE(IsMarked(name, query, copy.answer, 0));
      }
    }
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace shardns::test
