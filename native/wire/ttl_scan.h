// Walks the records of a whole response and finds their TTL fields. No allocation; every owner is followed to its end,
// but where the message is known to be valid.
#pragma once
#include "base/status.h"
#include "wire/edns.h"
#include "wire/name.h"

namespace shardns::wire {

enum class Section : uint8_t { kAnswer, kAuthority, kAdditional };

struct Record {
  Section section;
  size_t owner;  // offset of the owner name
  size_t fixed;  // offset of the type; TTL at +4, RDLENGTH at +8, RDATA at +10
  uint16_t type;
  uint16_t dns_class;
  uint32_t ttl;
  uint16_t length;

  size_t rdata() const { return fixed + 10; }
  size_t end() const { return fixed + 10 + length; }
};

// Reads the record at `at` with its owner checked; false when malformed or cut off.
bool ReadRecord(Bytes message, size_t at, Record* record, const MovingOctets* moving = nullptr);

// The same in a message that has passed Prepare: the owner's pointer is not followed, which costs up to 127 jumps, so a
// walk on each hit costs its records only. Reads nothing outside of the message, whatever it has become.
bool ReadStoredRecord(Bytes message, size_t at, Record* record);

// Walks records in order. Usage: RecordWalk walk(message, question_end); while (walk.Next(&record)) ...; walk.ok()
class RecordWalk {
 public:
  // `moving`: see CheckName; needed where the message is not known to be valid.
  RecordWalk(Bytes message, size_t at, const MovingOctets* moving = nullptr)
      : message_(message),
        at_(at),
        left_{AnCount(message.data()), NsCount(message.data()), ArCount(message.data())},
        moving_(moving) {}
  // Of a message that has passed Prepare.
  static RecordWalk Stored(Bytes message, size_t at) {
    RecordWalk walk(message, at);
    walk.stored_ = true;
    return walk;
  }

  bool Next(Record* record) {
    while (section_ < 3 && left_[section_] == 0) ++section_;
    if (section_ == 3) return false;
    // An owner that is the pointer before again is not followed again.
    const bool pointer = message_.size() - at_ >= 2 && message_[at_] >= 0xC0;
    const bool known = stored_ || (pointer && Load16(message_.data() + at_) == pointer_);
    if (!(known ? ReadStoredRecord(message_, at_, record) : ReadRecord(message_, at_, record, moving_))) {
      ok_ = false;
      return false;
    }
    if (pointer) pointer_ = Load16(message_.data() + at_);
    --left_[section_];
    record->section = static_cast<Section>(section_);
    at_ = record->end();
    return true;
  }
  bool ok() const { return ok_; }
  size_t at() const { return at_; }

 private:
  Bytes message_;
  size_t at_;
  uint32_t left_[3];
  const MovingOctets* moving_;
  int section_ = 0;
  uint16_t pointer_ = 0;  // that an owner was, and that has been followed to its end
  bool stored_ = false;
  bool ok_ = true;
};

}  // namespace shardns::wire
