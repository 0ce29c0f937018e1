// Answering over the shards, and forgetting. How entries come, and are looked at one by one: answer_keeping.cc.
#include "answers/answer_cache.h"

namespace shardns::answers {

namespace {

enum ForgetKind : uint64_t { kName = 1, kSuffix = 2, kTenant = 3 };

uint16_t MarkOf(const HashSecret& secret, Bytes octets, ForgetKind kind) {
  return static_cast<uint16_t>(KeyedHash(secret, octets.data(), octets.size(), uint64_t{kind} << 32) >> 32);
}
uint16_t TenantMark(const HashSecret& secret, uint32_t tenant) {
  uint8_t octets[4];
  std::memcpy(octets, &tenant, 4);
  return MarkOf(secret, octets, kTenant);
}

// exp(-k/8) scaled to 2^32, k = 0 to 64: early refresh looks a probability up instead of computing it.
struct ExpTable {
  uint32_t values[65];
  constexpr ExpTable() : values() {
    double value = 4294967295.0;
    for (uint32_t& entry : values) {
      entry = static_cast<uint32_t>(value);
      value *= 0.88249690258459540286;  // exp(-1/8)
    }
  }
};
constexpr ExpTable kExp;

uint16_t StaleError(const uint8_t* message) {
  return (wire::Flags(message) & wire::flag::kRcode) == wire::rcode::kNxDomain ? wire::ede::kStaleNxdomain
                                                                               : wire::ede::kStaleAnswer;
}

// The subnet narrowed to `prefix` bits (RFC 7871 section 7.3.1).
wire::ClientSubnet Narrow(wire::ClientSubnet subnet, uint8_t prefix) {
  subnet.scope_prefix = prefix;
  return subnet;
}

}  // namespace

void Cache::SetStaleWindow(uint32_t seconds) {
  tunables_.stale_window_seconds.store(seconds, std::memory_order_relaxed);
  super_->stale_window.store(TicksFromSeconds(seconds), std::memory_order_relaxed);
}

void Cache::Declare(uint64_t configuration) {
  if (configuration != 0) {
    const uint64_t before = super_->configuration.exchange(configuration, std::memory_order_acq_rel);
    // After the exchange: whoever stores by the other configuration has read an older generation, or sees this one.
    if (before != 0 && before != configuration) ForgetAll();
  }
  configuration_.store(configuration, std::memory_order_relaxed);
}

void Cache::PrefetchAnswer(Bytes message, uint8_t key_flags) const {
  if (message.size() < wire::kHeaderSize) return;
  const size_t length = wire::PlainNameLength(message, wire::kHeaderSize);
  if (length == 0 || wire::kHeaderSize + length + 4 > message.size()) return;
  Key key;
  const Variant variant = {.dnssec_ok = (key_flags & entry_flag::kDnssecOk) != 0,
                           .checking_disabled = (key_flags & entry_flag::kCheckingDisabled) != 0};
  KeyOf(message, variant, &key);
  shard_of(key).PrefetchBuckets(key.hash);
}

void Cache::ForgetName(Bytes folded_name) {
  invalidations_.Forget(invalidations_.Narrow(MarkOf(secret(), folded_name, kName)));
}
void Cache::ForgetSuffix(Bytes folded_suffix) {
  invalidations_.Forget(invalidations_.Broad(MarkOf(secret(), folded_suffix, kSuffix)));
}
void Cache::ForgetTenant(uint32_t tenant) { invalidations_.Forget(invalidations_.Broad(TenantMark(secret(), tenant))); }

bool Cache::ForgottenSince(uint32_t generation, const Key& key) const {
  if (invalidations_.AllForgotten(generation)) return true;
  const auto forgotten = [&](uint32_t place) { return invalidations_.Forgotten(place, generation); };
  if (forgotten(invalidations_.Narrow(MarkOf(secret(), key.name_bytes(), kName)))) return true;
  for (size_t at = 0; at < key.name_length; at += 1u + key.name[at]) {
    if (forgotten(invalidations_.Broad(MarkOf(secret(), key.name_bytes().subspan(at), kSuffix)))) return true;
    if (key.name[at] == 0) break;
  }
  uint32_t tenant = 0;
  if (key.extra_length >= 4) std::memcpy(&tenant, key.extra, 4);
  return tenant != 0 && forgotten(invalidations_.Broad(TenantMark(secret(), tenant)));
}

inline bool Cache::ChooseRefresh(const RefreshArgs& args, store::AtomicSlot* atomic, store::Slot slot,
                                 store::Reader* reader) const {
  if (slot.refresh_posted()) return false;
  const uint32_t share = tunables_.prefetch_share[args.freq].load(std::memory_order_relaxed);
  bool chosen = uint64_t(args.remaining) * 256 < uint64_t{args.lifetime} * share;
  const uint32_t beta = tunables_.early_refresh_beta_ticks.load(std::memory_order_relaxed);
  if (!chosen && beta != 0) [[unlikely]] {
    const uint64_t eighths = uint64_t(args.remaining) * 8 / beta;
    chosen = eighths <= 64 && reader->Random() < kExp.values[eighths];
  }
  if (!chosen) [[likely]]
    return false;
  uint64_t expected = slot.word();
  return atomic->compare_exchange_strong(expected, expected | store::Slot::kRefreshBit, std::memory_order_relaxed);
}

void Cache::AnswerBySubnet(const AnswerArgs& args, store::Reader* reader, MutableBytes out, Answer* answer) const {
  // Narrowest scope first; the answer for everybody, under the plain key, last.
  const wire::ClientSubnet& subnet = args.query->edns.subnet;
  wire::ClientSubnet echoed = subnet;
  AnswerArgs scoped = args;
  scoped.reply_subnet = &echoed;
  scoped.miss_counts = false;  // there are other scopes to look for
  Variant variant = VariantOf(*args.query, args.tenant);
  Key key, stale_key;
  wire::ClientSubnet stale_echo;
  bool has_stale = false;
  for (int prefix = subnet.source_prefix; prefix > 0; --prefix) {
    const size_t word = subnet.family == 1 ? 0 : 1 + static_cast<size_t>(prefix) / 64;
    const uint64_t bit = uint64_t{1} << (prefix % 64);
    if ((words_->scopes[word].load(std::memory_order_relaxed) & bit) == 0) continue;
    variant.scope = Narrow(subnet, static_cast<uint8_t>(prefix));
    echoed.scope_prefix = static_cast<uint8_t>(prefix);
    MakeKey(secret(), args.query->name(), args.query->type, variant, &key);
    AnswerAtLength(scoped, key, reader, out, answer);
    if (answer->outcome != Outcome::kMiss) return;
    if (answer->has_stale && !has_stale) {
      has_stale = true;
      stale_key = key;
      stale_echo = echoed;
    }
  }
  variant.scope = {};
  echoed.scope_prefix = 0;
  scoped.miss_counts = true;
  MakeKey(secret(), args.query->name(), args.query->type, variant, &key);
  AnswerAtLength(scoped, key, reader, out, answer);
  if (!has_stale) return;
  if (answer->outcome == Outcome::kFailureHit) {
    // A failure that is remembered hides no stale answer (RFC 8767 section 5), whatever its scope.
    scoped.allow_stale = true;
    echoed = stale_echo;
    AnswerAtLength(scoped, stale_key, reader, out, answer);
  } else if (answer->outcome == Outcome::kMiss) {
    answer->has_stale = true;
  }
}

// The common hit (AnswerFormat::ReadPlain) where no mode asks for more than id, flags, letter case, TTLs and OPT to be
// patched. False: nothing has been counted, and the long way will find what there is.
[[gnu::always_inline]] inline bool Cache::AnswerPlainly(const AnswerArgs& args, const Lookup& lookup,
                                                        store::Reader* reader, MutableBytes out, Answer* answer) const {
  const Key& key = lookup.key;
  if (lookup.candidate == nullptr || args.again || tunables_.Is(mode::kRotate | mode::kOriginalTtl) ||
      (key.flags & entry_flag::kExtra) != 0 || out.size() < AnswerFormat::kLeastRoom) [[unlikely]] {
    return false;
  }
  const uint32_t number = store::ShardOf(key.hash, shard_mask_);
  PlainFound found;
  store::Slot slot;
  const auto read = [&](const uint8_t* at, const uint8_t* end) {
    return AnswerFormat::ReadPlain(at, end, {.key = key, .now = args.now, .generation = generation()}, out, &found);
  };
  if (!shards_[number].Glance(*lookup.candidate, read, &slot) || Taken()) [[unlikely]]
    return false;
  store::ReaderCounters& counters = reader->of(number);
  ((found.flags & entry_flag::kNegative) != 0 ? counters.hits_negative : counters.hits_positive).Add();
  answer->outcome = Outcome::kHit;
  answer->has_stale = false;
  answer->refresh = ChooseRefresh(
      {.remaining = TicksUntil(found.expires, args.now), .lifetime = found.expires - found.stored, .freq = slot.freq()},
      lookup.candidate, ShardType::CountHit(lookup.candidate, slot), reader);
  if (answer->refresh) [[unlikely]]
    counters.refreshes.Add();
  answer->length = wire::FinishReply(
      *args.query, found.length, {.subnet = args.reply_subnet},
      {.udp = args.udp, .udp_size = static_cast<uint16_t>(tunables_.udp_size.load(std::memory_order_relaxed))}, out);
  return true;
}

void Cache::LocateSecond(Lookup* lookup) const {
  const ShardType& shard = shard_of(lookup->key);
  lookup->candidate = shard.SecondCandidate(lookup->key.hash);
  if (lookup->candidate != nullptr) shard.PrefetchEntry(*lookup->candidate);
}

void Cache::AnswerLookup(const AnswerArgs& args, const Lookup& lookup, store::Reader* reader, MutableBytes out,
                         Answer* answer) const {
  if (!AnswerPlainly(args, lookup, reader, out, answer)) [[unlikely]] {
    AnswerAtLength(args, lookup.key, reader, out, answer);
  }
}

[[gnu::noinline]] void Cache::AnswerAtLength(const AnswerArgs& args, const Key& key, store::Reader* reader,
                                             MutableBytes out, Answer* answer) const {
  *answer = Answer{};
  const uint32_t stale_window = tunables_.stale_window_seconds.load(std::memory_order_relaxed);
  const uint32_t stale_ttl = tunables_.stale_ttl_seconds.load(std::memory_order_relaxed);
  store::ReaderCounters& counters = reader->of(store::ShardOf(key.hash, shard_mask_));
  const auto count = [&](Counter& counter) {
    if (!args.again) counter.Add();
  };
  const auto count_miss = [&] {
    if (args.miss_counts) count(counters.misses);
  };
  Found found;
  shard_of(key).Find({.key = key,
                      .age_ttls = !tunables_.Is(mode::kOriginalTtl),
                      .now = args.now,
                      .stale_window = TicksFromSeconds(stale_window),
                      .stale_ttl_seconds = stale_ttl},
                     out, &counters, &found);
  const bool usable = found.found && !Forgotten(found, key) && !Taken();
  const int32_t remaining = TicksUntil(found.header.expires, args.now);
  // To those who want to know of validation, an answer that says nothing of it is as good as a stale one.
  const bool silent = (found.header.flags & entry_flag::kAdUnknown) != 0 && args.query->wants_ad();
  if (!usable || remaining <= 0 || silent) [[unlikely]] {
    answer->has_stale = usable;
    const bool failing = words_->any_failure.load(std::memory_order_relaxed) != 0 &&
                         TicksUntil(words_->failures_until.load(std::memory_order_relaxed), args.now) > 0;
    if (!(usable && args.allow_stale)) {
      if (!failing) {
        count_miss();
        return;
      }
      uint8_t reply[wire::kPlainUdpSize + store::kLooseSlack];
      Key failure_key = key;
      failure_key.flags |= entry_flag::kFailure;
      HashKey(secret(), &failure_key);
      Found failure;
      shard_of(failure_key).Find({.key = failure_key, .now = args.now}, reply, &counters, &failure);
      if (!failure.found || Forgotten(failure, failure_key) || Taken()) {
        count_miss();
        return;
      }
      if (!usable) {
        const uint16_t rcode = wire::Flags(reply) & wire::flag::kRcode;
        // The names are equal by the key, so the question ends where the query's does. Another process may have written
        // the length.
        const size_t text_at = args.query->question_end;
        const size_t end = std::min<size_t>(failure.header.length, wire::kPlainUdpSize);
        const std::string_view text =
            end > text_at ? std::string_view(reinterpret_cast<const char*>(reply) + text_at, end - text_at)
                          : std::string_view();
        answer->length = wire::WriteErrorReply(
            *args.query, rcode,
            {.udp = args.udp, .udp_size = static_cast<uint16_t>(tunables_.udp_size.load(std::memory_order_relaxed))},
            {wire::Id(reply), text}, out);
        answer->outcome = Outcome::kFailureHit;
        count(counters.hits_failure);
        return;
      }
    }
    if (remaining > 0) {
      answer->outcome = Outcome::kHit;
      count(counters.hits_positive);
    } else {
      answer->outcome = Outcome::kStaleHit;
      // Its signatures may have ended since.
      out[3] = static_cast<uint8_t>(out[3] & ~wire::flag::kAd);
      counters.hits_stale.Add();
      if (args.again) counters.stale_after_miss.Add();
    }
  } else {
    answer->outcome = Outcome::kHit;
    if ((found.header.flags & entry_flag::kNegative) != 0) {
      count(counters.hits_negative);
    } else {
      count(counters.hits_positive);
    }
    if ((!args.again || args.refreshes) &&
        ChooseRefresh(
            {.remaining = remaining, .lifetime = found.header.expires - found.header.stored, .freq = found.freq},
            found.slot, store::Slot(found.slot_word), reader)) {
      answer->refresh = true;
      counters.refreshes.Add();
    }
  }
  wire::Patch patch;
  patch.subnet = args.reply_subnet;
  if (answer->outcome == Outcome::kStaleHit) patch.extended_error = StaleError(out.data());
  if (tunables_.Is(mode::kRotate)) {
    patch.rotation = reader->Random() >> 8;
  }
  answer->length = wire::FinishReply(
      *args.query, found.header.length, patch,
      {.udp = args.udp, .udp_size = static_cast<uint16_t>(tunables_.udp_size.load(std::memory_order_relaxed))}, out);
}

}  // namespace shardns::answers
