// Nested prefixes to ranges, ranges to groups, and the search.
#include "gate/prefix_map.h"

#include <algorithm>
#include <iterator>

namespace shardns::gate {

namespace {

using Address = unsigned __int128;

constexpr Address kMapped = Address{0xFFFF} << 32;  // ::ffff:0:0/96 (RFC 4291 section 2.5.5.2)

Address Number(const uint8_t* octets, size_t count) {
  Address number = 0;
  for (size_t i = 0; i < count; ++i) number = number << 8 | octets[i];
  return number;
}
// The bits behind a prefix's.
Address HostBits(unsigned bits, unsigned length) {
  return length == 0 ? (bits == 128 ? ~Address{0} : Address{UINT32_MAX}) : (Address{1} << (bits - length)) - 1;
}

constexpr int32_t Biased(uint32_t word) { return static_cast<int32_t>(word ^ 0x80000000u); }

// How many of sorted keys are at most the word; four at a time (compilers make one vector instruction of each line).
template <size_t N>
inline uint32_t AtMost(const int32_t (&keys)[N], int32_t word) {
  using Four = int32_t __attribute__((vector_size(16)));
  const Four words = {word, word, word, word};
  Four above = {};
  for (size_t i = 0; i < N; i += 4) {
    Four four;
    std::memcpy(&four, keys + i, sizeof four);
    above -= four > words;  // true is -1
  }
  const Words2 halves = reinterpret_cast<Words2>(above);
  const uint64_t sum = halves[0] + halves[1];
  return static_cast<uint32_t>(N) - static_cast<uint32_t>(sum) - static_cast<uint32_t>(sum >> 32);
}

bool IsMapped(const uint8_t* octets) {
  return LoadNative<uint64_t>(octets) == 0 && LoadNative<uint32_t>(octets + 8) == 0xFFFF0000u;
}

// The same prefix of IPv6-mapped addresses.
PrefixRule MappedRule(const PrefixRule& rule) {
  PrefixRule mapped = {.prefix = {.address = {}, .length = static_cast<uint8_t>(96 + rule.prefix.length), .v6 = true},
                       .value = rule.value,
                       .mask = rule.mask};
  mapped.prefix.address[10] = mapped.prefix.address[11] = 0xFF;
  std::memcpy(mapped.prefix.address + 12, rule.prefix.address, 4);
  return mapped;
}

bool TouchesMapped(const Prefix& prefix) {
  const Address host = HostBits(128, std::min<unsigned>(prefix.length, 96));
  return ((Number(prefix.address, 16) ^ kMapped) & ~host) == 0;
}

}  // namespace

std::vector<PrefixMap::Range> PrefixMap::Ranges(std::vector<PrefixRule> rules, bool v6, uint32_t otherwise) {
  struct Inside {
    Address first, last;
    uint32_t value, mask;
  };
  const unsigned bits = v6 ? 128 : 32;
  const Address all = HostBits(bits, 0);
  std::vector<Inside> blocks;
  blocks.reserve(rules.size());
  for (const auto& [prefix, value, mask] : rules) {
    const Address host = HostBits(bits, prefix.length);
    const Address first = Number(prefix.address, bits / 8) & ~host;
    blocks.push_back({.first = first, .last = first | host, .value = value & mask, .mask = mask});
  }
  // Outer ones before those inside them; prefixes are nested or apart, never half.
  std::stable_sort(blocks.begin(), blocks.end(), [](const Inside& a, const Inside& b) {
    return a.first != b.first ? a.first < b.first : a.last > b.last;
  });
  std::vector<Range> ranges = {{.first = 0, .value = otherwise}};
  const auto begin = [&](Address first, uint32_t value) {
    if (ranges.back().first == first) {
      ranges.back().value = value;
      if (ranges.size() > 1 && ranges[ranges.size() - 2].value == value) ranges.pop_back();
    } else if (ranges.back().value != value) {
      ranges.push_back({.first = first, .value = value});
    }
  };
  std::vector<Inside> around;
  const auto outer = [&] { return around.empty() ? otherwise : around.back().value; };
  const auto leave_before = [&](Address first, bool every) {
    while (!around.empty() && (every || around.back().last < first)) {
      const Address last = around.back().last;
      around.pop_back();
      if (last != all) begin(last + 1, outer());
    }
  };
  for (Inside& block : blocks) {
    leave_before(block.first, false);
    block.value |= outer() & ~block.mask;
    begin(block.first, block.value);
    around.push_back(block);
  }
  leave_before(0, true);
  return ranges;
}

// A group for the ranges that begin in some stretch of addresses, which begins with the value `before`.
PrefixMap::Group PrefixMap::MakeGroup(std::span<const Range> ranges, uint32_t before) {
  Group group = {.base = 0, .shift = 0, .before = before, .last = before, .levels = 0, .few = {}};
  std::vector<Key> keys;
  if (ranges.empty()) {
    keys.push_back({.word = 0, .slot = before});
  } else {
    group.base = ranges.front().first;
    group.last = ranges.back().value;
    // A word is left for what comes behind a group of its own.
    while ((ranges.back().first - group.base) >> group.shift >= kBehind - 1) ++group.shift;
  }
  const auto word_of = [&](const Range& range) {
    return static_cast<uint32_t>((range.first - group.base) >> group.shift);
  };
  for (size_t i = 0; i < ranges.size();) {
    const uint32_t word = word_of(ranges[i]);
    size_t end = i + 1;
    while (end < ranges.size() && word_of(ranges[end]) == word) ++end;
    if (end == i + 1 && (ranges[i].first - group.base) >> group.shift << group.shift == ranges[i].first - group.base) {
      keys.push_back({.word = word, .slot = ranges[i].value});
    } else {
      const Group inside = MakeGroup(ranges.subspan(i, end - i), before);
      keys.push_back({.word = word, .slot = kGroup | static_cast<uint32_t>(groups_.size())});
      groups_.push_back(inside);
      if (end == ranges.size() || word_of(ranges[end]) != word + 1) {
        keys.push_back({.word = word + 1, .slot = ranges[end - 1].value});
      }
    }
    before = ranges[end - 1].value;
    i = end;
  }
  if (keys.size() <= std::size(group.few.keys)) {
    group.few = SlotsOf<4>(keys);
  } else {
    MakeTree(keys, &group);
  }
  return group;
}

// Places that are left over have the greatest word, which is not searched for.
template <size_t N>
PrefixMap::Slots<N> PrefixMap::SlotsOf(std::span<const Key> keys) {
  Slots<N> slots = {};
  for (size_t i = 0; i < N; ++i) {
    slots.keys[i] = Biased(i < keys.size() ? keys[i].word : kBehind);
    slots.slots[i] = i < keys.size() ? keys[i].slot : 0;
  }
  return slots;
}

void PrefixMap::MakeTree(std::span<const Key> keys, Group* group) {
  group->tree = {.leaves = static_cast<uint32_t>(leaves_.size()), .inner = {}};
  group->levels = 1;
  std::vector<int32_t> firsts;  // the first keys of the blocks of a level
  for (size_t i = 0; i < keys.size(); i += 16) {
    leaves_.push_back(SlotsOf<16>(keys.subspan(i, std::min<size_t>(16, keys.size() - i))));
    firsts.push_back(Biased(keys[i].word));
  }
  for (; firsts.size() > 1; ++group->levels) {
    SHARDNS_CHECK(group->levels <= kMaxInner);
    group->tree.inner[group->levels - 1] = static_cast<uint32_t>(inner_.size());
    std::vector<int32_t> above;
    for (size_t child = 0; child < firsts.size(); child += 17) {
      Inner inner;
      for (size_t i = 0; i < 16; ++i) {
        inner.keys[i] = child + i + 1 < firsts.size() ? firsts[child + i + 1] : Biased(kBehind);
      }
      inner_.push_back(inner);
      above.push_back(firsts[child]);
    }
    firsts = std::move(above);
  }
}

PrefixMap::PrefixMap(std::span<const PrefixRule> rules, uint32_t otherwise) {
  SHARDNS_CHECK(rules.size() <= kMaxRules && otherwise <= kMaxValue);
  std::vector<PrefixRule> of_v4, of_v6;
  mapped_in_v6_ = std::any_of(rules.begin(), rules.end(),
                              [](const PrefixRule& rule) { return rule.prefix.v6 && TouchesMapped(rule.prefix); });
  for (const PrefixRule& rule : rules) {
    SHARDNS_CHECK(rule.value <= kMaxValue && rule.prefix.length <= (rule.prefix.v6 ? 128 : 32));
    if (rule.prefix.v6) continue;
    of_v4.push_back(rule);
    if (mapped_in_v6_) of_v6.push_back(MappedRule(rule));
  }
  // Behind the mapped ones: a rule for the same prefix as it is written counts.
  std::copy_if(rules.begin(), rules.end(), std::back_inserter(of_v6), [](const auto& rule) { return rule.prefix.v6; });
  const auto root = [&](std::vector<PrefixRule> some, bool v6) {
    const std::vector<Range> ranges = Ranges(std::move(some), v6, otherwise);
    return MakeGroup(std::span(ranges).subspan(1), ranges.front().value);
  };
  v4_ = root(std::move(of_v4), false);
  v6_ = root(std::move(of_v6), true);
  // To their size: shrink_to_fit does nothing without exceptions.
  std::vector<Leaf>(leaves_).swap(leaves_);
  std::vector<Inner>(inner_).swap(inner_);
  std::vector<Group>(groups_).swap(groups_);
}

inline uint32_t PrefixMap::Search(const Group& group, uint32_t word) const {
  // The first key of a group is 0: at least one is at most the word.
  const int32_t biased = Biased(word);
  if (group.levels == 0) return group.few.slots[AtMost(group.few.keys, biased) - 1];
  size_t child = 0;
  for (size_t level = group.levels - 1; level-- > 0;) {
    child = child * 17 + AtMost(inner_[group.tree.inner[level] + child].keys, biased);
  }
  const Leaf& leaf = leaves_[group.tree.leaves + child];
  return leaf.slots[AtMost(leaf.keys, biased) - 1];
}

inline uint32_t PrefixMap::FindFrom(const Group* group, Address address) const {
  for (;;) {
    if (address < group->base) return group->before;
    const Address word = (address - group->base) >> group->shift;
    if (word >= kBehind) return group->last;
    const uint32_t slot = Search(*group, static_cast<uint32_t>(word));
    if ((slot & kGroup) == 0) return slot;
    group = &groups_[slot & ~kGroup];
  }
}

uint32_t PrefixMap::Find(Bytes address) const {
  const uint8_t* const octets = address.data();
  if (address.size() == 4) return FindFrom(&v4_, Load32(octets));
  if (!mapped_in_v6_ && IsMapped(octets)) [[unlikely]]
    return FindFrom(&v4_, Load32(octets + 12));
  const Address high = __builtin_bswap64(LoadNative<uint64_t>(octets));
  return FindFrom(&v6_, high << 64 | __builtin_bswap64(LoadNative<uint64_t>(octets + 8)));
}

}  // namespace shardns::gate
