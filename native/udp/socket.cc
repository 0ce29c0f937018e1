// Sockets of the plane.
#include "udp/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

namespace shardns::udp {

bool Endpoint::wildcard() const {
  if (v6()) return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr);
  return reinterpret_cast<const sockaddr_in*>(&address)->sin_addr.s_addr == htonl(INADDR_ANY);
}

uint16_t Endpoint::port() const { return PortOf(reinterpret_cast<const sockaddr*>(&address)); }

Bytes AddressOf(const sockaddr* peer) {
  if (peer->sa_family == AF_INET6) return {reinterpret_cast<const sockaddr_in6*>(peer)->sin6_addr.s6_addr, 16};
  return {reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in*>(peer)->sin_addr), 4};
}

uint16_t PortOf(const sockaddr* peer) {
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  return ntohs(reinterpret_cast<const sockaddr_in*>(peer)->sin_port);
}

bool MakeEndpoint(const char* address, uint16_t port, Endpoint* endpoint) {
  *endpoint = Endpoint{};
  auto* v4 = reinterpret_cast<sockaddr_in*>(&endpoint->address);
  if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    endpoint->length = sizeof(sockaddr_in);
    return true;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&endpoint->address);
  const char* zone = std::strchr(address, '%');
  const std::string bare(address, zone == nullptr ? std::strlen(address) : static_cast<size_t>(zone - address));
  if (inet_pton(AF_INET6, bare.c_str(), &v6->sin6_addr) != 1) return false;
  if (zone != nullptr) {
    char* end = nullptr;
    const unsigned long number = std::strtoul(zone + 1, &end, 10);
    v6->sin6_scope_id = *end == 0 && number <= UINT32_MAX ? static_cast<uint32_t>(number) : if_nametoindex(zone + 1);
    if (v6->sin6_scope_id == 0) return false;
  }
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  endpoint->length = sizeof(sockaddr_in6);
  return true;
}

bool LetShare(int fd) {
  const int on = 1;
  return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
}

void LeaveToOthers(int fd, const Endpoint& endpoint) {
  // A connected socket is given its peer's packets only, here those of itself; it may send to others all the same.
  (void)connect(fd, reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.length);
}

// What replies need: false with errno where a wildcard cannot be told where packets came to.
static bool SetUp(int fd, const Endpoint& endpoint) {
  const int on = 1;
  // A wildcard bind must answer from the address that was asked.
  if (endpoint.wildcard()) {
    const int rc = endpoint.v6() ? setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on)
                                 : setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
    if (rc != 0) return false;
  }
#ifdef IP_PMTUDISC_OMIT
  // Never believe a forged "fragmentation needed" (RFC 9715 section 3.1).
  if (!endpoint.v6()) {
    const int omit = IP_PMTUDISC_OMIT;
    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &omit, sizeof omit);
  }
#endif
  return true;
}

int OpenSocket(Endpoint* endpoint, const SocketOptions& options) {
  const int family = endpoint->address.ss_family;
#ifdef SOCK_CLOEXEC
  const int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
#else
  const int fd = socket(family, SOCK_DGRAM, 0);
#endif
  if (fd < 0) return -errno;
  const auto fail = [fd] {
    const int error = errno;
    close(fd);
    return -error;
  };
  const int on = 1;
  if (options.sharing == Sharing::kNext && !LetShare(fd)) return fail();
  if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) return fail();
  if (!SetUp(fd, *endpoint)) return fail();
  // The kernel may grant less than asked; that only loses packets earlier in a burst.
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options.receive_buffer_bytes, sizeof(int));
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &options.send_buffer_bytes, sizeof(int));
  if (bind(fd, reinterpret_cast<const sockaddr*>(&endpoint->address), endpoint->length) != 0) return fail();
  endpoint->length = sizeof endpoint->address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&endpoint->address), &endpoint->length) != 0) return fail();
  // Linux makes a group of sockets of it when the next one binds.
  if (options.sharing == Sharing::kFirst && !LetShare(fd)) return fail();
  return fd;
}

bool InspectSocket(int fd, SocketFacts* facts) {
  *facts = SocketFacts{};
  const auto option = [fd](int level, int name) {
    int value = 0;
    socklen_t length = sizeof value;
    return getsockopt(fd, level, name, &value, &length) == 0 ? value : -1;
  };
  const int type = option(SOL_SOCKET, SO_TYPE);
  facts->datagrams = type == SOCK_DGRAM;
  if (!facts->datagrams && (type != SOCK_STREAM || option(SOL_SOCKET, SO_ACCEPTCONN) != 1)) return false;
  Endpoint& at = facts->endpoint;
  at.length = sizeof at.address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&at.address), &at.length) != 0) return false;
  if (at.address.ss_family != AF_INET && at.address.ss_family != AF_INET6) return false;
  facts->both_families = at.v6() && at.wildcard() && option(IPPROTO_IPV6, IPV6_V6ONLY) != 1;
  return at.port() != 0;
}

int AdoptSocket(int fd, const Endpoint& endpoint) {
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0) return -errno;
  if (SetUp(own, endpoint)) return own;
  const int error = errno;
  close(own);
  return -error;
}

void StopReceiving(int fd) {
  // On an unconnected socket this reports ENOTCONN and wakes the receiver all the same; it stays in force, so a receive
  // that begins afterwards ends at once too. A receive time-out would cost each wait a timer.
  shutdown(fd, SHUT_RD);
}

}  // namespace shardns::udp
