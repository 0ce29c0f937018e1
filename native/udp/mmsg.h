// Many packets a system call where Linux has it; elsewhere one after another.
#pragma once
#ifdef __APPLE__
#define __APPLE_USE_RFC_3542  // for IPV6_PKTINFO
#endif
#include <sys/socket.h>

#include <cerrno>

namespace shardns::udp {

#ifdef __linux__

using Packet = mmsghdr;

// Waits for at least one packet unless `nonblocking`; how many came, or -1 with errno.
inline int ReceiveMany(int fd, Packet* packets, unsigned most, bool nonblocking) {
  return recvmmsg(fd, packets, most, nonblocking ? MSG_DONTWAIT : MSG_WAITFORONE, nullptr);
}
// Never waits; how many were sent, or -1 with errno for the first.
inline int SendMany(int fd, Packet* packets, unsigned count) { return sendmmsg(fd, packets, count, MSG_DONTWAIT); }

#else

struct Packet {
  msghdr msg_hdr;
  unsigned msg_len;
};

inline int ReceiveMany(int fd, Packet* packets, unsigned most, bool nonblocking) {
  unsigned count = 0;
  for (; count < most; ++count) {
    const ssize_t octets = recvmsg(fd, &packets[count].msg_hdr, nonblocking || count > 0 ? MSG_DONTWAIT : 0);
    if (octets < 0) break;
    packets[count].msg_len = static_cast<unsigned>(octets);
  }
  return count > 0 ? static_cast<int>(count) : -1;
}
inline int SendMany(int fd, Packet* packets, unsigned count) {
  unsigned sent = 0;
  while (sent < count && sendmsg(fd, &packets[sent].msg_hdr, MSG_DONTWAIT) >= 0) ++sent;
  return sent > 0 ? static_cast<int>(sent) : -1;
}

#endif

}  // namespace shardns::udp
