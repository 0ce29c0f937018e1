// One file, several openers: what is refused, what is shared, what a killed process leaves behind.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>
#include <thread>

#include "cache_fixture.h"
#include "folder.h"
#include "marked.h"

namespace shardns::test {
namespace {

using store::FileProblem;
using store::Region;

constexpr size_t kBytes = size_t{2} << 20;

struct OpenArgs {
  size_t bytes = kBytes;
  uint32_t shards = 1;
  store::PolicyKind policy = store::PolicyKind::kS3Fifo;
  store::RegionKind kind = store::RegionKind::kAnswers;
  bool recreate = false;
  uint64_t wall_ms = 1'000'000'000;
};
std::unique_ptr<Region> Open(const std::string& path, const OpenArgs& args, FileProblem* problem) {
  return Region::Open({.path = path.c_str(),
                       .region = {.bytes = args.bytes,
                                  .shards = args.shards,
                                  .policy = args.policy,
                                  .kind = args.kind,
                                  .average_entry_bytes = 100,
                                  .seed = 11},
                       .recreate = args.recreate,
                       .monotonic_ms = 1'000'000,
                       .wall_ms = args.wall_ms},
                      problem);
}

// One opening, with what asks and inserts.
struct Opening {
  std::unique_ptr<answers::Cache> cache;
  std::unique_ptr<udp::Responder> responder;
  std::unique_ptr<answers::PrepareScratch> scratch{new answers::PrepareScratch};
  Buffer reply = Buffer(kRoom);
  FileProblem problem;

  explicit Opening(const std::string& path, const OpenArgs& args = {}) {
    cache = answers::Cache::Over<answers::Cache>(test::Open(path, args, &problem));
    if (cache) responder = std::make_unique<udp::Responder>(cache.get(), cache->NewReader());
  }
  Status Insert(const Buffer& response) {
    answers::EntryImage image;
    return cache->Insert({.prepare = {.response = response}, .variant = {}, .now = 16000}, scratch.get(), &image);
  }
  // 0: not there; 1: right; -1: wrong
  int Ask(const std::string& name) {
    const Buffer query = Query(name);
    wire::Query parsed;
    const udp::Response response = responder->Respond(query, {.now = 16032}, &parsed, reply);
    if (response.verdict != udp::Verdict::kReply) return 0;
    return IsMarked(name, query, std::span(reply).first(response.length), 2) ? 1 : -1;
  }
};

TEST(MappedFile, IsSharedByItsOpenersAndOutlivesThem) {
  Folder folder;
  {
    Opening first(folder.file());
    ASSERT_NE(first.cache, nullptr) << first.problem.what;
    Opening second(folder.file());
    ASSERT_NE(second.cache, nullptr) << second.problem.what;
    ASSERT_EQ(first.Insert(Marked("a.example", 3)), Status::kOk);
    EXPECT_EQ(second.Ask("a.example"), 1);
    second.cache->ForgetName(Name("a.example"));
    EXPECT_EQ(first.Ask("a.example"), 0);
    ASSERT_EQ(second.Insert(Marked("b.example", 4)), Status::kOk);
  }
  struct stat status;
  ASSERT_EQ(stat(folder.file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_GE(static_cast<size_t>(status.st_blocks) * 512, kBytes);  // nothing is left for the disk to refuse later
  Opening later(folder.file());
  EXPECT_EQ(later.Ask("b.example"), 1);
}

TEST(MappedFile, IsRefusedWithTheReasonWhereItIsNotWhatWasAskedFor) {
  Folder folder;
  { Opening made(folder.file()); }
  FileProblem problem;
  const auto refused = [&](OpenArgs args) {
    EXPECT_EQ(test::Open(folder.file(), args, &problem), nullptr);
    return std::string(problem.what != nullptr ? problem.what : "");
  };
  EXPECT_EQ(refused({.bytes = kBytes * 2}), "it has another size");
  EXPECT_EQ(refused({.shards = 2}), "it has another number of shards");
  for (const auto policy : {store::PolicyKind::kLru, store::PolicyKind::kLfu, store::PolicyKind::kTwoQueue}) {
    EXPECT_EQ(refused({.policy = policy}), "it has another policy");
  }
  EXPECT_EQ(refused({.kind = store::RegionKind::kBytes}), "its entries are of another kind");
  chmod(folder.file().c_str(), 0644);
  EXPECT_EQ(refused({}), "others have rights to it: its mode must be 0600");
  chmod(folder.file().c_str(), 0600);
  const auto write_at = [&](long at, uint64_t word) {
    const int fd = open(folder.file().c_str(), O_RDWR);
    EXPECT_EQ(pwrite(fd, &word, 8, at), 8);
    close(fd);
  };
  write_at(8, 99);
  EXPECT_EQ(refused({}), "its layout is of another version");
  write_at(0, __builtin_bswap64(store::kRegionMagic));
  EXPECT_EQ(refused({}), "it was laid out by a machine of other endianness");
  EXPECT_NE(test::Open(folder.file(), {.recreate = true}, &problem), nullptr);
  write_at(0, 0x1234567);
  EXPECT_EQ(refused({.recreate = true}), "it holds something else");  // never replaced
  EXPECT_EQ(test::Open(folder.path, {}, &problem), nullptr);
  EXPECT_EQ(test::Open(folder.path + "/no/such/folder", {}, &problem), nullptr);
}

TEST(MappedFile, AFullDiskIsAnErrorAtOpen) {
  Folder folder;
  FileProblem problem;
  EXPECT_EQ(test::Open(folder.file(), {.bytes = size_t{1} << 42, .shards = 256}, &problem), nullptr);
  EXPECT_STREQ(problem.what, "there is no room for it");
  EXPECT_FALSE(std::filesystem::exists(folder.file()));
}

TEST(MappedFile, GoesOnAsEmptyMemoryWhenItIsCutUnderTheMapping) {
  Folder folder;
  Opening t(folder.file());
  for (int n = 0; n < 5000; ++n) ASSERT_EQ(t.Insert(Marked("n" + std::to_string(n) + ".example", 1)), Status::kOk);
  EXPECT_FALSE(t.cache->region().file()->lost());
  ASSERT_EQ(truncate(folder.file().c_str(), 4096), 0);
  for (int n = 0; n < 5000; ++n) EXPECT_GE(t.Ask("n" + std::to_string(n) + ".example"), 0);
  EXPECT_TRUE(t.cache->region().file()->lost());
  ASSERT_EQ(t.Insert(Marked("after.example", 1)), Status::kOk);
  EXPECT_EQ(t.Ask("after.example"), 1);
  FileProblem problem;
  EXPECT_EQ(test::Open(folder.file(), {}, &problem), nullptr);
}

// A round takes 10 s under the thread sanitizer.
#ifdef __SANITIZE_THREAD__
constexpr int kCuts = 4;
#else
constexpr int kCuts = 20;
#endif

TEST(MappedFile, MayBeCutWhileThreadsReadAndWriteIt) {
  for (int round = 0; round < kCuts; ++round) {
    Folder folder;
    const OpenArgs lru = {.policy = store::PolicyKind::kLru};  // reads take the lock too
    Opening t(folder.file(), lru);
    std::atomic<bool> stop{false};
    std::thread reader([&] {
      udp::Responder responder(t.cache.get(), t.cache->NewReader());
      Buffer out(kRoom);
      for (uint32_t n = 0; !stop; ++n) {
        const std::string name = "n" + std::to_string(n % 5000) + ".example";
        const Buffer query = Query(name);
        wire::Query parsed;
        const udp::Response response = responder.Respond(query, {.now = 16032}, &parsed, out);
        if (response.verdict != udp::Verdict::kReply) continue;
        ASSERT_TRUE(IsMarked(name, query, std::span(out).first(response.length), 2));
      }
    });
    for (int n = 0; n < 10'000; ++n) {
      if (n == 5000) {
        ASSERT_EQ(truncate(folder.file().c_str(), round % 2 == 0 ? 0 : 8192), 0);
      }
      ASSERT_EQ(t.Insert(Marked("n" + std::to_string(n % 5000) + ".example", static_cast<uint8_t>(n % 251))),
                Status::kOk);
    }
    stop = true;
    reader.join();
    EXPECT_TRUE(t.cache->region().file()->lost());
    EXPECT_TRUE(t.cache->CheckInvariants());
  }
}

TEST(MappedFile, KnowsWhetherItsPathLeadsElsewhere) {
  Folder folder;
  Opening t(folder.file());
  EXPECT_FALSE(t.cache->region().file()->Replaced());
  Opening other(folder.path + "/other");
  std::filesystem::rename(folder.path + "/other", folder.file());
  EXPECT_TRUE(t.cache->region().file()->Replaced());
  ASSERT_EQ(t.Insert(Marked("a.example", 3)), Status::kOk);  // the old file lives as long as it is mapped
  EXPECT_EQ(t.Ask("a.example"), 1);
}

TEST(MappedFile, ItsTimeGoesOnOverRestartsOfTheMachine) {
  using Since = store::ClockAnchor::Since;
  store::ClockAnchor anchor = store::ClockAnchor::Begin(500'000, 10'000'000);
  uint64_t offset = 1;
  EXPECT_EQ(anchor.Continue(600'000, 99'000'000, &offset), Since::kSameStart);
  EXPECT_EQ(offset, 0u);  // the same start: the wall clock is not looked at
  std::memset(anchor.boot, 'x', sizeof anchor.boot);
  // 40 s by the wall since the file was made at 500 s; the new monotonic clock stands at 7 s.
  EXPECT_EQ(anchor.Continue(7'000, 10'040'000, &offset), Since::kRestart);
  EXPECT_EQ(7'000 + offset, 540'000u);
  std::memset(anchor.boot, 'y', sizeof anchor.boot);
  EXPECT_EQ(anchor.Continue(7'000, 10'000'000, &offset), Since::kBackwards);
}

TEST(MappedFile, AfterARestartOfTheMachineOnlyWhatWasClosedIsBelieved) {
  Folder folder;
  const auto restart = [&] {
    const int fd = open(folder.file().c_str(), O_RDWR);
    EXPECT_EQ(pwrite(fd, "another start", 13, offsetof(store::Superblock, clock)), 13);
    close(fd);
  };
  const auto clean = [&] {
    uint32_t value = 7;
    const int fd = open(folder.file().c_str(), O_RDONLY);
    EXPECT_EQ(pread(fd, &value, 4, offsetof(store::Superblock, openings) + offsetof(store::OpeningsHead, clean)), 4);
    close(fd);
    return value;
  };
  {
    Opening first(folder.file());
    ASSERT_EQ(first.Insert(Marked("a.example", 3)), Status::kOk);
    { Opening second(folder.file()); }
    EXPECT_EQ(clean(), 0u);  // one is still at it
  }
  EXPECT_EQ(clean(), 1u);
  restart();
  {
    Opening later(folder.file());
    EXPECT_EQ(clean(), 0u);
    EXPECT_EQ(later.Ask("a.example"), 1);
    restart();  // as a machine that lost its power
    Opening after(folder.file());
    EXPECT_EQ(after.Ask("a.example"), 0);
    EXPECT_EQ(after.cache->TotalStats().entries, 0u);
    EXPECT_TRUE(after.cache->CheckInvariants());
    ASSERT_EQ(after.Insert(Marked("b.example", 3)), Status::kOk);
    EXPECT_EQ(after.Ask("b.example"), 1);
  }
}

#ifndef SHARDNS_TSAN  // it does not follow a fork

class Killed : public testing::TestWithParam<store::PolicyKind> {};

// A process that inserts and asks until it is killed. It leaves with 7 when it saw a wrong answer.
[[noreturn]] void Live(const std::string& path, store::PolicyKind policy, uint32_t seed) {
  Opening t(path, {.policy = policy});
  if (!t.cache) _exit(8);
  std::mt19937 random(seed);
  for (;;) {
    const std::string name = "name-" + std::to_string(random() % 20'000) + ".killed.example";
    if (random() % 4 != 0) {
      t.Insert(Marked(name, static_cast<uint8_t>(random() % 251)));
    } else if (t.Ask(name) < 0) {
      _exit(7);
    }
  }
}

TEST_P(Killed, AThousandProcessesLeaveNoWrongAnswerAndNoHeldLock) {
#if defined(__SANITIZE_ADDRESS__)
  constexpr int kKills = 100;
#else
  constexpr int kKills = 1000;
#endif
  Folder folder;
  std::mt19937 random(5);
  Opening t(folder.file(), {.policy = GetParam()});
  ASSERT_NE(t.cache, nullptr) << t.problem.what;
  uint64_t right = 0, recoveries = 0;
  // On a busy machine few of them hold a lock when they are killed: until one has.
  const auto recovered = [&] { return t.cache->TotalStats().recoveries > 0; };
  for (int kill_number = 0; kill_number < kKills || (kill_number < 20 * kKills && !recovered()); ++kill_number) {
    const pid_t child = fork();
    if (child == 0) Live(folder.file(), GetParam(), random());
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(500 + random() % 3000);
    while (std::chrono::steady_clock::now() < until) {
      const std::string name = "name-" + std::to_string(random() % 20'000) + ".killed.example";
      ASSERT_EQ(t.Insert(Marked(name, static_cast<uint8_t>(random() % 251))), Status::kOk);
      const int seen = t.Ask("name-" + std::to_string(random() % 20'000) + ".killed.example");
      ASSERT_GE(seen, 0);
      right += seen == 1;
    }
    kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "left with " << WEXITSTATUS(status);
    ASSERT_EQ(t.Insert(Marked("after.example", 9)), Status::kOk);
    ASSERT_EQ(t.Ask("after.example"), 1);
    if (kill_number % 50 == 0) {
      ASSERT_TRUE(t.cache->CheckInvariants()) << kill_number;
    }
  }
  EXPECT_TRUE(t.cache->CheckInvariants());
  const store::Stats stats = t.cache->TotalStats();
  recoveries = stats.recoveries;
  std::printf("%d killed: %llu right answers, %llu recoveries, %llu shards begun anew, %llu entries\n", kKills,
              static_cast<unsigned long long>(right), static_cast<unsigned long long>(recoveries),
              static_cast<unsigned long long>(stats.rebuilds), static_cast<unsigned long long>(stats.entries));
  EXPECT_GT(right, 0u);
  EXPECT_GT(recoveries, 0u);
}

INSTANTIATE_TEST_SUITE_P(Policies, Killed, testing::ValuesIn(kAllPolicies), PolicyName);

#endif

}  // namespace
}  // namespace shardns::test
