// DNS answers as a shard's entries (entry.h): how they are written, told apart, and copied out by readers without a
// lock. `at` is where an entry's header stands.
#pragma once
#include <algorithm>

#include "answers/entry.h"
#include "base/prefetch.h"
#include "store/region.h"
#include "wire/reply_patch.h"

namespace shardns::answers {

// What a lookup found, copied out. `length` may exceed what was copied: then only its beginning is there.
struct Found {
  EntryHeader header;
  uint32_t freq = 0;
  store::AtomicSlot* slot = nullptr;
  uint64_t slot_word = 0;
  bool found = false;
};

// The same of a plain hit (AnswerFormat::ReadPlain).
struct PlainFound {
  Ticks expires;
  Ticks stored;
  uint16_t length;
  uint8_t flags;
};

struct FindArgs {
  const Key& key;
  // Ages TTLs while the entry is still readable; false = leave the message as stored.
  bool age_ttls = true;
  Ticks now;
  Ticks stale_window = 0;  // an entry expired for longer is not found
  uint32_t stale_ttl_seconds = 30;
  bool count = true;  // as a hit, in the entry's popularity
};

static_assert(store::kLooseSlack == wire::kReplySlack);

struct AnswerFormat {
  using Key = answers::Key;
  using Image = EntryImage;
  using Header = EntryHeader;
  using FindArgs = answers::FindArgs;
  using Found = answers::Found;
  using Time = Ticks;
  static constexpr store::RegionKind kKind = store::RegionKind::kAnswers;
  static constexpr uint8_t kPad = entry_flag::kPad;
  static constexpr size_t kLeastRoom = wire::kHeaderSize + wire::kMaxNameSize + 4 + store::kLooseSlack;
  // A listed entry:
  //  0        4                 8        10      11     12     14              15
  //  | octets | remaining ticks | length | flags | freq | type | name's length | tenant etc.: length |  name, extra
  // padded to 4.
  static constexpr size_t kListHead = 16;
  static constexpr size_t kMostListed = kListHead + wire::kMaxNameSize + kMaxExtra + 4;

  static bool Negative(const EntryImage& image) { return (image.flags & entry_flag::kNegative) != 0; }
  static size_t Octets(const EntryImage& image, const Key& key) {
    return EntryOctets(image.ttl_count, image.message.size(), key.extra_length);
  }

  static uint8_t ExtraLength(const uint8_t* at, const EntryHeader& header) {
    if ((header.flags & entry_flag::kExtra) == 0) return 0;
    uint8_t length;
    RacyRead(&length, at + sizeof header + header.ttl_count + header.length, 1);
    return length;
  }
  // The octets of an entry of which nothing is certain; 0 when it cannot be one, or is longer than `most`.
  static size_t CheckedOctets(const uint8_t* at, const EntryHeader& header, size_t most) {
    const size_t without_extra = EntryOctets(header.ttl_count, header.length, 0);
    if (without_extra > most || header.length < wire::kHeaderSize + 1u + 4u) return 0;
    if ((header.flags & entry_flag::kExtra) == 0) return without_extra;
    if (without_extra + 1 > most) return 0;
    const uint8_t extra = ExtraLength(at, header);
    const size_t octets = EntryOctets(header.ttl_count, header.length, extra);
    return extra == 0 || extra > kMaxExtra || octets > most ? 0 : octets;
  }
  // The key of an entry, from its own octets; false when it has none.
  static bool KeyAt(const HashSecret& secret, const uint8_t* at, const EntryHeader& header, Key* key) {
    const uint8_t* message = at + sizeof header + header.ttl_count;
    const size_t name_length = wire::PlainNameLength(Bytes(message, header.length), wire::kHeaderSize);
    if (name_length == 0 || wire::kHeaderSize + name_length + 4 > header.length) return false;
    key->name_length = static_cast<uint8_t>(name_length);
    std::memcpy(key->name, message + wire::kHeaderSize, key->name_length);
    key->type = Load16(message + wire::kHeaderSize + key->name_length);
    key->flags = header.flags & entry_flag::kKeyMask;
    key->extra_length = ExtraLength(at, header);
    if (key->extra_length > kMaxExtra) return false;
    std::memcpy(key->extra, message + header.length + 1, key->extra_length);
    HashKey(secret, key);
    return true;
  }
  // The hash of that key; false when it has none.
  static bool HashAt(const HashSecret& secret, const uint8_t* at, const EntryHeader& header, uint64_t* hash) {
    const uint8_t* message = at + sizeof header + header.ttl_count;
    const size_t name_length = wire::PlainNameLength(Bytes(message, header.length), wire::kHeaderSize);
    if (name_length == 0 || wire::kHeaderSize + name_length + 4 > header.length) return false;
    Key key;
    key.name_length = static_cast<uint8_t>(name_length);
    key.type = Load16(message + wire::kHeaderSize + name_length);
    key.flags = header.flags & entry_flag::kKeyMask;
    key.extra_length = ExtraLength(at, header);
    if (key.extra_length > kMaxExtra) return false;
    std::memcpy(key.extra, message + header.length + 1, key.extra_length);
    HashKey(
        secret, message + wire::kHeaderSize, [](auto octets, size_t) { return octets; }, &key);
    *hash = key.hash;
    return true;
  }
  static bool Matches(const uint8_t* at, const EntryHeader& header, const Key& key) {
    const uint8_t* message = at + sizeof header + header.ttl_count;
    return (header.flags & entry_flag::kKeyMask) == key.flags &&
           header.length >= wire::kHeaderSize + key.name_length + 4u &&
           std::memcmp(message + wire::kHeaderSize, key.name, key.name_length) == 0 &&
           Load16(message + wire::kHeaderSize + key.name_length) == key.type &&
           ExtraLength(at, header) == key.extra_length &&
           std::memcmp(message + header.length + 1, key.extra, key.extra_length) == 0;
  }
  static void Write(uint8_t* to, const EntryImage& image, const Key& key, Ticks now, uint32_t generation) {
    const EntryHeader header = {.generation = generation,
                                .expires = now + TicksFromSeconds(image.ttl_seconds) - image.early_ticks,
                                .stored = now - image.age_ticks,
                                .length = static_cast<uint16_t>(image.message.size()),
                                .ttl_count = image.ttl_count,
                                .flags = static_cast<uint8_t>(image.flags | key.flags)};
    RacyWrite(to, &header, sizeof header);
    to += sizeof header;
    RacyWrite(to, image.ttl_table, image.ttl_count);
    to += image.ttl_count;
    RacyWrite(to, image.message.data(), image.message.size());
    to += image.message.size();
    if (key.extra_length != 0) {
      RacyWrite(to, &key.extra_length, 1);
      RacyWrite(to + 1, key.extra, key.extra_length);
    }
  }
  // Whether nobody wants it any more.
  static bool PastKeeping(const EntryHeader& header, Ticks now, uint32_t stale_window) {
    return TicksUntil(header.expires + stale_window, now) <= 0;
  }
  static bool Usable(const FindArgs& args, const EntryHeader& header) {
    return TicksUntil(header.expires, args.now) + static_cast<int32_t>(args.stale_window) > 0;
  }

  // Whether the message, which may be changing, asks the key's question. `message` reaches to the question's end.
  [[gnu::always_inline]] static bool AsksFor(const uint8_t* message, const Key& key) {
    const uint8_t* name = message + wire::kHeaderSize;
    return (RacyDifference(name, key.name, key.name_length) |
            static_cast<uint64_t>(RacyLoad16(name + key.name_length) ^ key.type)) == 0;
  }

  // The common entry: fresh, stored since anything was forgotten, whole in `out`, told apart by nothing but DO and CD,
  // its TTLs in a table. Copies it and ages its TTLs; whether it was intact is for the caller to see. False for every
  // other entry. `end`: of the arena.
  struct PlainFind {
    const Key& key;
    Ticks now;
    uint32_t generation;
  };
  [[gnu::always_inline]] static bool ReadPlain(const uint8_t* at, const uint8_t* end, const PlainFind& args,
                                               MutableBytes out, PlainFound* found) {
    // Field by field, each once, when its turn comes: cheaper than taking a copy apart.
    const auto* header = reinterpret_cast<const EntryHeader*>(at);
    found->flags = RacyLoad(&header->flags);
    if ((found->flags & ~entry_flag::kNegative) != args.key.flags || RacyLoad(&header->generation) != args.generation)
        [[unlikely]] {
      return false;
    }
    found->expires = RacyLoad(&header->expires);
    if (TicksUntil(found->expires, args.now) <= 0) [[unlikely]]
      return false;
    found->length = RacyLoad(&header->length);
    const size_t question_end = wire::kHeaderSize + args.key.name_length + 4u;
    const uint8_t* table = at + sizeof *header;
    const uint8_t* message = table + RacyLoad(&header->ttl_count);
    if (found->length < question_end || found->length + store::kLooseSlack > out.size() ||
        message + found->length > end || !AsksFor(message, args.key)) [[unlikely]] {
      return false;
    }
    RacyReadLoose(out.data(), message, found->length);
    found->stored = RacyLoad(&header->stored);
    if (const uint32_t age = SecondsSince(found->stored, args.now)) {
      AgeCopied(table, message, question_end, {.age_seconds = age}, out.first(found->length));
    }
    return true;
  }

  // Ages the TTLs of `out`, a copy of `message`, which may be changing as may the table: it reaches from `table` to
  // `message`.
  static void AgeCopied(const uint8_t* table, const uint8_t* message, size_t question_end, wire::TtlChange change,
                        MutableBytes out) {
#ifdef SHARDNS_TSAN
    uint8_t copy[kMaxTtlCount];
    const size_t count = static_cast<size_t>(message - table);
    RacyRead(copy, table, count);
    wire::AgeTtls(out, out.data(), question_end, {copy, count}, change);
#else
    wire::AgeTtls(out, message, question_end, {table, message}, change);
#endif
  }

  // Copies the entry if it is the key's. Whether it was intact is for the caller to see. `most`: octets from `at` to
  // the arena's end.
  static bool Read(const uint8_t* at, size_t most, const FindArgs& args, MutableBytes out, Found* found) {
    const Key& key = args.key;
    // A typical entry lies on three lines: ask for all of them before the first is looked at.
    PrefetchLine(at + 64);
    PrefetchLine(at + 128);
    EntryHeader header;
    RacyRead(&header, at, sizeof(EntryHeader));
    const size_t question_end = wire::kHeaderSize + key.name_length + 4u;
    const size_t octets = EntryOctets(header.ttl_count, header.length, 0);
    if ((header.flags & entry_flag::kKeyMask) != key.flags || header.length < question_end || octets > most) {
      return false;
    }
    const uint8_t* table = at + sizeof(EntryHeader);
    const uint8_t* message = table + header.ttl_count;
    const size_t room = out.size() - store::kLooseSlack;
    // Of a message that is too long as much as there is room for: the reply may do without its end.
    const size_t copied = std::min<size_t>(header.length, room);
    if (question_end > room || !AsksFor(message, key)) return false;
    RacyReadLoose(out.data(), message, copied);
    if (key.extra_length != 0) [[unlikely]] {
      uint8_t extra[1 + kMaxExtra];
      if (octets + 1 + key.extra_length > most) return false;
      RacyRead(extra, message + header.length, 1u + key.extra_length);
      if (extra[0] != key.extra_length || std::memcmp(extra + 1, key.extra, key.extra_length) != 0) return false;
    }
    const int32_t left = TicksUntil(header.expires, args.now);
    const uint32_t age = SecondsSince(header.stored, args.now);
    if (args.age_ttls && (age != 0 || left <= 0) && (header.flags & entry_flag::kWalk) == 0) {
      AgeCopied(table, message, question_end,
                {.age_seconds = age, .fixed_seconds = left <= 0 ? args.stale_ttl_seconds : 0}, out.first(copied));
    }
    found->header = header;
    return true;
  }
  // What is left to do on the copy, after the entry has been let go.
  static void Finish(const FindArgs& args, MutableBytes out, const Found& found) {
    if (!args.age_ttls || (found.header.flags & entry_flag::kWalk) == 0) [[likely]]
      return;
    wire::TtlChange change{.age_seconds = SecondsSince(found.header.stored, args.now)};
    if (TicksUntil(found.header.expires, args.now) <= 0) change.fixed_seconds = args.stale_ttl_seconds;
    const size_t copied = std::min<size_t>(found.header.length, out.size() - store::kLooseSlack);
    wire::AgeTtlsByWalk(out.first(copied), wire::kHeaderSize + args.key.name_length + 4u, change);
  }

  // Writes a record of at most kMostListed octets; returns its size.
  static size_t List(const EntryHeader& header, const Key& key, uint32_t freq, Ticks now, uint8_t* to);
};

}  // namespace shardns::answers
