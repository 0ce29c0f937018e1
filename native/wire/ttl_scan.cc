// Record walk and record-data checks.
#include "wire/ttl_scan.h"

namespace shardns::wire {

bool ReadRecord(Bytes message, size_t at, Record* record, const MovingOctets* moving) {
  if (at >= message.size()) return false;
  const size_t name = CheckName(message, at, moving);
  if (name == 0 || message.size() - at - name < 10) return false;
  record->owner = at;
  record->fixed = at + name;
  const uint8_t* fixed = message.data() + record->fixed;
  record->type = Load16(fixed);
  record->dns_class = Load16(fixed + 2);
  record->ttl = Load32(fixed + 4);
  record->length = Load16(fixed + 8);
  return message.size() - record->rdata() >= record->length;
}

namespace {

// The data of a record as a small grammar: fixed octets and names, then whatever is left.
struct Layout {
  uint8_t before;     // octets before the first name
  uint8_t names;      // names that follow
  uint8_t after;      // octets that must follow the names
  bool compressible;  // the types of RFC 1035 and those of RFC 3597 section 4
};

bool CheckLayout(Bytes message, const Record& record, Layout layout, const MovingOctets* moving) {
  const size_t end = record.end();
  size_t at = record.rdata() + layout.before;
  if (at > end) return false;
  for (int i = 0; i < layout.names; ++i) {
    if (at >= end) return false;
    // A pointer may lead before the record, but the name's own octets must end inside it.
    const size_t name =
        layout.compressible ? CheckName(message.first(end), at, moving) : PlainNameLength(message.first(end), at);
    if (name == 0) return false;
    at += name;
  }
  return at + layout.after == end;
}

}  // namespace

bool CheckRdata(Bytes message, const Record& record, const MovingOctets* moving) {
  switch (record.type) {
    case type::kA:
      return record.dns_class != kClassIn || record.length == 4;
    case type::kAaaa:
      return record.length == 16;
    case 2:  // NS
    case 3:  // MD
    case 4:  // MF
    case type::kCname:
    case 7:   // MB
    case 8:   // MG
    case 9:   // MR
    case 12:  // PTR
      return CheckLayout(message, record, {0, 1, 0, true}, moving);
    case type::kDname:
      // RFC 6672 section 2.5 forbids compression here; receivers that met it in the wild accept it.
      return CheckLayout(message, record, {0, 1, 0, true}, moving);
    case 14:  // MINFO
    case 17:  // RP
      return CheckLayout(message, record, {0, 2, 0, true}, moving);
    case type::kSoa:
      return CheckLayout(message, record, {0, 2, 20, true}, moving);
    case 15:  // MX
    case 18:  // AFSDB
    case 21:  // RT
    case 36:  // KX
      return CheckLayout(message, record, {2, 1, 0, true}, moving);
    case 26:  // PX
      return CheckLayout(message, record, {2, 2, 0, true}, moving);
    case 33:  // SRV
      return CheckLayout(message, record, {6, 1, 0, true}, moving);
    case type::kRrsig: {
      if (record.length < 19) return false;
      return PlainNameLength(message.first(record.end()), record.rdata() + 18) != 0;
    }
    case 47:  // NSEC
      return PlainNameLength(message.first(record.end()), record.rdata()) != 0;
    case 16: {  // TXT: character-strings to the end (RFC 1035 section 3.3.14)
      if (record.length == 0) return false;
      size_t at = record.rdata();
      while (at < record.end()) at += 1u + message[at];
      return at == record.end();
    }
    default:
      return true;
  }
}

}  // namespace shardns::wire
