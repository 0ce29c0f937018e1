// The floor: receives batches with recvmmsg, sets QR, sends them back with sendmmsg. Looks up and patches nothing.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  if (argc != 2) return 1;
  constexpr int kBatch = 64;
  constexpr int kSize = 2112;
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const int buffer = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  sockaddr_in at = {};
  at.sin_family = AF_INET;
  at.sin_port = htons(static_cast<uint16_t>(std::atoi(argv[1])));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) {
    std::perror("bind");
    return 1;
  }
  static uint8_t data[kBatch][kSize];
  static sockaddr_in addresses[kBatch];
  static iovec vectors[kBatch];
  static mmsghdr headers[kBatch];
  for (;;) {
    for (int i = 0; i < kBatch; ++i) {
      vectors[i] = {data[i], kSize};
      headers[i].msg_hdr = {&addresses[i], sizeof addresses[i], &vectors[i], 1, nullptr, 0, 0};
    }
    const int n = recvmmsg(fd, headers, kBatch, MSG_WAITFORONE, nullptr);
    if (n <= 0) continue;
    for (int i = 0; i < n; ++i) {
      data[i][2] |= 0x80;
      vectors[i].iov_len = headers[i].msg_len;
    }
    for (int sent = 0; sent < n;) {
      const int m = sendmmsg(fd, headers + sent, static_cast<unsigned>(n - sent), 0);
      sent += m > 0 ? m : 1;
    }
  }
}
