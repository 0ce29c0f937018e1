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

// Parses a numeric address; false otherwise.
bool MakeEndpoint(const char* address, uint16_t port, Endpoint* endpoint);

struct SocketOptions {
  int receive_buffer_bytes = 4 << 20;
  int send_buffer_bytes = 4 << 20;
};

// A bound socket with SO_REUSEPORT, and packet info where the bind is a wildcard. Negative errno on failure.
// `endpoint` gets the port that was bound.
int OpenSocket(Endpoint* endpoint, const SocketOptions& options);

// Makes receives return at once, also one that waits, while replies can still be sent.
void StopReceiving(int fd);

}  // namespace shardns::udp
