// The 12-octet DNS header (RFC 1035 section 4.1.1; AD and CD: RFC 4035 section 3) and the code points that the hot path
// has to know.
#pragma once
#include "base/bytes.h"

namespace shardns::wire {

//  0      2       4         6         8         10        12
//  | id   | flags | qdcount | ancount | nscount | arcount |
inline constexpr size_t kHeaderSize = 12;
inline constexpr size_t kMaxMessageSize = 65535;
inline constexpr size_t kMaxNameSize = 255;       // RFC 1035 section 3.1
inline constexpr size_t kMaxLabelSize = 63;       // RFC 1035 section 3.1
inline constexpr size_t kPlainUdpSize = 512;      // RFC 1035 section 4.2.1
inline constexpr size_t kMaxTtlSeconds = 604800;  // RFC 8767 section 4: no more than days

namespace flag {
inline constexpr uint16_t kQr = 0x8000;
inline constexpr uint16_t kOpcode = 0x7800;
inline constexpr uint16_t kAa = 0x0400;
inline constexpr uint16_t kTc = 0x0200;
inline constexpr uint16_t kRd = 0x0100;
inline constexpr uint16_t kRa = 0x0080;
inline constexpr uint16_t kZ = 0x0040;
// Of a stored answer, in the place of kZ, which no reply has: it is a zone's own, and shows no RA.
inline constexpr uint16_t kOfZone = kZ;
inline constexpr uint16_t kAd = 0x0020;
inline constexpr uint16_t kCd = 0x0010;
inline constexpr uint16_t kRcode = 0x000F;
}  // namespace flag

namespace opcode {  // where they stand in the flags
inline constexpr uint16_t kNotify = 4 << 11;
inline constexpr uint16_t kUpdate = 5 << 11;
}  // namespace opcode

namespace rcode {
inline constexpr uint16_t kNoError = 0;
inline constexpr uint16_t kFormErr = 1;
inline constexpr uint16_t kServFail = 2;
inline constexpr uint16_t kNxDomain = 3;
inline constexpr uint16_t kNotImp = 4;
inline constexpr uint16_t kRefused = 5;
inline constexpr uint16_t kYxDomain = 6;  // RFC 6672 section 2.2: a DNAME makes the name too long
inline constexpr uint16_t kNotAuth = 9;
inline constexpr uint16_t kBadVers = 16;    // RFC 6891 section 6.1.3
inline constexpr uint16_t kBadCookie = 23;  // RFC 7873 section 8
}  // namespace rcode

namespace type {
inline constexpr uint16_t kA = 1;
inline constexpr uint16_t kNs = 2;
inline constexpr uint16_t kCname = 5;
inline constexpr uint16_t kSoa = 6;
inline constexpr uint16_t kHinfo = 13;
inline constexpr uint16_t kAaaa = 28;
inline constexpr uint16_t kSig = 24;
inline constexpr uint16_t kDname = 39;
inline constexpr uint16_t kOpt = 41;
inline constexpr uint16_t kDs = 43;
inline constexpr uint16_t kRrsig = 46;
inline constexpr uint16_t kNsec = 47;
inline constexpr uint16_t kNsec3 = 50;
inline constexpr uint16_t kSvcb = 64;  // RFC 9460
inline constexpr uint16_t kHttps = 65;
inline constexpr uint16_t kTkey = 249;
inline constexpr uint16_t kTsig = 250;
inline constexpr uint16_t kIxfr = 251;
inline constexpr uint16_t kAxfr = 252;
inline constexpr uint16_t kAny = 255;

// RFC 6895 section 3.1: 128 to 255 are query and meta types. Above them stand types of data again, such as CAA.
inline constexpr uint16_t kFirstMeta = 128;
inline constexpr bool IsMeta(uint16_t type) { return type >= kFirstMeta && type <= kAny; }
}  // namespace type

inline constexpr uint16_t kClassIn = 1;
inline constexpr uint16_t kFirstMetaClass = 254;  // NONE and ANY (RFC 6895 section 3.2)

inline uint16_t Id(const uint8_t* message) { return Load16(message); }
inline uint16_t Flags(const uint8_t* message) { return Load16(message + 2); }
inline uint16_t QdCount(const uint8_t* message) { return Load16(message + 4); }
inline uint16_t AnCount(const uint8_t* message) { return Load16(message + 6); }
inline uint16_t NsCount(const uint8_t* message) { return Load16(message + 8); }
inline uint16_t ArCount(const uint8_t* message) { return Load16(message + 10); }

}  // namespace shardns::wire
