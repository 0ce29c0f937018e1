// Compiles lists as they are read: one source after another, in pieces of any size, into rules that are published
// together. Says of each source what became of its lines, and which were not understood.
//
// Bound: kMaxLine octets a line (a longer one is broken), kMaxListLine lines a source, `max_octets` of all sources,
// ListRules' own; where one is reached everything that follows fails, and nothing is built. Lines that wait for
// A-labels are at most a piece's octets, and go with Foreign(). One thread at a time, any.
#pragma once
#include <memory>
#include <utility>

#include "gate/zone_list.h"

namespace shardns::gate {

struct ListReport {
  uint64_t lines = 0, rules = 0, broken = 0, unsupported = 0;
  struct Problem {
    uint32_t line;
    bool broken;  // or unsupported
    std::string text;
  };
  static constexpr size_t kMaxProblems = 16;
  static constexpr size_t kMaxProblemText = 120;
  std::vector<Problem> problems;  // the first of them
};

class ListCompiler {
 public:
  static constexpr size_t kMaxLine = 4096;
  struct Bounds {
    uint64_t max_octets = uint64_t{4} << 30;
    size_t max_names = kMaxNames;
  };
  ListCompiler(uint64_t seed, const Bounds& bounds) : bounds_(bounds), rules_(seed, bounds.max_names) {}

  enum class Full : uint8_t { kNo, kOctets, kLines, kRules };
  Full full() const { return full_; }

  void Begin(const ListSource& source);
  void Feed(Bytes piece);
  // The last line need not have an end.
  void EndText();
  struct ForeignLine {
    uint32_t line;
    std::string text;
  };
  // Lines since the last call that have letters outside ASCII where a name stands.
  std::vector<ForeignLine> Foreign() { return std::exchange(foreign_, {}); }
  // One of them with A-labels. What is foreign still is broken.
  void FeedLine(uint32_t line, std::string_view text);
  // Of the source, whose text has ended.
  ListReport End();

  size_t rules() const { return rules_.rules(); }
  // Once, unless it is full.
  std::unique_ptr<const Lists> Build() &&;

 private:
  void TakeLine(std::string_view line);
  ListLine Read(std::string_view line, uint32_t number);
  void Count(ListLine what, uint32_t number, std::string_view line);

  const Bounds bounds_;
  ListRules rules_;
  std::optional<ZoneListReader> zone_;
  uint64_t octets_ = 0;
  std::string rest_;       // of the piece before: a line without its end
  bool skipping_ = false;  // the line has too many octets
  uint32_t line_ = 0;
  ListReport report_;
  std::vector<ForeignLine> foreign_;
  Full full_ = Full::kNo;
};

}  // namespace shardns::gate
