// A bounded cache of octets under octets, with times to live, namespaces and tags. Keys are given whole: one octet with
// the length of the namespace's name, that name, and the key within it.
//
// Threads: as answers/answer_cache.h.
#pragma once
#include "bytes/byte_format.h"
#include "store/stripes.h"

namespace shardns::bytes {

enum class ByteOutcome : uint8_t { kMiss = 0, kHit = 1, kStale = 2, kFailure = 3, kTooLong = 4 };

// What a lookup saw of an entry beside its value.
struct ByteSeen {
  ByteOutcome outcome = ByteOutcome::kMiss;
  bool refresh = false;  // this hit was chosen to refresh the entry; once per entry
  uint8_t kind = 0;
  uint32_t length = 0;
  uint32_t freq = 0;
  double remaining_ms = 0;  // infinite: it does not expire; negative: expired
};

struct ByteTunables {
  std::atomic<uint32_t> stale_ms{0};  // how long past its time an entry is kept, to be had on request
  // Refresh when less than this share (of 256) of the lifetime is left, by popularity 0 to 3.
  std::atomic<uint32_t> refresh_share[4]{};
  // Probabilistic early refresh: probability exp(-remaining / beta); 0 = off (Vattani et al., VLDB 2015).
  std::atomic<uint32_t> early_refresh_beta_ms{0};
};

// The kind that a value must have to be one; a failure is one of every kind.
inline constexpr uint8_t kAnyKind = 0xFF;

struct ByteGet {
  Bytes key;
  uint64_t now;
  bool allow_stale = false;
  bool count = true;  // false: neither statistics nor refreshes
  uint8_t kind = kAnyKind;
};

struct ByteTouch {
  Bytes key;
  uint64_t ttl_ms;
  uint64_t now;
  uint8_t kind = kAnyKind;
};

struct ByteSet {
  Bytes key = {};
  Bytes value = {};
  uint64_t now = 0;
  uint64_t ttl_ms = kNever;
  uint8_t flags = 0;  // byte_flag
  uint8_t tags = 0;
  uint16_t tag[kMaxMarks - 1] = {};  // their marks
  uint32_t lifetime_ms = 0;          // what it was given first, if that was more than ttl_ms
  // The generation in which the value was asked for; 0 = now. What was forgotten since stays forgotten.
  uint32_t generation = 0;
  uint32_t freq = 0;
};

class ByteCache : public store::Stripes<ByteFormat> {
 public:
  explicit ByteCache(std::unique_ptr<store::Region> region) : Stripes(std::move(region)) {}

  void PrefetchKey(Bytes octets) const {
    const ByteKey key = MakeByteKey(secret(), octets);
    shard_of(key).PrefetchBuckets(key.hash);
  }
  // Copies the value to `out`; kTooLong: it has `length` octets, and `out` fewer.
  void Get(const ByteGet& args, store::Reader* reader, MutableBytes out, ByteSeen* seen) const;
  Status Set(const ByteSet& args);
  bool Remove(Bytes octets) {
    const ByteKey key = MakeByteKey(secret(), octets);
    return shard_of(key).Remove(key);
  }
  // Gives the entry that is there a new lifetime; false when there is none, or it is expired.
  bool Touch(const ByteTouch& args, MutableBytes scratch);

  // A namespace's name with its length before it, as keys begin; and a tag's mark.
  void ForgetNamespace(Bytes name) { invalidations_.Forget(invalidations_.Broad(MarkOf(name))); }
  void ForgetTag(uint16_t mark) { invalidations_.Forget(invalidations_.Narrow(mark)); }
  static uint16_t TagMark(Bytes tag) { return MarkOf(tag); }
  // Whether the entry at `at`, seen in a walk, has been forgotten since it was stored.
  bool IsForgotten(const uint8_t* at, const ByteHeader& header) const {
    ByteFound found;
    found.header = header;
    const uint8_t* key = at + sizeof header;
    std::memcpy(found.mark, key + header.key_length + header.length, 2u * header.marks);
    return Forgotten(found, header.key_length > 0 && key[0] != 0);
  }

  void SetStaleWindow(uint32_t ms);
  ByteTunables& tunables() { return tunables_; }

 private:
  static uint16_t MarkOf(Bytes name) {
    return static_cast<uint16_t>(KeyedHash(ExpandSeed(0), name.data(), name.size(), name.size()) >> 32);
  }
  // `named`: the first mark is a namespace's.
  bool Forgotten(const ByteFound& found, bool named) const {
    const uint32_t generation = found.header.generation;
    if (generation == this->generation()) [[likely]]
      return false;
    if (invalidations_.AllForgotten(generation)) return true;
    for (size_t i = 0; i < found.header.marks; ++i) {
      const uint32_t place =
          i == 0 && named ? invalidations_.Broad(found.mark[0]) : invalidations_.Narrow(found.mark[i]);
      if (invalidations_.Forgotten(place, generation)) return true;
    }
    return false;
  }
  bool ChooseRefresh(const ByteFound& found, uint64_t remaining, store::Reader* reader) const;

  ByteTunables tunables_;
};

}  // namespace shardns::bytes
