// Validates a whole response and finds its TTL fields. One pass, no allocation; every name, including those inside
// the data of the types that may be compressed (RFC 3597 section 4), is followed to its end.
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

// Whether the record data is well-formed for its type. Unknown types pass as opaque octets.
bool CheckRdata(Bytes message, const Record& record, const MovingOctets* moving = nullptr);

// Walks records in order. Usage: RecordWalk walk(message, question_end); while (walk.Next(&record)) ...; walk.ok()
class RecordWalk {
 public:
  // `moving`: see CheckName; needed where the message is not known to be valid.
  RecordWalk(Bytes message, size_t at, const MovingOctets* moving = nullptr)
      : message_(message),
        at_(at),
        left_{AnCount(message.data()), NsCount(message.data()), ArCount(message.data())},
        moving_(moving) {}

  bool Next(Record* record) {
    while (section_ < 3 && left_[section_] == 0) ++section_;
    if (section_ == 3) return false;
    if (!ReadRecord(message_, at_, record, moving_)) {
      ok_ = false;
      return false;
    }
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
  bool ok_ = true;
};

}  // namespace shardns::wire
