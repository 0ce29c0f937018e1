// A zone and its questioners in one cheap thread, so that a resolver between them has the machine's cores to itself:
// serves `wild.example` on one socket, where every name has an address, and asks the resolver for names that nobody has
// asked for, with a fixed number of questions under way. Prints answers, queries to the zone, and seconds.
//   wild RESOLVER_PORT ZONE_PORT SECONDS WINDOW FIRST_NAME
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kBatch = 64;
constexpr size_t kSize = 2048;
constexpr int kClients = 2;
constexpr unsigned kRestMicroseconds = 1000;  // nearer than the world is, for a fifth less of a core than 100

struct Batch {
  uint8_t data[kBatch][kSize];
  sockaddr_in peers[kBatch];
  iovec vectors[kBatch];
  mmsghdr headers[kBatch];

  int Receive(int fd) {
    for (int i = 0; i < kBatch; ++i) {
      vectors[i] = {data[i], kSize};
      headers[i].msg_hdr = {&peers[i], sizeof peers[i], &vectors[i], 1, nullptr, 0, 0};
    }
    return recvmmsg(fd, headers, kBatch, MSG_DONTWAIT, nullptr);
  }
  void Send(int fd, int count, bool connected) {
    for (int i = 0; i < count; ++i) {
      if (connected) headers[i].msg_hdr = {nullptr, 0, &vectors[i], 1, nullptr, 0, 0};
    }
    for (int sent = 0; sent < count;) {
      const int n = sendmmsg(fd, headers + sent, static_cast<unsigned>(count - sent), 0);
      sent += n > 0 ? n : 1;
    }
  }
};
Batch batch;

sockaddr_in At(int port) {
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<uint16_t>(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

int Open() {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const int buffer = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  return fd;
}

// Turns a query into its answer, in place: an address for A, nothing for other types; an OPT at the end.
size_t Answer(uint8_t* message, size_t size) {
  size_t end = 12;
  while (end < size && message[end] != 0) end += message[end] + 1u;
  end += 5;
  if (end > size || end + 64 > kSize) return 0;
  const bool address = message[end - 4] == 0 && message[end - 3] == 1;
  message[2] = 0x84;
  message[3] = 0;
  message[7] = address;
  message[9] = 0;
  message[11] = 1;
  if (address) {
    static constexpr uint8_t kRecord[] = {0xC0, 12, 0, 1, 0, 1, 0, 0, 14, 16, 0, 4, 192, 0, 2, 1};
    std::memcpy(message + end, kRecord, sizeof kRecord);
    end += sizeof kRecord;
  }
  static constexpr uint8_t kOpt[] = {0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0};
  std::memcpy(message + end, kOpt, sizeof kOpt);
  return end + sizeof kOpt;
}

size_t Ask(uint8_t* message, unsigned long number) {
  char label[32];
  const int length = std::snprintf(label, sizeof label, "name%lu", number);
  static constexpr uint8_t kHead[] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  std::memcpy(message, kHead, sizeof kHead);
  message[0] = static_cast<uint8_t>(number >> 8);
  message[1] = static_cast<uint8_t>(number);
  message[12] = static_cast<uint8_t>(length);
  std::memcpy(message + 13, label, static_cast<size_t>(length));
  static constexpr uint8_t kRest[] = "\4wild\7example\0\0\1\0\1";
  std::memcpy(message + 13 + length, kRest, sizeof kRest - 1);
  return 13 + static_cast<size_t>(length) + sizeof kRest - 1;
}

double Now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 1;
  const sockaddr_in resolver = At(std::atoi(argv[1]));
  const sockaddr_in zone = At(std::atoi(argv[2]));
  const double seconds = std::atof(argv[3]);
  const int window = std::atoi(argv[4]) / kClients;
  unsigned long next = std::strtoul(argv[5], nullptr, 10);
  pollfd fds[1 + kClients];
  for (auto& one : fds) one = {Open(), POLLIN, 0};
  if (bind(fds[0].fd, reinterpret_cast<const sockaddr*>(&zone), sizeof zone) != 0) {
    std::perror("bind");
    return 1;
  }
  for (int i = 1; i <= kClients; ++i) connect(fds[i].fd, reinterpret_cast<const sockaddr*>(&resolver), sizeof resolver);
  int under_way[1 + kClients] = {};
  const auto fill = [&](int i) {
    while (under_way[i] < window) {
      int count = 0;
      for (; count < kBatch && under_way[i] < window; ++count, ++under_way[i]) {
        batch.vectors[count] = {batch.data[count], Ask(batch.data[count], next++)};
      }
      batch.Send(fds[i].fd, count, true);
    }
  };
  unsigned long answers = 0;
  unsigned long queries = 0;
  const double begin = Now();
  double progress = begin;
  for (int i = 1; i <= kClients; ++i) fill(i);
  for (double now = begin; now - begin < seconds; now = Now()) {
    // Whatever comes meanwhile is served in one go: a system call for each packet costs more than the packet.
    usleep(kRestMicroseconds);
    if (poll(fds, 1 + kClients, 100) < 0) return 1;
    if (fds[0].revents & POLLIN) {
      const int n = batch.Receive(fds[0].fd);
      int count = 0;
      for (int i = 0; i < n; ++i) {
        const size_t length = Answer(batch.data[i], batch.headers[i].msg_len);
        if (length != 0) batch.headers[i].msg_hdr.msg_iov->iov_len = length;
        ++count;
      }
      queries += static_cast<unsigned long>(count);
      batch.Send(fds[0].fd, count, false);
    }
    for (int i = 1; i <= kClients; ++i) {
      if ((fds[i].revents & POLLIN) == 0) continue;
      const int n = batch.Receive(fds[i].fd);
      for (int k = 0; k < n; ++k) {
        const uint8_t* reply = batch.data[k];
        if ((reply[3] & 15) == 0 && reply[7] != 0) ++answers;
        if (under_way[i] > 0) --under_way[i];
      }
      if (n > 0) progress = now;
      fill(i);
    }
    if (now - progress > 1) {
      // What is lost is asked anew.
      for (int i = 1; i <= kClients; ++i) {
        under_way[i] = 0;
        fill(i);
      }
      progress = now;
    }
  }
  std::printf("%lu %lu %.3f\n", answers, queries, Now() - begin);
}
