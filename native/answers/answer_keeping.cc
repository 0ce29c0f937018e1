// What is put into the cache of answers, and what is done with one entry of it. Nothing here is on the way of a hit.
#include <algorithm>

#include "answers/answer_cache.h"

namespace shardns::answers {

Status Cache::Insert(const InsertArgs& args, PrepareScratch* scratch, EntryImage* image) {
  const Status prepared = Prepare(args.prepare, scratch, image);
  if (prepared != Status::kOk) return prepared;
  if (args.inherited != nullptr) {
    // Its TTLs may be rounded up or down. What shortens them by more, a ceiling or a signature, shortens its life.
    const auto whole = static_cast<int32_t>(TicksFromSeconds(image->ttl_seconds));
    const int32_t early = whole - args.inherited->remaining_ticks;
    if (early > -static_cast<int32_t>(kTicksPerSecond)) image->early_ticks = static_cast<Ticks>(early);
    image->age_ticks = args.inherited->age_ticks;
  }
  const uint32_t stored = args.generation != 0 ? args.generation : generation();
  if (Taken()) return Status::kAnothersRegion;
  if (args.variant.scope.family != 0) NoteScope(args.variant.scope);
  Key key;
  KeyOf(image->message, args.variant, &key);
  return shard_of(key).Insert(*image, key, args.now, stored);
}

void Cache::KeyOf(Bytes message, const Variant& variant, Key* key) const {
  const size_t name_length = wire::PlainNameLength(message, wire::kHeaderSize);
  MakeKey(secret(), message.subspan(wire::kHeaderSize, name_length),
          Load16(message.data() + wire::kHeaderSize + name_length), variant, key);
}

void Cache::NoteScope(const wire::ClientSubnet& scope) {
  const size_t word = scope.family == 1 ? 0 : 1u + scope.scope_prefix / 64u;
  words_->scopes[word].fetch_or(uint64_t{1} << (scope.scope_prefix % 64), std::memory_order_relaxed);
}

Status Cache::Restore(const RestoreArgs& args, PrepareScratch* scratch) {
  EntryImage image;
  const Status prepared =
      Prepare({.response = args.message, .wall_seconds = args.wall_seconds, .ttl = args.ttl}, scratch, &image);
  if (prepared != Status::kOk) return prepared;
  // What is written of its times is believed as far as its own TTLs allow.
  const uint64_t lived = args.age / kTicksPerSecond;
  if (lived >= image.ttl_seconds) return Status::kZeroTtl;
  image.ttl_seconds = std::min(args.remaining / kTicksPerSecond, static_cast<uint32_t>(image.ttl_seconds - lived));
  if (image.ttl_seconds == 0) return Status::kZeroTtl;
  image.age_ticks = args.age;
  const uint32_t now_stored = generation();
  if (Taken()) return Status::kAnothersRegion;
  if (args.variant.scope.family != 0) NoteScope(args.variant.scope);
  Key key;
  KeyOf(image.message, args.variant, &key);
  return shard_of(key).Insert(image, key, args.now, now_stored, std::min(args.freq, store::Slot::kMaxFreq));
}

Status Cache::InsertFailure(const FailureArgs& args) {
  //  0                12           question_end
  //  | header         | question   | the error's text |
  uint8_t message[wire::kHeaderSize + wire::kMaxNameSize + 4 + wire::kMaxErrorText] = {};
  // No query has this id: there the extended error is that it is told with.
  Store16(message, args.error.code);
  Store16(message + 2, static_cast<uint16_t>(wire::flag::kQr | (args.rcode & wire::flag::kRcode)));
  Store16(message + 4, 1);
  std::memcpy(message + wire::kHeaderSize, args.folded_name.data(), args.folded_name.size());
  const size_t question_end = wire::kHeaderSize + args.folded_name.size() + 4;
  Store16(message + question_end - 4, args.type);
  Store16(message + question_end - 2, wire::kClassIn);
  EntryImage image;
  const std::string_view text = args.error.text.substr(0, wire::kMaxErrorText);
  if (!text.empty()) std::memcpy(message + question_end, text.data(), text.size());
  image.message = {message, question_end + text.size()};
  image.flags = entry_flag::kNegative;
  image.ttl_seconds = std::min(args.ttl_seconds, 300u);  // RFC 9520 section 3.2: no longer than 5 minutes
  Variant variant = args.variant;
  variant.failure = true;
  Key key;
  MakeKey(secret(), args.folded_name, args.type, variant, &key);
  const uint32_t now_stored = generation();
  if (Taken()) return Status::kAnothersRegion;
  const Status status = shard_of(key).Insert(image, key, args.now, now_stored);
  const Ticks until = args.now + TicksFromSeconds(image.ttl_seconds);
  Ticks latest = words_->failures_until.load(std::memory_order_relaxed);
  while ((words_->any_failure.load(std::memory_order_relaxed) == 0 || TicksUntil(until, latest) > 0) &&
         !words_->failures_until.compare_exchange_weak(latest, until)) {
  }
  words_->any_failure.store(1, std::memory_order_relaxed);
  return status;
}

bool Cache::Remove(Bytes folded_name, uint16_t type, const Variant& variant) {
  Key key;
  MakeKey(secret(), folded_name, type, variant, &key);
  return shard_of(key).Remove(key);
}

void Cache::AllowRefresh(Bytes folded_name, uint16_t type, const Variant& variant) {
  Key key;
  MakeKey(secret(), folded_name, type, variant, &key);
  shard_of(key).AllowRefresh(key);
}

Cache::Peeked Cache::Peek(Bytes folded_name, uint16_t type, const Variant& variant, Ticks now, MutableBytes out) const {
  Key key;
  MakeKey(secret(), folded_name, type, variant, &key);
  store::ReaderCounters ignored;
  const uint32_t window = tunables_.stale_window_seconds.load(std::memory_order_relaxed);
  Found found;
  shard_of(key).Find({.key = key, .now = now, .stale_window = TicksFromSeconds(window), .count = false}, out, &ignored,
                     &found);
  if (!found.found || Forgotten(found, key) || Taken() || found.header.length + store::kLooseSlack > out.size())
    return {};
  return {.length = found.header.length,
          .remaining_ticks = TicksUntil(found.header.expires, now),
          .age_ticks = now - found.header.stored,
          .freq = found.freq};
}

}  // namespace shardns::answers
