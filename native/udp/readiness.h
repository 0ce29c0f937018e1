// Which of many sockets have something to read. Linux only so far: elsewhere nothing can be watched.
#pragma once
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>

#ifdef __linux__
#include <sys/epoll.h>
#include <unistd.h>
#endif

namespace shardns::udp {

inline constexpr int kReadyAtOnce = 64;

#ifdef __linux__

using Ready = epoll_event;

// Negative: -errno.
inline int OpenWatcher() {
  const int fd = epoll_create1(EPOLL_CLOEXEC);
  return fd < 0 ? -errno : fd;
}
inline int OpenNonblocking(int family) { return socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }
// `mark` comes back with what is ready. 0 or a positive errno.
inline int Watch(int watcher, int fd, uint64_t mark) {
  epoll_event event = {.events = EPOLLIN, .data = {.u64 = mark}};
  return epoll_ctl(watcher, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}
// Never waits.
inline int ListReady(int watcher, Ready* ready) { return epoll_wait(watcher, ready, kReadyAtOnce, 0); }
inline uint64_t MarkOf(const Ready& ready) { return ready.data.u64; }

#else

struct Ready {
  uint64_t mark;
};
inline int OpenWatcher() { return -ENOSYS; }
inline int OpenNonblocking(int) { return errno = ENOSYS, -1; }
inline int Watch(int, int, uint64_t) { return ENOSYS; }
inline int ListReady(int, Ready*) { return 0; }
inline uint64_t MarkOf(const Ready& ready) { return ready.mark; }

#endif

}  // namespace shardns::udp
