// How often clients, and the networks around them, may ask: one counter for each prefix and window of a rate class, all
// judged together, and nothing counted where one of them says no. So a client that is over its limit does not use up
// its network's, and comes back at once when it slows down.
//
// A counter is a theoretical arrival time (GCRA, ITU-T I.371): each query moves it on by 1/rate, and may ask while it
// is at most `burst` of those ahead of the clock. It is a word: 22 bits of a keyed hash of class, window and prefix,
// and the time. Eight share a cache line; a newcomer takes the place of the one whose time is the earliest, which is
// the one that has the least to remember. Thus sources over their limit stay, however many others come; those forgotten
// are the light ones, whom that gives a little more than is theirs. Nobody is limited because of others but those of
// his prefix, and who shares a line and 22 bits with a limited source: one in half a million.
//
// The counters with decaying loads of Knot Resolver (KRU), in which a newcomer inherits the load that it replaces, were
// measured beside it in as much memory: 62 to 69 ns a query of a flood against 35 to 38, and under 4 million spoofed
// sources a second with 65,536 counters a tenth of the flood and a fifth of an honest client's queries were refused,
// here none of either.
//
// Words are relaxed atomics without a locked instruction: queries of one source judged by two threads at the same
// moment may count as one. Time is an argument.
//
// Bound: `counters` words of 8 octets, rounded up to whole lines, taken at construction. 1.4 x the counters that ask
// within a window keep all of them (the rule of Knot Resolver's manual).
#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "base/hash.h"
#include "gate/client_address.h"

namespace shardns::gate {

// What is counted, each against limits of its own. Queries are before anything is looked up, the others once it is
// known what a query comes to; errors are answers too, which spoofed queries aim at others.
enum class RateKind : uint8_t { kQuery, kMiss, kNxDomain, kError };
inline constexpr size_t kRateKinds = 4;

struct RateLimit {
  RateKind kind = RateKind::kQuery;
  uint8_t v4_bits = 32, v6_bits = 64;  // of the prefix that is counted
  uint32_t per_second_thousandths;     // thousandths of a query a second: 500 is one in two seconds
  uint32_t burst;                      // queries that may come at once; at least 1
};
// Of what a limit may be: a window is burst / rate, of at most 3 h; up to 1,000,000 a second.
bool IsValid(const RateLimit& limit);

enum class RateAction : uint8_t { kDrop, kTruncate, kSlip, kRefuse };

struct RateClass {
  std::vector<RateLimit> limits = {};  // none: exempt
  RateAction action = RateAction::kSlip;
  uint32_t slip = 2;     // kSlip: one in so many is truncated, the others dropped (BIND's and Knot's default)
  bool dry_run = false;  // it is judged and counted, and all may ask
};

enum class RateVerdict : uint8_t { kAllow, kDrop, kTruncate, kRefuse };

struct RateResult {
  RateVerdict verdict = RateVerdict::kAllow;
  bool over = false;  // over a limit, in a dry run too
};

// Immutable; replaced with the rest of the rules. The counters are another object, and stay.
class RateClasses {
 public:
  static constexpr size_t kMaxClasses = 256;
  static constexpr size_t kMaxLimits = 8;  // of one kind in one class

  explicit RateClasses(std::span<const RateClass> classes);
  size_t size() const { return classes_.size(); }

 private:
  friend class RateTable;
  struct Limit {
    uint64_t step;     // of the time, for one query
    uint64_t ahead;    // as far as the time may be before a query
    uint64_t v4_mask;  // of the mapped form's last eight octets, as numbers
    uint64_t v6_masks[2];
    uint64_t salt;
  };
  struct Class {
    std::vector<Limit> limits[kRateKinds];
    RateAction action;
    uint32_t slip;
    bool dry_run;
  };
  const std::vector<Limit>& LimitsOf(uint32_t rate_class, RateKind kind) const {
    SHARDNS_CHECK(rate_class < classes_.size());
    return classes_[rate_class].limits[static_cast<size_t>(kind)];
  }
  std::vector<Class> classes_;
};

class RateTable {
 public:
  RateTable(uint32_t counters, const HashSecret& secret);

  struct Question {
    const ClientAddress& client;
    uint32_t rate_class;
    RateKind kind = RateKind::kQuery;
    uint64_t now_us;  // of a monotonic clock
    uint32_t* turn;   // counts what this thread judged over a limit, for slip
  };
  // Any thread. Before Judge, of all queries of a batch.
  void Prefetch(const RateClasses& classes, const ClientAddress& client, uint32_t rate_class) const;
  RateResult Judge(const RateClasses& classes, const Question& question);

  size_t memory_bytes() const { return lines_ * sizeof(Line); }

 private:
  static constexpr size_t kWays = 8;
  struct alignas(64) Line {
    std::atomic<uint64_t> words[kWays] = {};
  };
  static_assert(sizeof(Line) == 64);
  struct Prefixes;
  uint64_t HashOf(const Prefixes& client, const RateClasses::Limit& limit) const;
  Line* LineOf(uint64_t hash) const {
    return &table_[static_cast<size_t>(static_cast<unsigned __int128>(hash) * lines_ >> 64)];
  }

  //  63        42  41                          0
  //  | tag       | time, in eighths of a us     |
  static constexpr unsigned kTimeBits = 42;  // 6.3 days
  static constexpr uint64_t kTimeMask = (uint64_t{1} << kTimeBits) - 1;

  const HashSecret secret_;
  const size_t lines_;
  std::unique_ptr<Line[]> table_;
};

}  // namespace shardns::gate
