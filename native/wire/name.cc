// The compressed-name walks, off the hit path.
#include "wire/name.h"

namespace shardns::wire {

namespace {

constexpr uint8_t kPointerMask = 0xC0;

// Follows the pointers at `here` to a label. A message in memory that others write to may have changed since its names
// were checked: false where there is no whole label, or after more pointers than any name has.
bool ToLabel(Bytes message, size_t* here, int* hops) {
  while (*here < message.size()) {
    const uint8_t label = message[*here];
    if ((label & kPointerMask) != kPointerMask) {
      return label <= kMaxLabelSize && *here + 1u + label <= message.size();
    }
    if (*here + 2 > message.size() || ++*hops > kMaxHops) return false;
    *here = Load16(message.data() + *here) & 0x3FFFu;
  }
  return false;
}

}  // namespace

size_t CheckName(Bytes message, size_t at, const MovingOctets* moving) {
  size_t here = at;
  size_t own = 0;                 // octets up to and including the first pointer or the root label
  size_t expanded = 0;            // octets of the uncompressed name
  size_t limit = at;              // a pointer must lead before this
  size_t bound = message.size();  // and what it leads to must end before this
  int hops = 0;
  while (here < bound) {
    const uint8_t label = message[here];
    if (label == 0) {
      if (expanded + 1 > kMaxNameSize) return 0;
      if (own == 0) return here + 1 - at;
      return moving != nullptr && moving->Overlaps(here, 1) ? 0 : own;
    }
    if ((label & kPointerMask) == kPointerMask) {
      if (here + 2 > bound) return 0;
      const size_t target = Load16(message.data() + here) & 0x3FFFu;
      if (target >= limit || target < kHeaderSize || ++hops > kMaxHops) return 0;
      if (own == 0) {
        own = here + 2 - at;
      } else if (moving != nullptr && moving->MovesPointer(here)) {
        return 0;
      }
      bound = limit;
      limit = target;
      here = target;
      continue;
    }
    if (label > kMaxLabelSize || here + 1u + label > bound) return 0;
    if (own != 0 && moving != nullptr && moving->Overlaps(here, 1u + label)) return 0;
    expanded += 1u + label;
    if (expanded >= kMaxNameSize) return 0;
    here += 1u + label;
  }
  return 0;
}

size_t FirstLabel(Bytes message, size_t at) {
  int hops = 0;
  return ToLabel(message, &at, &hops) ? at : message.size();
}

size_t ExpandFolded(Bytes message, size_t at, uint8_t* out) {
  size_t length = 0;
  int hops = 0;
  while (ToLabel(message, &at, &hops)) {
    const size_t octets = 1u + message[at];
    if (length + octets > kMaxNameSize || at + octets > message.size()) return 0;
    Fold(out + length, message.data() + at, octets);
    length += octets;
    if (octets == 1) return length;
    at += octets;
  }
  return 0;
}

bool EqualsFolded(Bytes message, size_t at, Bytes folded) {
  size_t compared = 0;
  int hops = 0;
  while (ToLabel(message, &at, &hops)) {
    const size_t octets = 1u + message[at];
    if (compared + octets > folded.size() || at + octets > message.size()) return false;
    for (size_t i = 0; i < octets; ++i) {
      if (FoldOctet(message[at + i]) != folded[compared + i]) return false;
    }
    compared += octets;
    if (octets == 1) return compared == folded.size();
    at += octets;
  }
  return false;
}

bool IsAtOrBelow(Bytes name, Bytes suffix) {
  size_t here = 0;
  while (here < name.size()) {
    const size_t left = name.size() - here;
    if (left < suffix.size()) return false;
    if (left == suffix.size()) return std::memcmp(name.data() + here, suffix.data(), left) == 0;
    here += 1u + name[here];
  }
  return false;
}

}  // namespace shardns::wire
