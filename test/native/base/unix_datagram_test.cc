#include "base/unix_datagram.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "folder.h"

namespace shardns::test {
namespace {

// Reads at a path, or at an abstract name that begins with '@'.
class Reader {
 public:
  explicit Reader(const std::string& path) : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un at = {};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path, path.data(), path.size());
    const bool abstract = path[0] == '@';
    if (abstract) at.sun_path[0] = 0;
    const size_t length = offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&at), static_cast<socklen_t>(length)), 0);
  }
  ~Reader() { close(fd_); }
  std::string Read() {
    char text[256];
    const ssize_t length = recv(fd_, text, sizeof text, 0);
    return length < 0 ? "nothing" : std::string(text, static_cast<size_t>(length));
  }

 private:
  int fd_;
};

TEST(UnixDatagram, ReachesAPathAndAnAbstractName) {
  const Folder folder;
  const std::string path = folder.path + "/notify", name = "@shardns-test-" + std::to_string(getpid());
  for (const std::string& at : {path, name}) {
    Reader reader(at);
    EXPECT_EQ(SendUnixDatagram(at, "READY=1\nSTATUS=answering"), 0);
    EXPECT_EQ(reader.Read(), "READY=1\nSTATUS=answering");
    EXPECT_EQ(reader.Read(), "nothing");
  }
}

TEST(UnixDatagram, TellsWhyNobodyGetsIt) {
  const Folder folder;
  EXPECT_EQ(SendUnixDatagram(folder.path + "/nobody", "READY=1"), -ENOENT);
  EXPECT_EQ(SendUnixDatagram("@shardns-test-nobody-is-here", "READY=1"), -ECONNREFUSED);
  EXPECT_EQ(SendUnixDatagram("vsock:2:1", "READY=1"), -EINVAL);
  EXPECT_EQ(SendUnixDatagram("", "READY=1"), -EINVAL);
  EXPECT_EQ(SendUnixDatagram("/" + std::string(108, 'x'), "READY=1"), -ENAMETOOLONG);
}

TEST(UnixDatagram, WaitsForNobodyWhoDoesNotRead) {
  const Folder folder;
  const std::string path = folder.path + "/notify";
  const Reader reader(path);
  int error = 0;
  for (int i = 0; i < 100'000 && error == 0; ++i) error = SendUnixDatagram(path, "WATCHDOG=1");
  EXPECT_EQ(error, -EAGAIN);
}

}  // namespace
}  // namespace shardns::test
