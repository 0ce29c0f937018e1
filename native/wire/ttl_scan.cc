// The record walk.
#include "wire/ttl_scan.h"

namespace shardns::wire {

namespace {

// The rest of the record at `at`, whose owner takes `name` octets.
bool ReadFixed(Bytes message, size_t at, size_t name, Record* record) {
  if (message.size() - at - name < 10) return false;
  record->owner = at;
  record->fixed = at + name;
  const uint8_t* fixed = message.data() + record->fixed;
  record->type = Load16(fixed);
  record->dns_class = Load16(fixed + 2);
  record->ttl = Load32(fixed + 4);
  record->length = Load16(fixed + 8);
  return message.size() - record->rdata() >= record->length;
}

}  // namespace

bool ReadRecord(Bytes message, size_t at, Record* record, const MovingOctets* moving) {
  if (at >= message.size()) return false;
  const size_t name = CheckName(message, at, moving);
  return name != 0 && ReadFixed(message, at, name, record);
}

bool ReadStoredRecord(Bytes message, size_t at, Record* record) {
  const size_t name = OwnOctets(message, at);
  return name != 0 && ReadFixed(message, at, name, record);
}

}  // namespace shardns::wire
