// What belongs to the longest prefix that an address lies in, found in one descent. Immutable: compiled in bulk, then
// only read.
//
// Prefixes are laid out as the ranges of addresses that they leave to one another. The beginnings of ranges are a
// sorted group of 32-bit words: the distance from the first of them, without as many low bits as it takes to fit. Where
// one word is not enough to tell beginnings apart, it has a group of its own for what lies inside; the more alike
// addresses are, the less a group spans, so that lists of real networks need one or two (four where each bit counts). A
// group is a static tree of 16 keys a block (Slotin, "Static B-Trees", en.algorithmica.org/hpc, 2022): a search in n
// keys reads ceil(log17(n / 16)) + 1 blocks, whatever they are, without a branch that could be mispredicted.
//
// Bound: kMaxRules rules. A prefix takes 17 octets where its ranges are words of one group, which is all there is of
// IPv4, 82 where they are a group (an IPv6 address far from all others), at most 290.
#pragma once
#include <vector>

#include "base/octets16.h"

namespace shardns::gate {

struct Prefix {
  uint8_t address[16];  // IPv4 in the first four octets
  uint8_t length;
  bool v6;
};

// The bits of `mask` have this value inside the prefix; the others are those of the next longer one around it.
struct PrefixRule {
  Prefix prefix;
  uint32_t value;
  uint32_t mask;
};

class PrefixMap {
 public:
  static constexpr size_t kMaxRules = size_t{1} << 20;
  static constexpr uint32_t kMaxValue = UINT32_MAX >> 1;

  // Addresses in no prefix have the value `otherwise`; of rules for the same bits of one prefix the last one counts.
  // An IPv4 address in its IPv6-mapped form lies in its IPv4 prefixes, 96 bits longer.
  PrefixMap(std::span<const PrefixRule> rules, uint32_t otherwise);

  // An address of 4 or 16 octets.
  uint32_t Find(Bytes address) const;
  size_t memory_bytes() const {
    return sizeof *this + leaves_.capacity() * sizeof(Leaf) + inner_.capacity() * sizeof(Inner) +
           groups_.capacity() * sizeof(Group);
  }

 private:
  using Address = unsigned __int128;
  // From here to where the next one begins.
  struct Range {
    Address first;
    uint32_t value;
  };
  // A word has the slot of the greatest key that is at most the word: a value, or the number of a group.
  struct Key {
    uint32_t word, slot;
  };
  static constexpr uint32_t kGroup = uint32_t{1} << 31;  // of a slot: the rest is a group's number
  static constexpr uint32_t kBehind = UINT32_MAX;        // no word of a group, but all that lies behind it

  // Keys are biased, because vector instructions compare signed numbers.
  template <size_t N>
  struct Slots {
    int32_t keys[N];
    uint32_t slots[N];
  };
  using Leaf = Slots<16>;
  static_assert(sizeof(Leaf) == 128, "two cache lines, which processors fetch in pairs");
  // The first keys of the children of a block, but for the first child.
  struct Inner {
    int32_t keys[16];
  };
  static constexpr size_t kMaxInner = 5;  // levels; 16 * 17^5 keys are ten times those of kMaxRules
  struct Tree {
    uint32_t leaves;
    uint32_t inner[kMaxInner];  // from the leaves up
  };
  //  0         16      20       24     28       32
  //  | base    | shift | before | last | levels | few keys, or where the tree is |
  struct alignas(64) Group {
    Address base;     // of word 0
    uint32_t shift;   // bits that words do without
    uint32_t before;  // the value below the base
    uint32_t last;    // the value behind the last word
    uint32_t levels;  // of the tree; 0 = there is none
    union {
      Slots<4> few;
      Tree tree;
    };
  };
  static_assert(sizeof(Group) == 64, "a group of few keys is read with one cache line");

  static std::vector<Range> Ranges(std::vector<PrefixRule> rules, bool v6, uint32_t otherwise);
  Group MakeGroup(std::span<const Range> ranges, uint32_t before);
  template <size_t N>
  static Slots<N> SlotsOf(std::span<const Key> keys);
  void MakeTree(std::span<const Key> keys, Group* group);

  uint32_t FindFrom(const Group* group, Address address) const;
  uint32_t Search(const Group& group, uint32_t word) const;

  std::vector<Leaf> leaves_;
  std::vector<Inner> inner_;
  std::vector<Group> groups_;
  Group v4_, v6_;
  bool mapped_in_v6_;  // IPv4 prefixes are among those of IPv6 too: some of these have mapped addresses in them
};

}  // namespace shardns::gate
