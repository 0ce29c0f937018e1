// The owner of a record of a message, compared with names met before: expanded, folded and hashed once at most.
#pragma once
#include "wire/rdata.h"

namespace shardns::answers {

// Where a name that was met has its first label, and its hash: 0 = not known yet.
struct MetName {
  size_t first;
  uint64_t hash;
};

// An owner, expanded and folded once for all that is asked about it.
class Owner {
 public:
  explicit Owner(Bytes message) : message_(message) {}

  void Read(size_t at) {
    const size_t first = wire::FirstLabel(message_, at);
    if (first == first_) return;
    first_ = first;
    size_ = 0;
  }
  size_t first() const { return first_; }
  Bytes folded() {
    Expand();
    return {name_, size_};
  }
  // Names that begin at one place are equal without comparing.
  bool Is(MetName* name) {
    if (name->first == first_) return true;
    if (name->hash == 0) {
      uint8_t octets[wire::kMaxNameSize];
      name->hash = wire::HashName({octets, wire::ExpandFolded(message_, name->first, octets)});
    }
    Expand();
    return name->hash == hash_ && wire::EqualsFolded(message_, name->first, {name_, size_});
  }

 private:
  void Expand() {
    if (size_ != 0) return;
    size_ = wire::ExpandFolded(message_, first_, name_);
    hash_ = wire::HashName({name_, size_});
  }

  const Bytes message_;
  size_t first_ = 0;
  size_t size_ = 0;  // 0 = not expanded yet
  uint64_t hash_ = 0;
  uint8_t name_[wire::kMaxNameSize];
};

}  // namespace shardns::answers
