// Domain names in wire format: walking, folding to lower case, comparing (RFC 1035 sections 3.1 and 4.1.4, RFC 4343).
// Every function is bounded by the message, by 255 octets of name and by 127 pointers; none allocates.
#pragma once
#include "base/octets16.h"
#include "wire/header.h"

namespace shardns::wire {

// 127 labels need no more pointers than that; without the bound a chain of bare pointers costs its square, and one that
// was changed while it was followed never ends.
inline constexpr int kMaxHops = 127;

// Lower-cases the ASCII letters in sixteen or eight octets at once; other octets pass unchanged. Label length octets
// are at most 63 and so lie below 'A': a whole wire-format name may be folded blindly.
inline Octets16 FoldOctets16(Octets16 octets) {
  return octets | (reinterpret_cast<Octets16>(octets - 'A' < 26) & 0x20);
}
inline uint64_t FoldWord(uint64_t word) {
  constexpr uint64_t kOnes = 0x0101010101010101u;
  const uint64_t low7 = word & (0x7F * kOnes);
  const uint64_t from_a = low7 + (0x80 - 'A') * kOnes;
  const uint64_t past_z = low7 + (0x80 - 'Z' - 1) * kOnes;
  const uint64_t is_upper = (from_a ^ past_z) & ~word & (0x80 * kOnes);
  return word | is_upper >> 2;
}

inline uint8_t FoldOctet(uint8_t octet) { return octet >= 'A' && octet <= 'Z' ? octet | 0x20 : octet; }

// Writes n folded octets; reads and writes nothing outside [0, n).
inline void Fold(uint8_t* to, const uint8_t* from, size_t n) {
  if (n >= 8) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
      const uint64_t word = FoldWord(LoadNative<uint64_t>(from + i));
      std::memcpy(to + i, &word, 8);
    }
    const uint64_t tail = FoldWord(LoadNative<uint64_t>(from + n - 8));
    std::memcpy(to + n - 8, &tail, 8);
  } else {
    for (size_t i = 0; i < n; ++i) to[i] = FoldOctet(from[i]);
  }
}

// Length of the uncompressed name that begins at `at`, root octet included; 0 when it is malformed or compressed.
inline size_t PlainNameLength(Bytes message, size_t at) {
  const size_t end = message.size() - at < kMaxNameSize ? message.size() : at + kMaxNameSize;
  for (size_t here = at; here < end;) {
    const uint8_t label = message[here++];
    if (label == 0) return here - at;
    if (label > kMaxLabelSize) return 0;
    here += label;
  }
  return 0;
}

// Of a whole, plain name; the root's is none.
inline size_t CountLabels(Bytes name) {
  size_t count = 0;
  for (size_t at = 0; name[at] != 0; at += 1u + name[at]) ++count;
  return count;
}

// Length of the name's own octets at `at` (up to its pointer), which are not looked at any closer; 0 when it is cut
// off.
inline size_t OwnOctets(Bytes message, size_t at) {
  for (size_t here = at; here < message.size(); here += 1u + message[here]) {
    if (message[here] == 0) return here + 1 - at;
    if (message[here] > kMaxLabelSize) return here + 2 <= message.size() ? here + 2 - at : 0;
  }
  return 0;
}

// Length of the name's own octets at `at` (up to its pointer, if it has one), after checking every octet it leads to:
// pointers go strictly backwards (RFC 9267 section 2) and the whole is at most 255 octets. 0 when malformed.
//
// With `moving`, a name that leads through a pointer must not be read out of octets that change while the message is
// stored: it would change with them.
class MovingOctets;
size_t CheckName(Bytes message, size_t at, const MovingOctets* moving = nullptr);

// Octets of a message that patching changes: TTLs, addresses that rotate, and the letters of the question's name, which
// are folded to be stored and then become each client's own. As far as pointers reach. 2 KiB.
class MovingOctets {
 public:
  explicit MovingOctets(size_t question_end) : question_end_(question_end) {}
  // A pointer whose own octets lie in the question was met in the middle of a label: its low octet may be a letter.
  // Length octets are no letters.
  bool MovesPointer(size_t at) const { return at < question_end_ || Overlaps(at, 2); }
  void Add(size_t at, size_t n) {
    for (size_t i = at; i < at + n && i < kReach; ++i) words_[i / 64] |= uint64_t{1} << (i % 64);
  }
  bool Overlaps(size_t at, size_t n) const {
    for (size_t i = at; i < at + n && i < kReach; ++i) {
      if (words_[i / 64] >> (i % 64) & 1) return true;
    }
    return false;
  }

 private:
  static constexpr size_t kReach = (1 << 14) + kMaxNameSize + 1;
  const size_t question_end_;
  uint64_t words_[(kReach + 63) / 64] = {};
};

// Expands the name at `at` into `out` (255 octets), folded. Returns its length; 0 when it is no whole name, which may
// be although CheckName has said otherwise: the message was copied from memory that others write to.
size_t ExpandFolded(Bytes message, size_t at, uint8_t* out);

// Where the name at `at` has its first label: names that begin at one place are equal without comparing. The message's
// end when it has none.
size_t FirstLabel(Bytes message, size_t at);

// Whether the name at `at` equals the folded, uncompressed name.
bool EqualsFolded(Bytes message, size_t at, Bytes folded);

// Whether `name` is `suffix` or lies below it; both folded and uncompressed.
bool IsAtOrBelow(Bytes name, Bytes suffix);

}  // namespace shardns::wire
