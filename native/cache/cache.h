// The cache's public face: raw query octets in, complete reply out; raw upstream response in, status out.
//
// Threads: Answer and AnswerBatch may run on any number of threads, each with its own Reader. Insert, Remove and the
// Forget family may run on any thread too; they lock the shard they touch.
#pragma once
#include "cache/answer_format.h"
#include "cache/prepare.h"
#include "cache/stripes.h"

namespace shardns::cache {

// What may change while the cache serves. Plain words, read relaxed: a reader may see a mix of old and new for one
// query, which is harmless.
struct Tunables {
  std::atomic<uint32_t> stale_window_seconds{0};  // RFC 8767 section 5: 1 to 3 days; 0 = no stale answers
  std::atomic<uint32_t> stale_ttl_seconds{30};    // RFC 8767 section 4
  // Prefetch when less than this share (of 256) of the TTL is left, by popularity 0 to 3.
  std::atomic<uint32_t> prefetch_share[4]{};
  // Probabilistic early refresh: probability exp(-remaining / beta); 0 = off (Vattani et al., VLDB 2015).
  std::atomic<uint32_t> early_refresh_beta_ticks{0};
  std::atomic<uint32_t> udp_size{1232};  // RFC 9715 section 3.1
  std::atomic<bool> rotate{false};
  std::atomic<bool> original_ttl{false};   // TTLs as they came, whatever the entry's age
  std::atomic<bool> client_subnet{false};  // answer by RFC 7871 scopes; else the option is ignored
};

enum class Outcome : uint8_t { kHit, kStaleHit, kFailureHit, kMiss };

struct Answer {
  Outcome outcome = Outcome::kMiss;
  bool refresh = false;    // this hit was chosen to ask for a refresh; once per entry
  bool has_stale = false;  // a miss for which a stale answer could be served
  size_t length = 0;
};

struct AnswerArgs {
  const wire::Query& query;
  Ticks now;
  uint32_t tenant = 0;
  bool udp = true;
  bool allow_stale = false;  // answer from an expired entry at once
  const wire::ClientSubnet* reply_subnet = nullptr;
};

struct InsertArgs {
  PrepareArgs prepare = {};
  Variant variant = {};
  Ticks now = 0;
};

struct FailureArgs {
  Bytes folded_name = {};
  uint16_t type = 0;
  Variant variant = {};
  uint32_t ttl_seconds = 5;
  uint16_t rcode = wire::rcode::kServFail;
  Ticks now = 0;
};

class Cache : public Stripes<AnswerFormat> {
 public:
  explicit Cache(std::unique_ptr<Region> region) : Stripes(std::move(region)) {}
  // Null when the options do not fit (RegionOptions).
  static std::unique_ptr<Cache> Create(const RegionOptions& options) { return Over<Cache>(Region::Create(options)); }

  // Builds the reply to a query whose verdict is kAnswer. `out` must have kLooseSlack octets more than the reply may
  // take; 65535 + kLooseSlack serves everything.
  // `answer` is written in place: a struct of small fields returned in registers would be read back too soon.
  void AnswerQuery(const AnswerArgs& args, Reader* reader, MutableBytes out, Answer* answer) const;
  // Computes the key ahead and asks memory for the index lines, so that a batch waits for memory once.
  void PrefetchQuery(const wire::Query& query, uint32_t tenant, Key* key) const;
  // For a stored message without extra octets, that is about to be restored.
  void PrefetchAnswer(Bytes message, uint8_t key_flags) const;
  void PrefetchEntry(const Key& key) const { shard_of(key).PrefetchEntry(key); }
  void AnswerPrefetched(const AnswerArgs& args, const Key& key, Reader* reader, MutableBytes out, Answer* answer) const;

  Status Insert(const InsertArgs& args, PrepareScratch* scratch, EntryImage* image);
  // Stores an answer that another cache held: it has lived `age`, and lives `remaining` at most.
  struct RestoreArgs {
    Bytes message;
    Variant variant;
    uint32_t freq;
    Ticks age, remaining, now;
    uint32_t wall_seconds;
    TtlPolicy ttl;
  };
  Status Restore(const RestoreArgs& args, PrepareScratch* scratch);
  Status InsertFailure(const FailureArgs& args);
  bool Remove(Bytes folded_name, uint16_t type, const Variant& variant);
  // A hit may be chosen to refresh the entry once more: the refresh that was asked for has failed.
  void AllowRefresh(Bytes folded_name, uint16_t type, const Variant& variant);

  // The stored message of a key, TTLs aged, without touching statistics; 0 = none. `remaining_ticks` may be negative.
  struct Peeked {
    size_t length = 0;
    int32_t remaining_ticks = 0;
    uint32_t freq = 0;
  };
  Peeked Peek(Bytes folded_name, uint16_t type, const Variant& variant, Ticks now, MutableBytes out) const;

  // Whether the entry at `at`, seen in a walk, has been forgotten since it was stored.
  bool IsForgotten(const uint8_t* at, const EntryHeader& header) const {
    Key key;
    return header.generation != generation() &&
           (!AnswerFormat::KeyAt(secret(), at, header, &key) || ForgottenSince(header.generation, key));
  }

  void ForgetName(Bytes folded_name);
  void ForgetSuffix(Bytes folded_suffix);
  void ForgetTenant(uint32_t tenant);

  // The time now, in ticks; `monotonic_ms` from a clock that has just been read.
  Ticks NowTicks(uint64_t monotonic_ms) const { return TicksFromMs(NowMs(monotonic_ms)); }
  Tunables& tunables() { return tunables_; }
  const Tunables& tunables() const { return tunables_; }
  void SetStaleWindow(uint32_t seconds);

 private:
  Variant VariantOf(const wire::Query& query, uint32_t tenant) const;
  void KeyOf(Bytes message, const Variant& variant, Key* key) const;
  void NoteScope(const wire::ClientSubnet& scope);
  bool ChooseRefresh(const Found& found, int32_t remaining, Reader* reader) const;
  bool Forgotten(const Found& found, const Key& key) const {
    return found.header.generation != generation() && ForgottenSince(found.header.generation, key);
  }
  [[gnu::cold, gnu::noinline]] bool ForgottenSince(uint32_t generation, const Key& key) const;

  Tunables tunables_;
};

}  // namespace shardns::cache
