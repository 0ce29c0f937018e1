// One version of a zone, as far as questions for names that are not in it are answered without JavaScript: denials,
// what wildcards make, and referrals (RFC 1034 section 4.3.2, RFC 4592). Names that have records are the cache's, and
// all that is not told here is left to lib/zone/answer.ts, which says the same of what is: aliases, DNAME, ANY,
// signatures, proofs.
//
// Immutable; any thread reads. Nothing is allocated for an answer.
#pragma once
#include <memory>

#include "wire/question.h"
#include "zones/packed_nodes.h"

namespace shardns::zones {

enum class Told : uint8_t {
  kNothing,  // left to others
  kDenied,
  kWildcard,  // or that it has nothing of the type
  kReferred,
};

struct Reply {
  Told told = Told::kNothing;
  size_t length = 0;
};

struct ZoneArrays {
  PackedNodes base;
  std::optional<PackedNodes> changes;  // laid over the base: what they say of a name counts (lib/zone/overlay.ts)
};

class ZoneView {
 public:
  // A folded name in wire form. `owner`: what keeps the arrays. Null: they are not whole, or have no SOA at the apex.
  static std::shared_ptr<const ZoneView> Create(Bytes apex, const ZoneArrays& arrays, const HalfSipKey& key,
                                                std::shared_ptr<const void> owner);

  Bytes apex() const { return {apex_, apex_length_}; }

  // The reply to a question for a name at or below the apex, without OPT, to be finished for its client: question and
  // records, AA as it is due, RA never. `folded`: the question's name.
  Reply Answer(const wire::Query& query, Bytes folded, MutableBytes out) const;

 private:
  // Below `base_count_` one of the base, else one of the changes.
  using Node = uint32_t;
  static constexpr Node kNone = PackedNodes::kNone;
  class Writer;

  ZoneView() = default;
  Node Find(Bytes labels) const;
  const PackedNodes& NodesOf(Node node) const { return node < base_count_ ? arrays_.base : *arrays_.changes; }
  uint32_t IndexOf(Node node) const { return node < base_count_ ? node : node - base_count_; }
  uint8_t FlagsOf(Node node) const { return NodesOf(node).flags[IndexOf(node)]; }
  std::optional<Rrset> Find(Node node, uint16_t type, uint16_t covers = 0) const {
    return NodesOf(node).Find(IndexOf(node), type, covers);
  }
  // A name's own "*": what it says of cuts and renaming is data.
  bool IsWildcard(Node node) const {
    const Bytes name = NodesOf(node).NameOf(IndexOf(node));
    return name.size() >= 2 && name[0] == 1 && name[1] == '*';
  }

  Told Missing(const wire::Query& query, Bytes encloser, Writer* writer) const;
  Told Refer(Node cut, Bytes name, Writer* writer) const;
  void Addresses(Node node, size_t owner, size_t most, Writer* writer) const;
  bool Deny(Writer* writer) const;

  uint8_t apex_[wire::kMaxNameSize];
  size_t apex_length_ = 0;
  ZoneArrays arrays_;
  HalfSipKey key_;
  std::shared_ptr<const void> owner_;
  uint32_t base_count_ = 0;
  Node apex_node_ = kNone;
  uint32_t denial_ttl_ = 0;
  bool signed_ = false;
};

}  // namespace shardns::zones
