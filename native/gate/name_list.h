// What lists of names say of a question's name: which rule of which list, found in one pass over the labels. Immutable:
// built by NameListBuilder, published whole.
//
// One table of 64-octet buckets: eight tags, 32 bits of a keyed hash, and eight places in a pool of names. A name is
// hashed label by label from the right, each mixed into the hash of what stands to its right, so that all its suffixes
// cost one pass; depths that no entry has are not looked for. On equal tags the whole name is compared: nothing is
// blocked that no list names, whatever hashes to what. The key is drawn at each build: nobody can write a list, or ask
// names, that fall into one bucket. A lookup allocates nothing.
//
// Which rule: the lowest tier among those of the client's lists; in a tier the longest name, exact before subtree
// before below; then the list that was named first. In a zone a wildcard holds for names of which no longer part exists
// there (RFC 4592 section 3.3.1). Tiers are given by whoever compiles: lists in the AdGuard manner
// share four (important allow, important block, allow, block), a response policy zone has one of its own.
//
// Bound: kMaxNames, and 4 GiB of names. 12 octets and the name's own, and 6 for each rule: 38 a name of 20 octets.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "base/hash.h"
#include "wire/name.h"

namespace shardns::gate {

inline constexpr size_t kMaxNames = size_t{1} << 27;
inline constexpr size_t kMaxLists = 64;  // of a client, as a set of bits

enum class NameKind : uint8_t {
  kExact,    // the name alone
  kSubtree,  // and all below it
  kBelow,    // all below it, not the name (the wildcard of RFC 4592 and of response policy zones)
  kNode,     // nothing: that the name exists in a zone, where names below it have rules (an empty non-terminal)
};

enum class ListAction : uint8_t {
  kPass,  // nothing of a higher tier counts
  kNxDomain,
  kNoData,
  kZero,  // 0.0.0.0 and ::, at which browsers stop soonest
  kRefuse,
  kDrop,
  kTruncate,  // over UDP
  kData,      // records that `data` stands for
};

// What all rules of one kind of one list say.
struct ListPolicy {
  uint8_t list;  // below kMaxLists, in the order that they were named
  uint8_t tier;  // the lowest decides
  ListAction action;
  uint32_t data = 0;
  bool operator==(const ListPolicy&) const = default;
};
inline constexpr size_t kMaxPolicies = size_t{1} << 16;
inline constexpr uint32_t kMaxListLine = (uint32_t{1} << 29) - 1;

struct NameMatch {
  ListPolicy policy;
  uint32_t line;   // of its list's source
  uint8_t labels;  // how many, from the right, the rule names
};

class NameList {
 public:
  // A name in wire form, in letters of any case, that is whole; `lists`: the bits of those that apply to the client.
  std::optional<NameMatch> Find(Bytes name, uint64_t lists) const;
  // Asks memory for what Find will read, where that is more than a core's own cache holds: a batch asks for all its
  // names before it looks for the first.
  void Prefetch(Bytes name) const;

  size_t names() const { return names_; }
  size_t memory_bytes() const {
    return sizeof *this + buckets_count_ * sizeof(Bucket) + pool_.capacity() +
           policies_.capacity() * sizeof(ListPolicy);
  }

 private:
  friend class NameListBuilder;
  NameList() = default;

  static constexpr size_t kWays = 8;
  // A place is free where its `at` is kFree; those behind it are free too.
  static constexpr uint32_t kFree = UINT32_MAX;
  struct alignas(64) Bucket {
    uint32_t tags[kWays];
    uint32_t at[kWays];
  };
  static_assert(sizeof(Bucket) == 64);
  // Behind each name in the pool, one or more. In a zone a rule for a subtree is two: that of the name in `line`, and
  // that of all below it in the line after.
  //  0                                4
  //  | line : 29 | more : 1 | kind : 2 | policy : 16 |
  static constexpr size_t kRuleSize = 6;
  static constexpr uint32_t kMoreBit = uint32_t{1} << 2;

  // Octets behind a name that can be read while it is hashed.
  static constexpr size_t kSlack = 16;

  // Calls visit(hash, labels) for the suffixes of a folded name that may have an entry, shortest first.
  template <typename Visit>
  void Suffixes(const uint8_t* folded, const uint8_t* starts, size_t labels, Visit visit) const;
  // Where each label begins, and how many there are without the root's.
  static size_t Labels(const uint8_t* folded, uint8_t (&starts)[128]);
  uint64_t MixLabel(uint64_t suffix, const uint8_t* label) const;
  size_t BucketOf(uint64_t hash) const {
    return static_cast<size_t>(static_cast<unsigned __int128>(hash) * buckets_count_ >> 64);
  }
  // Place in the pool of that name; kFree: it has none.
  uint32_t FindName(uint64_t hash, Bytes name) const;
  bool HasDepth(size_t labels) const { return (depths_[labels / 64] >> (labels % 64) & 1) != 0; }

  HashSecret secret_;
  size_t names_ = 0;
  size_t buckets_count_ = 0;
  std::unique_ptr<Bucket[]> buckets_;
  std::vector<uint8_t> pool_;
  std::vector<ListPolicy> policies_;
  uint64_t zones_ = 0;       // lists that are zones, as bits
  uint64_t depths_[2] = {};  // numbers of labels that names have
  size_t deepest_ = 0;
};

}  // namespace shardns::gate
