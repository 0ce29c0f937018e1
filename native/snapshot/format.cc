// Records of both kinds, from entries and back.
#include "snapshot/format.h"

#include <algorithm>

namespace shardns::snapshot {

namespace {

constexpr size_t kAnswerHead = 16;
constexpr size_t kByteHead = 24;

constexpr size_t Padded(size_t n) { return (n + 3) / 4 * 4; }
template <typename T>
uint8_t* Put(uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
  return to + sizeof value;
}
uint8_t* PutOctets(uint8_t* to, const uint8_t* from, size_t n) {
  std::memcpy(to, from, n);
  return to + n;
}

}  // namespace

size_t WriteRecord(const answers::Cache& cache, const uint8_t* at, const answers::EntryHeader& header, uint32_t freq,
                   uint64_t now_ms, uint8_t* to) {
  const Ticks now = TicksFromMs(now_ms);
  const int32_t remaining = TicksUntil(header.expires, now);
  if ((header.flags & answers::entry_flag::kFailure) != 0 || remaining <= 0 || cache.IsForgotten(at, header)) return 0;
  // A zone is read anew at the start.
  if (answers::IsOfZone(at, header)) return 0;
  const int32_t age = -TicksUntil(header.stored, now);
  const uint8_t* message = at + sizeof header + header.ttl_count;
  const uint8_t extra = answers::AnswerFormat::ExtraLength(at, header);
  if (extra > answers::kMaxExtra) return 0;  // shared memory may change under the walk
  uint8_t* end = Put(to, header.length);
  end = Put(end, static_cast<uint8_t>(header.flags & answers::entry_flag::kKeyMask));
  end = Put(end, extra);
  end = Put(end, static_cast<uint32_t>(std::max(age, 0)));
  end = Put(end, static_cast<uint32_t>(remaining));
  end = Put(end, freq);
  end = PutOctets(end, message, header.length);
  end = PutOctets(end, message + header.length + 1, extra);
  const size_t octets = static_cast<size_t>(end - to);
  std::memset(end, 0, Padded(octets) - octets);
  return Padded(octets);
}

size_t RecordOctets(const answers::Cache&, Bytes octets) {
  if (octets.size() < kAnswerHead) return 0;
  const size_t size = Padded(kAnswerHead + LoadNative<uint16_t>(&octets[0]) + octets[3]);
  return size <= octets.size() ? size : 0;
}

void PrefetchRecord(const answers::Cache& cache, Bytes record) {
  cache.PrefetchAnswer(record.subspan(kAnswerHead, LoadNative<uint16_t>(&record[0])), record[2]);
}

Restored RestoreRecord(answers::Cache& cache, Bytes octets, const RestoreArgs& args, answers::PrepareScratch* scratch) {
  const uint16_t length = LoadNative<uint16_t>(&octets[0]);
  const uint8_t flags = octets[2];
  const uint8_t extra_length = octets[3];
  const uint64_t elapsed = args.elapsed_ms * 2 / 125;
  const uint64_t age = LoadNative<uint32_t>(&octets[4]) + elapsed;
  const uint32_t remaining = LoadNative<uint32_t>(&octets[8]);
  if (elapsed >= remaining) return Restored::kExpired;
  answers::Variant variant;
  variant.dnssec_ok = (flags & answers::entry_flag::kDnssecOk) != 0;
  variant.checking_disabled = (flags & answers::entry_flag::kCheckingDisabled) != 0;
  const Bytes extra = octets.subspan(kAnswerHead + length, extra_length);
  if ((flags & ~answers::entry_flag::kKeyMask) != 0 || (flags & answers::entry_flag::kFailure) != 0 ||
      (extra_length != 0) != ((flags & answers::entry_flag::kExtra) != 0) ||
      (extra_length != 0 && !answers::ReadExtra(extra, &variant)) || age > UINT32_MAX / 4) {
    return Restored::kRejected;
  }
  const Status status = cache.Restore({.message = octets.subspan(kAnswerHead, length),
                                       .variant = variant,
                                       .freq = LoadNative<uint32_t>(&octets[12]),
                                       .age = static_cast<Ticks>(age),
                                       .remaining = static_cast<Ticks>(remaining - elapsed),
                                       .now = TicksFromMs(args.now_ms),
                                       .wall_seconds = args.wall_seconds,
                                       .ttl = args.ttl},
                                      scratch);
  return status == Status::kOk        ? Restored::kStored
         : status == Status::kZeroTtl ? Restored::kExpired
                                      : Restored::kRejected;
}

size_t WriteRecord(const bytes::ByteCache& cache, const uint8_t* at, const bytes::ByteHeader& header, uint32_t freq,
                   uint64_t now_ms, uint8_t* to) {
  const uint64_t expires = header.expires();
  if ((header.flags & bytes::byte_flag::kFailure) != 0 || expires <= now_ms || cache.IsForgotten(at, header)) return 0;
  // The namespace's mark follows from the key.
  const uint8_t* key = at + sizeof header;
  const size_t own = header.key_length > 0 && key[0] != 0 ? 1 : 0;
  const size_t marks = header.marks - std::min<size_t>(own, header.marks);
  uint8_t* end = Put(to, header.length);
  end = Put(end, header.key_length);
  end = Put(end, header.flags);
  end = Put(end, static_cast<uint8_t>(freq));
  end = Put(end, expires == bytes::kNever ? bytes::kNever : expires - now_ms);
  end = Put(end, header.lifetime_ms);
  end = Put(end, static_cast<uint32_t>(marks));
  end = PutOctets(end, key, size_t{header.key_length} + header.length);
  end = PutOctets(end, key + header.key_length + header.length + 2 * own, 2 * marks);
  const size_t octets = static_cast<size_t>(end - to);
  std::memset(end, 0, Padded(octets) - octets);
  return Padded(octets);
}

size_t RecordOctets(const bytes::ByteCache&, Bytes octets) {
  if (octets.size() < kByteHead) return 0;
  const uint32_t length = LoadNative<uint32_t>(&octets[0]);
  const uint32_t marks = LoadNative<uint32_t>(&octets[20]);
  if (length > bytes::kMaxValueOctets || marks > bytes::kMaxMarks - 1) return 0;
  const size_t size = Padded(kByteHead + LoadNative<uint16_t>(&octets[4]) + length + 2 * marks);
  return size <= octets.size() ? size : 0;
}

void PrefetchRecord(const bytes::ByteCache& cache, Bytes record) {
  cache.PrefetchKey(record.subspan(kByteHead, LoadNative<uint16_t>(&record[4])));
}

Restored RestoreRecord(bytes::ByteCache& cache, Bytes octets, const RestoreArgs& args, answers::PrepareScratch*) {
  const uint32_t length = LoadNative<uint32_t>(&octets[0]);
  const uint16_t key_length = LoadNative<uint16_t>(&octets[4]);
  const uint32_t marks = LoadNative<uint32_t>(&octets[20]);
  const uint64_t remaining = LoadNative<uint64_t>(&octets[8]);
  if (remaining != bytes::kNever && remaining <= args.elapsed_ms) return Restored::kExpired;
  if ((octets[6] & ~bytes::byte_flag::kKindMask) != 0) return Restored::kRejected;
  bytes::ByteSet set;
  set.key = octets.subspan(kByteHead, key_length);
  set.value = octets.subspan(kByteHead + key_length, length);
  set.now = args.now_ms;
  set.ttl_ms = remaining == bytes::kNever ? bytes::kNever : remaining - args.elapsed_ms;
  set.lifetime_ms = LoadNative<uint32_t>(&octets[16]);
  set.flags = octets[6];
  set.freq = octets[7];
  set.tags = static_cast<uint8_t>(marks);
  std::memcpy(set.tag, octets.data() + kByteHead + key_length + length, 2 * marks);
  return cache.Set(set) == Status::kOk ? Restored::kStored : Restored::kRejected;
}

}  // namespace shardns::snapshot
