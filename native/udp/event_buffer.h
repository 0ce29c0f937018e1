// What an asker has to tell, as records in memory of the caller's. Values cross into TypeScript.
//
//  0      2        4        8        12       16
//  | kind | length | number | serial | value  | octets of the response, padded to 4 |
#pragma once
#include "base/bytes.h"

namespace shardns::udp {

enum class AskEvent : uint16_t {
  kAnswered = 1,  // with the response's octets; the query is over
  kCompleted,  // its Completion has taken the response; value: the Completion's result, and the octets if it says so;
               // the query is over
  kFailed,     // value: the errno, or an AskFailure; the query is over
  // What cannot be believed over UDP; the query goes on.
  kDoubtLetters,   // the question in other letters than it was asked in
  kDoubtQuestion,  // FORMERR or NOTIMP without the question
  kDoubtFlood,     // a hundred packets that match nothing
};

struct EventHead {
  AskEvent kind;
  uint16_t length;  // of the response
  uint32_t number;  // of the query
  uint32_t serial;
  int32_t value;
};
static_assert(sizeof(EventHead) == 16);

class EventBuffer {
 public:
  static constexpr size_t kHead = sizeof(EventHead);
  // The longest response and its head.
  static constexpr size_t kLeast = kHead + 65'536;

  explicit EventBuffer(MutableBytes memory) : memory_(memory) {}
  bool HasRoom(size_t octets) const { return memory_.size() - used_ >= kHead + Padded(octets); }
  size_t used() const { return used_; }
  uint32_t count() const { return count_; }

  // There must be room.
  void Add(AskEvent kind, uint32_t number, uint32_t serial, int32_t value, Bytes octets = {}) {
    uint8_t* at = memory_.data() + used_;
    const EventHead head = {.kind = kind,
                            .length = static_cast<uint16_t>(octets.size()),
                            .number = number,
                            .serial = serial,
                            .value = value};
    std::memcpy(at, &head, sizeof head);
    if (!octets.empty()) std::memcpy(at + kHead, octets.data(), octets.size());
    used_ += kHead + Padded(octets.size());
    ++count_;
  }

 private:
  static size_t Padded(size_t octets) { return (octets + 3) & ~size_t{3}; }

  MutableBytes memory_;
  size_t used_ = 0;
  uint32_t count_ = 0;
};

}  // namespace shardns::udp
