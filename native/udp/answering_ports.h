// Source ports of services that answer whatever they are sent. A reply to one of them is answered too, so that a single
// packet with a forged source would set two servers talking without end (CERT CA-1996-01): what comes from such a port
// is dropped unread. lib/base/answering-ports.ts is the same list.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace shardns::udp {

// 0: none at all, nothing can be sent there. echo, systat, daytime, netstat, quotd, chargen, time (RFC 862 to 868);
// kpasswd, whose errors answer errors (CVE-2002-2443). Not 53: forwarders ask from it, and replies are known by QR.
inline constexpr uint16_t kAnsweringPorts[] = {0, 7, 11, 13, 15, 17, 19, 37, 464};

inline constexpr auto kAnsweringPortBits = [] {
  std::array<uint64_t, 8> bits = {};
  for (const uint16_t port : kAnsweringPorts) bits[port / 64] |= uint64_t{1} << (port % 64);
  return bits;
}();

inline constexpr bool AnswersByItself(uint16_t port) {
  return port < kAnsweringPortBits.size() * 64 && (kAnsweringPortBits[port / 64] >> (port % 64) & 1) != 0;
}

}  // namespace shardns::udp
