// Reading and writing over the shards.
#include "bytes/byte_cache.h"

#include <cmath>
#include <limits>

namespace shardns::bytes {

namespace {

void SetLifetime(uint64_t ttl_ms, uint64_t now, ByteImage* image) {
  if (ttl_ms >= kNever - now) return;
  image->expires = now + ttl_ms;
  image->lifetime_ms = static_cast<uint32_t>(std::min<uint64_t>(ttl_ms, kMaxLifetimeMs - 1));
}

}  // namespace

void ByteCache::SetStaleWindow(uint32_t ms) {
  tunables_.stale_ms.store(ms, std::memory_order_relaxed);
  super_->stale_window.store(ms, std::memory_order_relaxed);
}

bool ByteCache::ChooseRefresh(const ByteFound& found, uint64_t remaining, store::Reader* reader) const {
  if (store::Slot(found.slot_word).refresh_posted() || found.header.lifetime_ms == kMaxLifetimeMs) return false;
  const uint32_t share = tunables_.refresh_share[found.freq].load(std::memory_order_relaxed);
  bool chosen = remaining * 256 < uint64_t{found.header.lifetime_ms} * share;
  const uint32_t beta = tunables_.early_refresh_beta_ms.load(std::memory_order_relaxed);
  if (!chosen && beta != 0) {
    const double x = static_cast<double>(remaining) / beta;
    chosen = x < 20 && reader->Random() < std::exp(-x) * 4294967295.0;
  }
  if (!chosen) return false;
  uint64_t expected = found.slot_word;
  return found.slot->compare_exchange_strong(expected, expected | store::Slot::kRefreshBit, std::memory_order_relaxed);
}

void ByteCache::Get(const ByteGet& args, store::Reader* reader, MutableBytes out, ByteSeen* seen) const {
  *seen = ByteSeen{};
  const ByteKey key = MakeByteKey(secret(), args.key);
  store::ReaderCounters& counters = reader->of(store::ShardOf(key.hash, shard_mask_));
  ByteFound found;
  const uint32_t stale_ms = args.allow_stale ? tunables_.stale_ms.load(std::memory_order_relaxed) : 0;
  shard_of(key).Find({.key = key, .now = args.now, .stale_ms = stale_ms, .count = args.count}, out, &counters, &found);
  if (!found.found || Forgotten(found, args.key[0] != 0)) {
    if (args.count) counters.misses.Add();
    return;
  }
  const ByteHeader& header = found.header;
  const uint64_t expires = header.expires();
  seen->kind = header.flags & byte_flag::kKindMask;
  seen->length = header.length;
  seen->freq = found.freq;
  seen->remaining_ms = expires == kNever ? std::numeric_limits<double>::infinity()
                                         : static_cast<double>(static_cast<int64_t>(expires - args.now));
  const bool stale = expires <= args.now;
  const bool failure = (header.flags & byte_flag::kFailure) != 0;
  if (!failure && args.kind != kAnyKind && seen->kind != args.kind) {
    seen->outcome = ByteOutcome::kMiss;
  } else if (failure) {
    // A failure that is past is no news.
    seen->outcome = stale ? ByteOutcome::kMiss : ByteOutcome::kFailure;
  } else if (header.length > out.size()) {
    seen->outcome = ByteOutcome::kTooLong;
  } else {
    seen->outcome = stale ? ByteOutcome::kStale : ByteOutcome::kHit;
  }
  if (!args.count) return;
  switch (seen->outcome) {
    case ByteOutcome::kMiss:
      counters.misses.Add();
      break;
    case ByteOutcome::kFailure:
      counters.hits_failure.Add();
      break;
    case ByteOutcome::kStale:
      counters.hits_stale.Add();
      break;
    case ByteOutcome::kHit:
    case ByteOutcome::kTooLong:
      counters.hits_positive.Add();
      if (expires != kNever && ChooseRefresh(found, expires - args.now, reader)) {
        seen->refresh = true;
        counters.refreshes.Add();
      }
      break;
  }
}

Status ByteCache::Set(const ByteSet& args) {
  if (args.value.size() > kMaxValueOctets || args.key.empty() || args.key.size() > kMaxKeyOctets ||
      args.key.size() <= args.key[0] || args.tags > kMaxMarks - 1) {
    return Status::kTooLarge;
  }
  ByteImage image;
  image.value = args.value;
  SetLifetime(args.ttl_ms, args.now, &image);
  if (image.expires != kNever)
    image.lifetime_ms = std::max(image.lifetime_ms, std::min(args.lifetime_ms, kMaxLifetimeMs - 1));
  image.flags = args.flags;
  if (args.key[0] != 0) {
    image.mark[image.marks++] = MarkOf(args.key.first(1u + args.key[0]));
  }
  for (size_t i = 0; i < args.tags; ++i) {
    image.mark[image.marks++] = args.tag[i];
  }
  const ByteKey key = MakeByteKey(secret(), args.key);
  return shard_of(key).Insert(image, key, args.now, args.generation != 0 ? args.generation : generation(),
                              std::min(args.freq, store::Slot::kMaxFreq));
}

bool ByteCache::Touch(const ByteTouch& args, MutableBytes scratch) {
  const ByteKey key = MakeByteKey(secret(), args.key);
  return shard_of(key).Renew(key, args.now, [&](const uint8_t* at, const ByteHeader& header, ByteImage* image) {
    ByteFound found{.header = header, .mark = {}};
    const uint8_t* value = at + sizeof header + header.key_length;
    std::memcpy(found.mark, value + header.length, 2u * header.marks);
    if (header.expires() <= args.now || Forgotten(found, args.key[0] != 0) || header.length > scratch.size() ||
        (args.kind != kAnyKind && (header.flags & byte_flag::kKindMask) != args.kind)) {
      return false;
    }
    std::memcpy(scratch.data(), value, header.length);
    image->value = scratch.first(header.length);
    SetLifetime(args.ttl_ms, args.now, image);
    image->flags = header.flags;
    image->marks = header.marks;
    std::memcpy(image->mark, found.mark, sizeof found.mark);
    return true;
  });
}

}  // namespace shardns::bytes
