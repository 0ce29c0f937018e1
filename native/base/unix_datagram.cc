// A socket is made for each: few are sent, and their reader may be another one each time.
#include "base/unix_datagram.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

namespace shardns {

int SendUnixDatagram(std::string_view path, std::string_view text) {
  if (path.empty() || (path[0] != '/' && path[0] != '@')) return -EINVAL;
  const bool abstract = path[0] == '@';
  sockaddr_un to = {};
  to.sun_family = AF_UNIX;
  // A path ends with a 0; an abstract name begins with one, and its end is that of the address.
  const size_t octets = path.size() + (abstract ? 0 : 1);
  if (octets > sizeof to.sun_path) return -ENAMETOOLONG;
  std::memcpy(to.sun_path, path.data(), path.size());
  if (abstract) to.sun_path[0] = 0;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + octets);
#ifdef SOCK_CLOEXEC
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
#else
  const int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
#endif
  if (fd < 0) return -errno;
  ssize_t sent;
  do {
    sent = sendto(fd, text.data(), text.size(), MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), length);
  } while (sent < 0 && errno == EINTR);
  const int error = sent < 0 ? -errno : 0;
  close(fd);
  return error;
}

}  // namespace shardns
