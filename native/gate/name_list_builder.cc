// Rules sorted by the hash of their names, which is the order of buckets: memory is written from one end to the other.
#include "gate/name_list_builder.h"

#include <sys/mman.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "base/prefetch.h"

namespace shardns::gate {

namespace {

// A lookup in a large table reads one line anywhere in it: with pages of 4 KiB where they lie has to be read first,
// which takes as long again. Of memory that has not been touched.
void AskForHugePages(void* memory, size_t octets) {
#ifdef MADV_HUGEPAGE
  constexpr uintptr_t kPage = 4096;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + kPage - 1) & ~(kPage - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(memory) + octets) & ~(kPage - 1);
  if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  static_cast<void>(memory), static_cast<void>(octets);
#endif
}

}  // namespace

namespace {
// A lookup compares as many octets as its name has, behind which a pool must go on.
constexpr size_t kPoolEnd = wire::kMaxNameSize + 1;
constexpr size_t kMaxPool = UINT32_MAX - 2 * kPoolEnd;
// Buckets of eight at 5.6 on average: one in eight is full, and sends a search to the next.
constexpr size_t kFillThousandths = 5600;
}  // namespace

NameListBuilder::NameListBuilder(uint64_t seed, size_t max_names) : empty_(new NameList), max_names_(max_names) {
  SHARDNS_CHECK(max_names <= kMaxNames);
  empty_->secret_ = ExpandSeed(seed);
}

std::optional<uint16_t> NameListBuilder::PolicyOf(const ListPolicy& policy) {
  SHARDNS_CHECK(policy.list < kMaxLists);
  const uint64_t packed = uint64_t{policy.list} << 48 | uint64_t{policy.tier} << 40 |
                          uint64_t{static_cast<uint8_t>(policy.action)} << 32 | policy.data;
  const auto known = policy_numbers_.find(packed);
  if (known != policy_numbers_.end()) return known->second;
  if (policies_.size() == kMaxPolicies) return std::nullopt;
  const auto number = static_cast<uint16_t>(policies_.size());
  policies_.push_back(policy);
  policy_numbers_.emplace(packed, number);
  return number;
}

uint64_t NameListBuilder::HashOf(const uint8_t* name, size_t size) const {
  uint8_t folded[wire::kMaxNameSize + NameList::kSlack];
  std::memcpy(folded, name, size);
  uint8_t starts[128];
  uint64_t hash = empty_->secret_.words[0];
  for (size_t label = NameList::Labels(folded, starts); label-- > 0;) {
    hash = empty_->MixLabel(hash, folded + starts[label]);
  }
  return hash;
}

template <typename Visit>
void NameListBuilder::Above(Bytes name, Visit visit) const {
  uint8_t folded[wire::kMaxNameSize + NameList::kSlack];
  std::memcpy(folded, name.data(), name.size());
  uint8_t starts[128];
  const size_t labels = NameList::Labels(folded, starts);
  uint64_t hashes[128];
  hashes[0] = empty_->secret_.words[0];
  for (size_t depth = 1; depth < labels; ++depth) {
    hashes[depth] = empty_->MixLabel(hashes[depth - 1], folded + starts[labels - depth]);
  }
  for (size_t depth = labels; depth-- > 0;) {
    if (!visit(hashes[depth], depth == 0 ? name.size() - 1 : size_t{starts[labels - depth]})) return;
  }
}

// Where a name lies below a wildcard of its zone, the names between the two exist as well.
bool NameListBuilder::EndZone(uint8_t list) {
  const auto is_of = [&](const Rule& rule) { return policies_[rule.policy].list == list; };
  const auto rule_of = [&](const Staged& one) {
    const uint8_t* const name = &pool_[one.at];
    return ReadRule(name + NameSize(name));
  };
  std::vector<uint64_t> wildcards;
  std::vector<Staged> rules;
  pool_.insert(pool_.end(), kPoolEnd, 0);
  for (const Staged& one : staged_) {
    const Rule rule = rule_of(one);
    if (!is_of(rule)) continue;
    if (rule.kind() == NameKind::kBelow) wildcards.push_back(one.hash);
    rules.push_back(one);
  }
  std::sort(wildcards.begin(), wildcards.end());
  std::vector<std::string> nodes;
  std::vector<uint16_t> policies;
  for (const Staged& one : rules) {
    if (wildcards.empty()) break;
    const Bytes name(&pool_[one.at], NameSize(&pool_[one.at]));
    size_t between = 0, count = 0;
    Above(name, [&](uint64_t hash, size_t) {
      ++count;
      if (std::binary_search(wildcards.begin(), wildcards.end(), hash)) between = count - 1;
      return true;
    });
    if (between == 0) continue;
    Above(name, [&](uint64_t, size_t from) {
      nodes.emplace_back(reinterpret_cast<const char*>(name.data()) + from, name.size() - from);
      policies.push_back(rule_of(one).policy);
      return --between > 0;
    });
  }
  pool_.resize(pool_.size() - kPoolEnd);
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Bytes name(reinterpret_cast<const uint8_t*>(nodes[i].data()), nodes[i].size());
    if (!Add({.name = name, .kind = NameKind::kNode, .policy = policies[i], .line = 0})) return false;
  }
  return true;
}

bool NameListBuilder::Stage(const NameRule& rule, uint32_t bits) {
  SHARDNS_CHECK(rule.line <= kMaxListLine && rule.policy < policies_.size());
  const size_t size = rule.name.size();
  SHARDNS_CHECK(size >= 1 && size <= wire::kMaxNameSize && wire::PlainNameLength(rule.name, 0) == size);
  if (staged_.size() == max_names_ || pool_.size() + size + NameList::kRuleSize > kMaxPool) return false;
  staged_.push_back({.hash = HashOf(rule.name.data(), size), .at = static_cast<uint32_t>(pool_.size())});
  pool_.insert(pool_.end(), rule.name.begin(), rule.name.end());
  const uint32_t word = rule.line << 3 | bits | static_cast<uint32_t>(rule.kind);
  uint8_t octets[NameList::kRuleSize];
  std::memcpy(octets, &word, sizeof word);
  std::memcpy(octets + sizeof word, &rule.policy, sizeof rule.policy);
  pool_.insert(pool_.end(), octets, octets + sizeof octets);
  return true;
}

const uint8_t* NameListBuilder::ReadRules(const uint8_t* from, Rules* rules) {
  rules->clear();
  for (bool more = true; more; from += NameList::kRuleSize) {
    rules->push_back(ReadRule(from));
    more = (rules->back().word & NameList::kMoreBit) != 0;
    rules->back().word &= ~NameList::kMoreBit;
  }
  return from;
}

// The order in which a lookup takes them: exact first, then the list that was named first.
void NameListBuilder::Settle(Rules* rules) const {
  if (rules->size() == 1 && (rules->front().word & kCancels) == 0) return;
  const auto tier = [&](const Rule& rule) { return policies_[rule.policy].tier; };
  bool cancelled[4][UINT8_MAX + 1] = {};
  for (const Rule& rule : *rules) {
    if ((rule.word & kCancels) != 0) cancelled[static_cast<size_t>(rule.kind())][tier(rule)] = true;
  }
  std::erase_if(*rules, [&](const Rule& rule) { return cancelled[static_cast<size_t>(rule.kind())][tier(rule)]; });
  const auto key = [&](const Rule& rule) {
    return std::tuple(rule.kind(), policies_[rule.policy].list, tier(rule), rule.line());
  };
  std::sort(rules->begin(), rules->end(), [&](const Rule& a, const Rule& b) { return key(a) < key(b); });
  const auto same = [&](const Rule& a, const Rule& b) {
    return a.kind() == b.kind() && policies_[a.policy].list == policies_[b.policy].list && tier(a) == tier(b);
  };
  rules->erase(std::unique(rules->begin(), rules->end(), same), rules->end());
}

void NameListBuilder::MakeRoom(size_t names, size_t octets, NameList* list) const {
  list->secret_ = empty_->secret_;
  list->zones_ = empty_->zones_;
  list->policies_ = policies_;
  list->buckets_count_ = names * 1000 / kFillThousandths + 1;
  list->buckets_.reset(new NameList::Bucket[list->buckets_count_]);
  AskForHugePages(list->buckets_.get(), list->buckets_count_ * sizeof(NameList::Bucket));
  for (size_t i = 0; i < list->buckets_count_; ++i) {
    std::memset(list->buckets_[i].tags, 0, sizeof list->buckets_[i].tags);
    std::fill_n(list->buckets_[i].at, NameList::kWays, NameList::kFree);
  }
  list->pool_.reserve(octets + kPoolEnd);
}

void NameListBuilder::Append(uint64_t hash, Bytes name, const Rules& rules, NameList* list) const {
  const auto at = static_cast<uint32_t>(list->pool_.size());
  list->pool_.insert(list->pool_.end(), name.begin(), name.end());
  for (size_t i = 0; i < rules.size(); ++i) {
    const uint32_t word = rules[i].word | (i + 1 < rules.size() ? NameList::kMoreBit : 0);
    uint8_t octets[NameList::kRuleSize];
    std::memcpy(octets, &word, sizeof word);
    std::memcpy(octets + sizeof word, &rules[i].policy, sizeof rules[i].policy);
    list->pool_.insert(list->pool_.end(), octets, octets + sizeof octets);
  }
  size_t labels = 0;
  for (size_t here = 0; name[here] != 0; here += 1u + name[here]) ++labels;
  list->depths_[labels / 64] |= uint64_t{1} << (labels % 64);
  list->deepest_ = std::max(list->deepest_, labels);
  ++list->names_;
  for (size_t bucket = list->BucketOf(hash);; bucket = bucket + 1 == list->buckets_count_ ? 0 : bucket + 1) {
    NameList::Bucket& into = list->buckets_[bucket];
    for (size_t way = 0; way < NameList::kWays; ++way) {
      if (into.at[way] != NameList::kFree) continue;
      into.tags[way] = static_cast<uint32_t>(hash);
      into.at[way] = at;
      return;
    }
  }
}

// Everything, name by name.
std::unique_ptr<NameList> NameListBuilder::Gather() {
  std::sort(staged_.begin(), staged_.end(),
            [](const Staged& a, const Staged& b) { return a.hash != b.hash ? a.hash < b.hash : a.at < b.at; });
  std::unique_ptr<NameList> list(new NameList);
  size_t names = 0;
  for (size_t i = 0; i < staged_.size(); ++i) names += i == 0 || staged_[i].hash != staged_[i - 1].hash;
  // Of names that differ under one hash of 64 bits, which are none, there would be a few more.
  MakeRoom(names + 64, pool_.size(), list.get());
  pool_.insert(pool_.end(), kPoolEnd, 0);
  Rules rules;
  std::vector<uint32_t> left;
  for (size_t i = 0; i < staged_.size();) {
    constexpr size_t kAhead = 16;
    if (i + kAhead < staged_.size()) PrefetchLine(&pool_[staged_[i + kAhead].at]);
    const uint64_t hash = staged_[i].hash;
    left.clear();
    for (; i < staged_.size() && staged_[i].hash == hash; ++i) left.push_back(staged_[i].at);
    while (!left.empty()) {
      const Bytes name = {&pool_[left.front()], NameSize(&pool_[left.front()])};
      rules.clear();
      std::erase_if(left, [&](uint32_t at) {
        if (std::memcmp(&pool_[at], name.data(), name.size()) != 0) return false;
        rules.push_back(ReadRule(&pool_[at + name.size()]));
        return true;
      });
      Settle(&rules);
      if (!rules.empty()) Append(hash, name, rules, list.get());
    }
  }
  list->pool_.insert(list->pool_.end(), kPoolEnd, 0);
  staged_ = {};
  pool_ = {};
  return list;
}

// A rule is needless where its name, and all below it that it speaks of, would be told the same by others of its tier:
// the next name above with any rule of that tier for what lies below has rules of the same policy only.
void NameListBuilder::DropNeedless(const NameList& all, const uint8_t* name, size_t size, Rules* rules,
                                   Rules* above) const {
  uint8_t starts[128];
  const size_t labels = NameList::Labels(name, starts);
  uint64_t hashes[128];
  hashes[0] = all.secret_.words[0];
  for (size_t depth = 0; depth + 1 < labels; ++depth) {
    if (all.HasDepth(depth)) PrefetchLine(&all.buckets_[all.BucketOf(hashes[depth])]);
    hashes[depth + 1] = all.MixLabel(hashes[depth], name + starts[labels - depth - 1]);
  }
  const auto tier = [&](const Rule& rule) { return policies_[rule.policy].tier; };
  enum class Said { kNothing, kSame, kOther };
  const auto beside = [&](const Rule& rule) {
    Said said = Said::kNothing;
    for (const Rule& one : *rules) {
      if (&one == &rule || tier(one) != tier(rule)) continue;
      if (one.policy != rule.policy) return Said::kOther;
      if (one.kind() == NameKind::kSubtree) said = Said::kSame;
    }
    return said;
  };
  const auto higher = [&](const Rule& rule, size_t depth) {
    Said said = Said::kNothing;
    const size_t at = depth == 0 ? size - 1 : starts[labels - depth];
    const uint32_t place = all.FindName(hashes[depth], {name + at, size - at});
    if (place == NameList::kFree) return said;
    ReadRules(&all.pool_[place + (size - at)], above);
    for (const Rule& one : *above) {
      if (one.kind() == NameKind::kExact || tier(one) != tier(rule)) continue;
      if (one.policy != rule.policy) return Said::kOther;
      said = Said::kSame;
    }
    return said;
  };
  for (size_t i = 0; i < rules->size();) {
    const Rule& rule = (*rules)[i];
    if (IsZone(rule.policy)) {
      ++i;
      continue;
    }
    Said said = beside(rule);
    for (size_t depth = labels; said == Said::kNothing && depth-- > 0;) {
      if (all.HasDepth(depth)) said = higher(rule, depth);
    }
    if (said == Said::kSame) {
      rules->erase(rules->begin() + static_cast<ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
}

std::unique_ptr<NameList> NameListBuilder::Reduce(std::unique_ptr<NameList> all) const {
  Rules rules, left, above;
  const auto each = [&](auto&& take) {
    const uint8_t* const end = all->pool_.data() + all->pool_.size() - kPoolEnd;
    for (const uint8_t* at = all->pool_.data(); at < end;) {
      const Bytes name = {at, NameSize(at)};
      at = ReadRules(at + name.size(), &rules);
      take(name);
    }
  };
  std::vector<bool> stays;  // of each rule
  size_t names = 0, octets = 0;
  each([&](Bytes name) {
    uint8_t padded[wire::kMaxNameSize + NameList::kSlack];
    std::memcpy(padded, name.data(), name.size());
    left = rules;
    DropNeedless(*all, padded, name.size(), &left, &above);
    size_t next = 0;
    for (const Rule& rule : rules) {
      const bool kept = next < left.size() && left[next].word == rule.word && left[next].policy == rule.policy;
      next += kept;
      stays.push_back(kept);
    }
    names += !left.empty();
    octets += left.empty() ? 0 : name.size() + left.size() * NameList::kRuleSize;
  });
  if (octets + kPoolEnd == all->pool_.size()) return all;
  std::unique_ptr<NameList> list(new NameList);
  MakeRoom(names, octets, list.get());
  size_t number = 0;
  each([&](Bytes name) {
    std::erase_if(rules, [&](const Rule&) { return !stays[number++]; });
    if (!rules.empty()) Append(HashOf(name.data(), name.size()), name, rules, list.get());
  });
  list->pool_.insert(list->pool_.end(), kPoolEnd, 0);
  return list;
}

std::unique_ptr<const NameList> NameListBuilder::Build() && {
  std::unique_ptr<NameList> list = Reduce(Gather());
  if (list->pool_.capacity() > list->pool_.size() + list->pool_.size() / 32) list->pool_.shrink_to_fit();
  return list;
}

}  // namespace shardns::gate
