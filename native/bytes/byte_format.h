// Values of any octets under keys of any octets, as a shard's entries. In the arena, 4-aligned:
//   [ links, lru only | header | key | value | marks ]
// Times are milliseconds of the region's clock. Marks tell what an entry is forgotten with, two octets each: that of
// its namespace, if that has a name, and those of its tags. They are hashes without a secret, so that a snapshot keeps
// them: names that somebody chooses to have one mark are forgotten together, and no more.
#pragma once
#include "base/hash.h"
#include "base/racy.h"
#include "store/region.h"

namespace shardns::bytes {

//  0            4        8         16         20           22       23      24
//  | generation | length | expires | lifetime | key length | marks | flags |
struct ByteHeader {
  uint32_t generation;
  uint32_t length;        // octets of the value
  uint8_t expires_ms[8];  // 64 bits; kNever: it does not expire
  uint32_t lifetime_ms;   // what it was given; kMaxLifetimeMs: that or more
  uint16_t key_length;
  uint8_t marks;
  uint8_t flags;

  uint64_t expires() const { return LoadNative<uint64_t>(expires_ms); }
};
static_assert(sizeof(ByteHeader) == 24 && alignof(ByteHeader) == 4, "entries are aligned to 4");

inline constexpr uint64_t kNever = UINT64_MAX;
inline constexpr uint32_t kMaxLifetimeMs = UINT32_MAX;
inline constexpr size_t kMaxValueOctets = 65536;
inline constexpr size_t kMaxKeyOctets = 4096;  // with the namespace's
inline constexpr size_t kMaxMarks = 17;        // a namespace's and 16 tags'

namespace byte_flag {
inline constexpr uint8_t kKindMask = 0x07;  // what the value is for its codec
inline constexpr uint8_t kFailure = 0x10;   // a loader's failure, in the quota of failures
inline constexpr uint8_t kPad = 0x80;
}  // namespace byte_flag

struct ByteKey {
  uint64_t hash;
  Bytes octets;
};

inline ByteKey MakeByteKey(const HashSecret& secret, Bytes octets) {
  return {KeyedHash(secret, octets.data(), octets.size(), octets.size()), octets};
}

struct ByteImage {
  Bytes value;
  uint64_t expires = kNever;
  uint32_t lifetime_ms = kMaxLifetimeMs;
  uint8_t flags = 0;
  uint8_t marks = 0;
  uint16_t mark[kMaxMarks];
};

struct ByteFound {
  ByteHeader header;
  uint16_t mark[kMaxMarks];
  uint32_t freq = 0;
  store::AtomicSlot* slot = nullptr;
  uint64_t slot_word = 0;
  bool found = false;
};

struct ByteFind {
  const ByteKey& key;
  uint64_t now;
  uint32_t stale_ms = 0;  // an entry expired for longer is not found
  bool count = true;      // as a hit, in the entry's popularity
};

struct ByteFormat {
  using Key = ByteKey;
  using Image = ByteImage;
  using Header = ByteHeader;
  using FindArgs = ByteFind;
  using Found = ByteFound;
  using Time = uint64_t;
  static constexpr store::RegionKind kKind = store::RegionKind::kBytes;
  static constexpr uint8_t kPad = byte_flag::kPad;
  static constexpr size_t kLeastRoom = 0;
  // A listed entry:
  //  0        4        8        12           14      15     16                      24
  //  | octets | length | freq   | key length | flags | zero | remaining ms (double) |  key
  // padded to 4; remaining is infinite for what does not expire.
  static constexpr size_t kListHead = 24;
  static constexpr size_t kMostListed = kListHead + kMaxKeyOctets + 4;

  static bool Negative(const ByteImage& image) { return (image.flags & byte_flag::kFailure) != 0; }
  static size_t Octets(const ByteImage& image, const ByteKey& key) {
    return sizeof(ByteHeader) + key.octets.size() + image.value.size() + 2u * image.marks;
  }
  static size_t OctetsOf(const ByteHeader& header) {
    return sizeof(ByteHeader) + header.key_length + header.length + 2u * header.marks;
  }
  static size_t CheckedOctets(const uint8_t*, const ByteHeader& header, size_t most) {
    const bool plausible = header.length <= kMaxValueOctets && header.key_length <= kMaxKeyOctets &&
                           header.marks <= kMaxMarks && OctetsOf(header) <= most;
    return plausible ? OctetsOf(header) : 0;
  }
  static bool KeyAt(const HashSecret& secret, const uint8_t* at, const ByteHeader& header, ByteKey* key) {
    *key = MakeByteKey(secret, {at + sizeof(ByteHeader), header.key_length});
    return true;
  }
  static bool HashAt(const HashSecret& secret, const uint8_t* at, const ByteHeader& header, uint64_t* hash) {
    *hash = MakeByteKey(secret, {at + sizeof(ByteHeader), header.key_length}).hash;
    return true;
  }
  static bool Matches(const uint8_t* at, const ByteHeader& header, const ByteKey& key) {
    return header.key_length == key.octets.size() &&
           std::memcmp(at + sizeof(ByteHeader), key.octets.data(), key.octets.size()) == 0;
  }
  static void Write(uint8_t* to, const ByteImage& image, const ByteKey& key, uint64_t, uint32_t generation) {
    ByteHeader header = {.generation = generation,
                         .length = static_cast<uint32_t>(image.value.size()),
                         .expires_ms = {},
                         .lifetime_ms = image.lifetime_ms,
                         .key_length = static_cast<uint16_t>(key.octets.size()),
                         .marks = image.marks,
                         .flags = image.flags};
    std::memcpy(header.expires_ms, &image.expires, 8);
    RacyWrite(to, &header, sizeof header);
    to += sizeof header;
    RacyWrite(to, key.octets.data(), key.octets.size());
    to += key.octets.size();
    RacyWrite(to, image.value.data(), image.value.size());
    RacyWrite(to + image.value.size(), image.mark, 2u * image.marks);
  }
  static bool PastKeeping(const ByteHeader& header, uint64_t now, uint32_t stale_ms) {
    return header.expires() < now && now - header.expires() >= stale_ms;
  }
  static bool Usable(const ByteFind& args, const ByteHeader& header) {
    return header.expires() > args.now || args.now - header.expires() < args.stale_ms;
  }

  // Copies the value to the beginning of `out`, or nothing of it when it does not fit.
  static bool Read(const uint8_t* at, size_t most, const ByteFind& args, MutableBytes out, ByteFound* found) {
    ByteHeader header;
    RacyRead(&header, at, sizeof header);
    const Bytes key = args.key.octets;
    if (header.key_length != key.size() || CheckedOctets(at, header, most) == 0) return false;
    at += sizeof header;
    if (RacyDifference(at, key.data(), key.size()) != 0) return false;
    at += key.size();
    if (header.length <= out.size()) RacyRead(out.data(), at, header.length);
    RacyRead(found->mark, at + header.length, 2u * header.marks);
    found->header = header;
    return true;
  }
  static void Finish(const ByteFind&, MutableBytes, const ByteFound&) {}

  static size_t List(const ByteHeader& header, const ByteKey& key, uint32_t freq, uint64_t now, uint8_t* to);
};

}  // namespace shardns::bytes
