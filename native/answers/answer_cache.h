// The cache's public face: raw query octets in, complete reply out; raw upstream response in, status out.
//
// Threads: Answer and AnswerBatch may run on any number of threads, each with its own Reader. Insert, Remove and the
// Forget family may run on any thread too; they lock the shard they touch.
#pragma once
#include "answers/answer_format.h"
#include "answers/prepare.h"
#include "store/stripes.h"
#include "zones/zones.h"

namespace shardns::answers {

// Ways of answering that are not the usual one.
namespace mode {
inline constexpr uint32_t kRotate = 1;        // address records turn within their RRset
inline constexpr uint32_t kOriginalTtl = 2;   // TTLs as they came, whatever the entry's age
inline constexpr uint32_t kClientSubnet = 4;  // by RFC 7871 scopes; else the option is ignored
inline constexpr uint32_t kAuthority = 8;     // zones are served: queries for an authority are misses
}  // namespace mode

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
  std::atomic<uint32_t> modes{0};        // mode::k... together

  bool Is(uint32_t any_of) const { return (modes.load(std::memory_order_relaxed) & any_of) != 0; }
};

// What answers keep for a whole region, in its superblock.
struct RegionWords {
  // The latest expiry of any stored failure: without one alive, a miss need not look for it.
  std::atomic<Ticks> failures_until;
  std::atomic<uint32_t> any_failure;
  // Subnet scopes in use, a bit a prefix length: IPv4 in the first word, IPv6 in the other three.
  std::atomic<uint64_t> scopes[4];
};

enum class Outcome : uint8_t { kHit, kStaleHit, kFailureHit, kMiss };

struct Answer {
  Outcome outcome = Outcome::kMiss;
  bool refresh = false;    // this hit was chosen to ask for a refresh; once per entry
  bool has_stale = false;  // a miss for which a stale answer could be served
  size_t length = 0;
};

struct AnswerArgs {
  const wire::Query* query;
  Ticks now;
  uint32_t tenant = 0;
  bool udp = true;
  bool allow_stale = false;  // answer from an expired entry at once
  // The question was looked up, and counted, before: this time only a stale answer counts, and no refresh is asked for,
  // unless it is another entry that is looked at (`refreshes`).
  bool again = false;
  bool refreshes = false;
  bool miss_counts = true;  // not where another key is looked up next
  const wire::ClientSubnet* reply_subnet = nullptr;
};

// What an entry that is made of another one takes over from it, exact to the tick: TTLs in seconds are rounded up.
struct Inherited {
  int32_t remaining_ticks;  // 0 and below: expired, and kept to be served stale
  Ticks age_ticks;          // since the TTLs of the message were right
};

struct InsertArgs {
  PrepareArgs prepare = {};
  Variant variant = {};
  Ticks now = 0;
  const Inherited* inherited = nullptr;
  uint32_t generation = 0;  // in which it was known to hold; 0 = now
};

struct FailureArgs {
  Bytes folded_name = {};
  uint16_t type = 0;
  Variant variant = {};
  uint32_t ttl_seconds = 5;
  uint16_t rcode = wire::rcode::kServFail;
  wire::ErrorToTell error = wire::ede::kCachedError;
  Ticks now = 0;
};

class Cache : public store::Stripes<AnswerFormat> {
 public:
  explicit Cache(std::unique_ptr<store::Region> region)
      : Stripes(std::move(region)),
        words_(store::FormatWords<RegionWords>(super_)),
        zones_(std::make_shared<zones::Zones>(secret().words[0])) {}
  // Null when the options do not fit (RegionOptions).
  static std::unique_ptr<Cache> Create(const store::RegionOptions& options) {
    return Over<Cache>(store::Region::Create(options));
  }

  // Builds the reply to a query whose verdict is kAnswer. `out` must have kLooseSlack octets more than the reply may
  // take; 65535 + kLooseSlack serves everything.
  // `answer` is written in place: a struct of small fields returned in registers would be read back too soon.
  void AnswerQuery(const AnswerArgs& args, store::Reader* reader, MutableBytes out, Answer* answer) const {
    AnswerQuery(
        args, [&] { return args.now; }, reader, out, answer);
  }
  // The same at the time that `clock()` tells, which is asked while the index line comes from memory.
  template <typename Clock>
  void AnswerQuery(AnswerArgs args, Clock clock, store::Reader* reader, MutableBytes out, Answer* answer) const {
    if (args.query->edns.subnet.family != 0 && tunables_.Is(mode::kClientSubnet)) [[unlikely]] {
      args.now = clock();
      return AnswerBySubnet(args, reader, out, answer);
    }
    Lookup lookup;
    Begin(*args.query, args.tenant, &lookup);
    args.now = clock();
    if (!LocateFirst(&lookup)) [[unlikely]]
      LocateSecond(&lookup);
    AnswerLookup(args, lookup, reader, out, answer);
  }
  // The same in steps, each of which asks memory for what the next one reads: a batch does the steps of other queries
  // while it comes. Not for queries that are answered by subnet.
  struct Lookup {
    Key key;
    store::AtomicSlot* candidate;  // see Shard
  };
  void Begin(const wire::Query& query, uint32_t tenant, Lookup* lookup) const {
    MakeKey(secret(), query.name(), query.type, VariantOf(query, tenant), &lookup->key);
    shard_of(lookup->key).PrefetchFirst(lookup->key.hash);
  }
  // False: it may be in its second bucket, where one entry in a hundred is at half load and one in eleven at 83 %.
  bool LocateFirst(Lookup* lookup) const {
    const ShardType& shard = shard_of(lookup->key);
    lookup->candidate = shard.FirstCandidate(lookup->key.hash);
    if (lookup->candidate == nullptr) [[unlikely]] {
      shard.PrefetchSecond(lookup->key.hash);
      return false;
    }
    shard.PrefetchEntry(*lookup->candidate);
    return true;
  }
  void LocateSecond(Lookup* lookup) const;
  void AnswerLookup(const AnswerArgs& args, const Lookup& lookup, store::Reader* reader, MutableBytes out,
                    Answer* answer) const;
  // For a stored message without extra octets, that is about to be restored.
  void PrefetchAnswer(Bytes message, uint8_t key_flags) const;

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
    Ticks age_ticks = 0;
    uint32_t freq = 0;
  };
  Peeked Peek(Bytes folded_name, uint16_t type, const Variant& variant, Ticks now, MutableBytes out) const;

  // Whether the entry at `at`, seen in a walk, has been forgotten since it was stored.
  bool IsForgotten(const uint8_t* at, const EntryHeader& header) const {
    Key key;
    return header.generation != generation() &&
           (!AnswerFormat::KeyAt(secret(), at, header, &key) || ForgottenSince(header.generation, key));
  }

  // From now on entries are stored for this configuration, and only its own are found. Where the region belongs to
  // another one, everything in it is forgotten, and those who have declared the other find and store nothing any more.
  // 0: this object has none from now on, and sees everything; the region keeps the one it has.
  void Declare(uint64_t configuration);

  void ForgetName(Bytes folded_name);
  void ForgetSuffix(Bytes folded_suffix);
  void ForgetTenant(uint32_t tenant);

  // The time now, in ticks; `monotonic_ms` from a clock that has just been read.
  Ticks NowTicks(uint64_t monotonic_ms) const { return TicksFromMs(NowMs(monotonic_ms)); }
  // Asked of what is not here. Of this object, wherever its entries lie.
  const std::shared_ptr<zones::Zones>& zones() const { return zones_; }
  Tunables& tunables() { return tunables_; }
  const Tunables& tunables() const { return tunables_; }
  void SetStaleWindow(uint32_t seconds);

 private:
  static Variant VariantOf(const wire::Query& query, uint32_t tenant) {
    return {.dnssec_ok = query.edns.dnssec_ok,
            .checking_disabled = (query.flags & wire::flag::kCd) != 0,
            .failure = false,
            .tenant = tenant,
            .scope = {}};
  }
  void KeyOf(Bytes message, const Variant& variant, Key* key) const;
  void NoteScope(const wire::ClientSubnet& scope);
  void AnswerBySubnet(const AnswerArgs& args, store::Reader* reader, MutableBytes out, Answer* answer) const;
  bool AnswerPlainly(const AnswerArgs& args, const Lookup& lookup, store::Reader* reader, MutableBytes out,
                     Answer* answer) const;
  void AnswerAtLength(const AnswerArgs& args, const Key& key, store::Reader* reader, MutableBytes out,
                      Answer* answer) const;
  // Whether a hit is the one to refresh its entry. `slot`: the entry's, as it was seen last.
  struct RefreshArgs {
    int32_t remaining;
    uint32_t lifetime;  // both in ticks
    uint32_t freq;      // before this hit
  };
  bool ChooseRefresh(const RefreshArgs& args, store::AtomicSlot* atomic, store::Slot slot, store::Reader* reader) const;
  bool Forgotten(const Found& found, const Key& key) const {
    return found.header.generation != generation() && ForgottenSince(found.header.generation, key);
  }
  [[gnu::cold, gnu::noinline]] bool ForgottenSince(uint32_t generation, const Key& key) const;
  // Whether the region has become another configuration's. Asked after an entry was read: one that was stored since is
  // then seen together with its owner. Those who have declared nothing see everything.
  bool Taken() const {
    const uint64_t own = configuration_.load(std::memory_order_relaxed);
    return own != 0 && own != super_->configuration.load(std::memory_order_acquire);
  }

  RegionWords* words_;
  const std::shared_ptr<zones::Zones> zones_;
  Tunables tunables_;
  std::atomic<uint64_t> configuration_{0};
};

}  // namespace shardns::answers
