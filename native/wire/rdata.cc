// The layouts of record data.
#include "wire/rdata.h"

#include "base/hash.h"

namespace shardns::wire {

namespace {

// A digit: so many octets; n: a name; s: a character-string; S: one or more of them; *: whatever is left.
struct Layout {
  const char* fields = nullptr;  // null: opaque
  bool compressible = false;     // the types of RFC 1035
};

Layout LayoutOf(const Record& record) {
  if (record.dns_class >= kFirstMetaClass) return {};  // of updates, with no data (RFC 2136 section 2.4)
  switch (record.type) {
    case type::kA:
      return {record.dns_class == kClassIn ? "4" : nullptr};
    case type::kAaaa:
      return {"88"};
    case 2:  // NS
    case 3:  // MD
    case 4:  // MF
    case type::kCname:
    case 7:   // MB
    case 8:   // MG
    case 9:   // MR
    case 12:  // PTR
      return {"n", true};
    case type::kSoa:
      return {"nn992", true};
    case 14:  // MINFO
      return {"nn", true};
    case 15:  // MX
      return {"2n", true};
    case 16:  // TXT
    case 99:  // SPF
      return {"S"};
    case type::kDname:
    case 23:  // NSAP-PTR
      return {"n"};
    case 17:  // RP
    case 58:  // TALINK
      return {"nn"};
    case 18:   // AFSDB
    case 21:   // RT
    case 36:   // KX
    case 107:  // LP
      return {"2n"};
    case 26:  // PX
      return {"2nn"};
    case 33:  // SRV
      return {"6n"};
    case 35:  // NAPTR
      return {"4sssn"};
    case 64:  // SVCB
    case 65:  // HTTPS
      return {"2n*"};
    case type::kSig:
    case type::kRrsig:
      return {"99n*"};
    case 30:  // NXT
    case 47:  // NSEC
      return {"n*"};
    case type::kHinfo:
      return {"ss"};
    case 19:  // X25
      return {"s"};
    case 20:  // ISDN
      return {"s*"};
    case 27:  // GPOS
      return {"sss"};
    case 257:  // CAA
      return {"1s*"};
    case 50:  // NSEC3
      return {"4ss*"};
    case 51:  // NSEC3PARAM
      return {"4s"};
    case 29:  // LOC
      return {"1*"};
    case 44:  // SSHFP
      return {"2*"};
    case 45:  // IPSECKEY
    case 52:  // TLSA
    case 53:  // SMIMEA
      return {"3*"};
    case 25:     // KEY
    case 43:     // DS
    case 48:     // DNSKEY
    case 59:     // CDS
    case 60:     // CDNSKEY
    case 256:    // URI
    case 32769:  // DLV
      return {"4*"};
    case 11:  // WKS
    case 37:  // CERT
      return {"5*"};
    case 62:  // CSYNC
    case 63:  // ZONEMD
      return {"6*"};
    case 108:  // EUI48
      return {"6"};
    case 109:  // EUI64
      return {"8"};
    case 105:  // L32
      return {"24"};
    case 104:  // NID
    case 106:  // L64
      return {"28"};
    default:
      return {};
  }
}

const HashSecret kSecret = ExpandSeed(0x7368617264);

}  // namespace

RdataVerdict JudgeRdata(Bytes message, const Record& record, const MovingOctets* moving) {
  if (record.type == type::kA && record.dns_class == kClassIn) [[likely]] {
    return record.length == 4 ? RdataVerdict::kPlain : RdataVerdict::kMalformed;
  }
  const Layout layout = LayoutOf(record);
  if (layout.fields == nullptr) return RdataVerdict::kPlain;
  RdataVerdict verdict = RdataVerdict::kPlain;
  // A pointer may lead before the record, but the name's own octets must end inside it.
  const size_t end = record.end();
  const Bytes own = message.first(end);
  size_t at = record.rdata();
  for (const char* field = layout.fields; *field != 0; ++field) {
    switch (*field) {
      case 'n': {
        if (at >= end) return RdataVerdict::kMalformed;
        size_t name = PlainNameLength(own, at);
        if (name == 0) {
          name = CheckName(own, at, moving);
          if (name == 0) return RdataVerdict::kMalformed;
          if (!layout.compressible) verdict = RdataVerdict::kToExpand;
        }
        at += name;
        break;
      }
      case 's':
      case 'S':
        if (at >= end) return RdataVerdict::kMalformed;
        at += 1u + message[at];
        while (*field == 'S' && at < end) at += 1u + message[at];
        break;
      case '*':
        at = end;
        break;
      default:
        at += static_cast<size_t>(*field - '0');
    }
    if (at > end) return RdataVerdict::kMalformed;
  }
  return at == end ? verdict : RdataVerdict::kMalformed;
}

uint64_t HashRdata(Bytes message, const Record& record, uint64_t salt) {
  if (record.type == type::kA) [[likely]] {
    return KeyedHash(kSecret, message.data() + record.rdata(), record.length, salt);
  }
  const Layout layout = LayoutOf(record);
  uint64_t hash = salt;
  size_t at = record.rdata();
  size_t from = at;
  const auto add = [&](Bytes octets) { hash = KeyedHash(kSecret, octets.data(), octets.size(), hash); };
  for (const char* field = layout.fields; field != nullptr && *field != 0; ++field) {
    if (*field == 'n') {
      if (at > from) add(message.subspan(from, at - from));
      uint8_t name[kMaxNameSize];
      add({name, ExpandFolded(message, at, name)});
      at += OwnOctets(message, at);
      from = at;
    } else if (*field == 's') {
      at += 1u + message[at];
    } else if (*field >= '0' && *field <= '9') {
      at += static_cast<size_t>(*field - '0');
    }
  }
  if (record.end() > from) add(message.subspan(from, record.end() - from));
  return hash;
}

uint64_t HashName(Bytes folded) { return KeyedHash(kSecret, folded.data(), folded.size(), 0); }

}  // namespace shardns::wire
