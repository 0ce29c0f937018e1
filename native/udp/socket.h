// UDP sockets for the receivers: options, binding, shutting down for reading.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/bytes.h"

namespace shardns::udp {

struct Endpoint {
  sockaddr_storage address = {};
  socklen_t length = 0;

  bool v6() const { return address.ss_family == AF_INET6; }
  bool wildcard() const;
  uint16_t port() const;
};

// Parses a numeric address, with the interface it is of perhaps (`fe80::1%eth0`, RFC 4007 section 11); false for
// others, and where this machine has no such interface.
bool MakeEndpoint(const char* address, uint16_t port, Endpoint* endpoint);

// The 4 or 16 octets of the peer's address.
Bytes AddressOf(const sockaddr* peer);

// The port the peer sent from.
uint16_t PortOf(const sockaddr* peer);

// Receivers of one plane share a port. Others would share it too, unasked: two servers started on one port would deal
// the clients out between them. So the first binds as one that shares with nobody, which fails where anybody is bound,
// and lets others in afterwards; they are those of its own plane, or of the one that takes its place, since another's
// first fails.
enum class Sharing : uint8_t { kAlone, kFirst, kNext };

struct SocketOptions {
  Sharing sharing = Sharing::kAlone;
  int receive_buffer_bytes = 4 << 20;
  int send_buffer_bytes = 4 << 20;
};

// Lets in one that takes this socket's place (Sharing::kNext).
bool LetShare(int fd);

// From now on those that share the address get its packets; what it holds can still be received.
void LeaveToOthers(int fd, const Endpoint& endpoint);

// A bound socket, with packet info where the bind is a wildcard. Negative errno on failure.
// `endpoint` gets the port that was bound.
int OpenSocket(Endpoint* endpoint, const SocketOptions& options);

// What a socket is that was made elsewhere: by a service manager, or by a parent that was there before this process.
struct SocketFacts {
  Endpoint endpoint;
  bool datagrams;      // UDP; else TCP
  bool both_families;  // IPv6, and takes what comes over IPv4 too
};

// False for what is no UDP socket, and no TCP socket that listens, at an address and a port.
bool InspectSocket(int fd, SocketFacts* facts);

// A descriptor of its own for such a UDP socket, which is bound to the endpoint, set up as OpenSocket does; its buffers
// stay as whoever made it has chosen them. Negative errno on failure.
//
// Others may have the socket too, and use it when this process has ended: it must not be shut down or connected.
int AdoptSocket(int fd, const Endpoint& endpoint);

// Makes receives return at once, also one that waits, while replies can still be sent. Holds for all who have the
// socket.
void StopReceiving(int fd);

}  // namespace shardns::udp
