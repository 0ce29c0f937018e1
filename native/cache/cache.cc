// Answering and inserting over the shards.
#include "cache/cache.h"

#include <algorithm>

namespace shardns::cache {

namespace {

constexpr size_t kMaxReaders = 256;

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

std::unique_ptr<Cache> Cache::Create(const RegionOptions& options) {
  std::unique_ptr<Region> region = Region::Create(options);
  return region == nullptr ? nullptr : std::unique_ptr<Cache>(new Cache(std::move(region)));
}

std::unique_ptr<Cache> Cache::CreateIn(MutableBytes memory, const RegionOptions& options) {
  std::unique_ptr<Region> region = Region::CreateIn(memory, options);
  return region == nullptr ? nullptr : std::unique_ptr<Cache>(new Cache(std::move(region)));
}

std::unique_ptr<Cache> Cache::Attach(MutableBytes memory, const char** problem) {
  std::unique_ptr<Region> region = Region::Attach(memory, problem);
  return region == nullptr ? nullptr : std::unique_ptr<Cache>(new Cache(std::move(region)));
}

Cache::Cache(std::unique_ptr<Region> region)
    : region_(std::move(region)), super_(SuperblockOf(region_->base())), shard_mask_(region_->layout().shards - 1) {
  const Layout& layout = region_->layout();
  shards_.reserve(layout.shards);
  for (uint32_t i = 0; i < layout.shards; ++i) shards_.emplace_back(region_->base(), layout, i);
}

Reader* Cache::NewReader() {
  auto readers = readers_.Lock();
  if (readers->size() < kMaxReaders) {
    readers->push_back(std::make_unique<Reader>(shards(), super_->secret.words[0] + readers->size()));
  }
  return readers->back().get();
}

void Cache::SetStaleWindow(uint32_t seconds) {
  tunables_.stale_window_seconds.store(seconds, std::memory_order_relaxed);
  for (Shard& shard : shards_) shard.set_stale_window(TicksFromSeconds(seconds));
}

Variant Cache::VariantOf(const wire::Query& query, uint32_t tenant) const {
  return {.dnssec_ok = query.edns.dnssec_ok,
          .checking_disabled = (query.flags & wire::flag::kCd) != 0,
          .failure = false,
          .tenant = tenant,
          .scope = {}};
}

void Cache::PrefetchQuery(const wire::Query& query, uint32_t tenant, Key* key) const {
  MakeKey(super_->secret, query.name(), query.type, VariantOf(query, tenant), key);
  shard_of(*key).Prefetch(*key);
}

bool Cache::Forgotten(const Found& found, const Key& key) const {
  return found.header.generation != super_->invalidations.generation() &&
         super_->invalidations.Forgotten(super_->secret, key, found.header.generation);
}

bool Cache::ChooseRefresh(const Found& found, int32_t remaining, Reader* reader) const {
  if (Slot(found.slot_word).refresh_posted()) return false;
  const uint32_t share = tunables_.prefetch_share[found.freq].load(std::memory_order_relaxed);
  const uint64_t lifetime = found.header.expires - found.header.stored;
  bool chosen = uint64_t(remaining) * 256 < lifetime * share;
  const uint32_t beta = tunables_.early_refresh_beta_ticks.load(std::memory_order_relaxed);
  if (!chosen && beta != 0) {
    const uint64_t eighths = uint64_t(remaining) * 8 / beta;
    chosen = eighths <= 64 && reader->Random() < kExp.values[eighths];
  }
  if (!chosen) return false;
  uint64_t expected = found.slot_word;
  return found.slot->compare_exchange_strong(expected, expected | Slot::kRefreshBit, std::memory_order_relaxed);
}

void Cache::AnswerQuery(const AnswerArgs& args, Reader* reader, MutableBytes out, Answer* answer) const {
  Key key;
  if (args.query.edns.subnet.family != 0 && tunables_.client_subnet.load(std::memory_order_relaxed)) [[unlikely]] {
    // Narrowest scope first; the answer for everybody, under the plain key, last.
    const wire::ClientSubnet& subnet = args.query.edns.subnet;
    wire::ClientSubnet echoed = subnet;
    AnswerArgs scoped = args;
    scoped.reply_subnet = &echoed;
    Variant variant = VariantOf(args.query, args.tenant);
    for (int prefix = subnet.source_prefix; prefix > 0; --prefix) {
      const size_t word = subnet.family == 1 ? 0 : 1 + static_cast<size_t>(prefix) / 64;
      const uint64_t bit = uint64_t{1} << (prefix % 64);
      if ((super_->scopes[word].load(std::memory_order_relaxed) & bit) == 0) continue;
      variant.scope = Narrow(subnet, static_cast<uint8_t>(prefix));
      echoed.scope_prefix = static_cast<uint8_t>(prefix);
      MakeKey(super_->secret, args.query.name(), args.query.type, variant, &key);
      AnswerPrefetched(scoped, key, reader, out, answer);
      if (answer->outcome != Outcome::kMiss) return;
    }
    variant.scope = {};
    echoed.scope_prefix = 0;
    MakeKey(super_->secret, args.query.name(), args.query.type, variant, &key);
    AnswerPrefetched(scoped, key, reader, out, answer);
    return;
  }
  MakeKey(super_->secret, args.query.name(), args.query.type, VariantOf(args.query, args.tenant), &key);
  AnswerPrefetched(args, key, reader, out, answer);
}

void Cache::AnswerPrefetched(const AnswerArgs& args, const Key& key, Reader* reader, MutableBytes out,
                             Answer* answer) const {
  *answer = Answer{};
  const uint32_t stale_window = tunables_.stale_window_seconds.load(std::memory_order_relaxed);
  const uint32_t stale_ttl = tunables_.stale_ttl_seconds.load(std::memory_order_relaxed);
  ReaderCounters& counters = reader->of(ShardOf(key.hash, shard_mask_));
  Found found;
  shard_of(key).Find(
      {.key = key, .now = args.now, .stale_window = TicksFromSeconds(stale_window), .stale_ttl_seconds = stale_ttl},
      out, &counters, &found);
  const bool usable = found.found && !Forgotten(found, key);
  const int32_t remaining = TicksUntil(found.header.expires, args.now);
  if (!usable || remaining <= 0) [[unlikely]] {
    answer->has_stale = usable;
    const bool failing = super_->any_failure.load(std::memory_order_relaxed) != 0 &&
                         TicksUntil(super_->failures_until.load(std::memory_order_relaxed), args.now) > 0;
    if (!(usable && args.allow_stale)) {
      if (!failing) {
        counters.misses.Add();
        return;
      }
      uint8_t reply[wire::kPlainUdpSize + kLooseSlack];
      Key failure_key = key;
      failure_key.flags |= entry_flag::kFailure;
      HashKey(super_->secret, &failure_key);
      Found failure;
      shard_of(failure_key).Find({.key = failure_key, .now = args.now}, reply, &counters, &failure);
      if (!failure.found || Forgotten(failure, failure_key)) {
        counters.misses.Add();
        return;
      }
      if (!usable) {
        const uint16_t rcode = wire::Flags(reply) & wire::flag::kRcode;
        answer->length = wire::WriteErrorReply(
            args.query, rcode,
            {.udp = args.udp, .udp_size = static_cast<uint16_t>(tunables_.udp_size.load(std::memory_order_relaxed))},
            wire::ede::kCachedError, out);
        answer->outcome = Outcome::kFailureHit;
        counters.hits_failure.Add();
        return;
      }
    }
    answer->outcome = Outcome::kStaleHit;
    counters.hits_stale.Add();
  } else {
    answer->outcome = Outcome::kHit;
    if ((found.header.flags & entry_flag::kNegative) != 0) {
      counters.hits_negative.Add();
    } else {
      counters.hits_positive.Add();
    }
    if (ChooseRefresh(found, remaining, reader)) {
      answer->refresh = true;
      counters.refreshes.Add();
    }
  }
  wire::Patch patch;
  patch.subnet = args.reply_subnet;
  if (answer->outcome == Outcome::kStaleHit) patch.extended_error = StaleError(out.data());
  if (tunables_.rotate.load(std::memory_order_relaxed) && found.header.length + kLooseSlack <= out.size()) {
    patch.rotation = reader->Random() >> 8;
  }
  answer->length = wire::FinishReply(
      args.query, found.header.length, patch,
      {.udp = args.udp, .udp_size = static_cast<uint16_t>(tunables_.udp_size.load(std::memory_order_relaxed))}, out);
}

Status Cache::Insert(const InsertArgs& args, PrepareScratch* scratch, EntryImage* image) {
  const Status prepared = Prepare(args.prepare, scratch, image);
  if (prepared != Status::kOk) return prepared;
  const Bytes message = image->message;
  const size_t name_length = wire::PlainNameLength(message, wire::kHeaderSize);
  Key key;
  MakeKey(super_->secret, message.subspan(wire::kHeaderSize, name_length),
          Load16(message.data() + wire::kHeaderSize + name_length), args.variant, &key);
  if (args.variant.scope.family != 0) {
    const uint8_t prefix = args.variant.scope.scope_prefix;
    const size_t word = args.variant.scope.family == 1 ? 0 : 1u + prefix / 64u;
    super_->scopes[word].fetch_or(uint64_t{1} << (prefix % 64), std::memory_order_relaxed);
  }
  return shards_[ShardOf(key.hash, shard_mask_)].Insert(*image, key, args.now, super_->invalidations.generation());
}

Status Cache::InsertFailure(const FailureArgs& args) {
  uint8_t message[wire::kHeaderSize + wire::kMaxNameSize + 4] = {};
  Store16(message + 2, static_cast<uint16_t>(wire::flag::kQr | (args.rcode & wire::flag::kRcode)));
  Store16(message + 4, 1);
  std::memcpy(message + wire::kHeaderSize, args.folded_name.data(), args.folded_name.size());
  const size_t question_end = wire::kHeaderSize + args.folded_name.size() + 4;
  Store16(message + question_end - 4, args.type);
  Store16(message + question_end - 2, wire::kClassIn);
  EntryImage image;
  image.message = {message, question_end};
  image.flags = entry_flag::kNegative;
  image.ttl_seconds = std::min(args.ttl_seconds, 300u);  // RFC 9520 section 3.2: no longer than 5 minutes
  Variant variant = args.variant;
  variant.failure = true;
  Key key;
  MakeKey(super_->secret, args.folded_name, args.type, variant, &key);
  const Status status =
      shards_[ShardOf(key.hash, shard_mask_)].Insert(image, key, args.now, super_->invalidations.generation());
  const Ticks until = args.now + TicksFromSeconds(image.ttl_seconds);
  Ticks latest = super_->failures_until.load(std::memory_order_relaxed);
  while ((super_->any_failure.load(std::memory_order_relaxed) == 0 || TicksUntil(until, latest) > 0) &&
         !super_->failures_until.compare_exchange_weak(latest, until)) {
  }
  super_->any_failure.store(1, std::memory_order_relaxed);
  return status;
}

bool Cache::Remove(Bytes folded_name, uint16_t type, const Variant& variant) {
  Key key;
  MakeKey(super_->secret, folded_name, type, variant, &key);
  return shards_[ShardOf(key.hash, shard_mask_)].Remove(key);
}

Cache::Peeked Cache::Peek(Bytes folded_name, uint16_t type, const Variant& variant, Ticks now, MutableBytes out) const {
  Key key;
  MakeKey(super_->secret, folded_name, type, variant, &key);
  ReaderCounters ignored;
  const uint32_t window = tunables_.stale_window_seconds.load(std::memory_order_relaxed);
  Found found;
  shard_of(key).Find({.key = key, .now = now, .stale_window = TicksFromSeconds(window)}, out, &ignored, &found);
  if (!found.found || Forgotten(found, key) || found.header.length + kLooseSlack > out.size()) return {};
  return {.length = found.header.length, .remaining_ticks = TicksUntil(found.header.expires, now), .freq = found.freq};
}

Stats Cache::ShardStats(uint32_t number) const {
  Stats stats = {};
  {
    auto readers = readers_.Lock();
    for (const auto& reader : *readers) {
      const ReaderCounters& counters = reader->of(number);
      stats.hits_positive += counters.hits_positive.Get();
      stats.hits_negative += counters.hits_negative.Get();
      stats.hits_failure += counters.hits_failure.Get();
      stats.hits_stale += counters.hits_stale.Get();
      stats.misses += counters.misses.Get();
      stats.refreshes += counters.refreshes.Get();
      stats.retries += counters.retries.Get();
    }
  }
  const ShardCounters& counters = shards_[number].counters();
  stats.inserts = counters.inserts.Get();
  stats.updates = counters.updates.Get();
  stats.evictions_small = counters.evictions[0].Get();
  stats.evictions_main = counters.evictions[1].Get();
  stats.evictions_negative = counters.evictions[2].Get();
  stats.evictions_index = counters.index_evictions.Get();
  stats.expired = counters.expired.Get();
  stats.removed = counters.removed.Get();
  stats.reinsertions = counters.reinsertions.Get();
  stats.promotions = counters.promotions.Get();
  stats.entries = counters.entries.Get();
  stats.live_bytes = counters.live_bytes.Get();
  stats.rebuilds = counters.rebuilds.Get();
  return stats;
}

Stats Cache::TotalStats() const {
  Stats total = {};
  for (uint32_t i = 0; i < shards(); ++i) {
    const Stats one = ShardStats(i);
    const uint64_t* from = reinterpret_cast<const uint64_t*>(&one);
    uint64_t* to = reinterpret_cast<uint64_t*>(&total);
    for (size_t word = 0; word < sizeof(Stats) / sizeof(uint64_t); ++word) to[word] += from[word];
  }
  return total;
}

bool Cache::CheckInvariants() const {
  return std::all_of(shards_.begin(), shards_.end(), [](const Shard& shard) { return shard.CheckInvariants(); });
}

}  // namespace shardns::cache
