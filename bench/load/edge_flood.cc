// A flood of queries from made-up addresses, at full speed, and what comes back to them. The addresses are of
// 127.0.0.0/8, every one of which is this machine's: they are put into each datagram (IP_PKTINFO), and replies to all
// of them come to the one socket, so that nobody's rights are needed and nothing is lost.
//
//   edge_flood PORT SECONDS spread|victim [QUERIES_PER_SECOND]
//
// spread: 2^24 addresses of 2^16 networks of 24 bits; victim: those of one network. Prints one line of JSON.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int kBatch = 64;
constexpr uint32_t kVictim = 0x7F4D4D00;  // 127.77.77.0

// www0.flood.com to www99.flood.com, A, without EDNS.
size_t WriteQuery(uint32_t number, uint8_t* out) {
  static constexpr uint8_t kHeader[] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  std::memcpy(out, kHeader, sizeof kHeader);
  out[0] = static_cast<uint8_t>(number >> 8);
  out[1] = static_cast<uint8_t>(number);
  uint8_t* at = out + sizeof kHeader;
  char label[8];
  const int length = std::snprintf(label, sizeof label, "www%u", number % 100);
  *at++ = static_cast<uint8_t>(length);
  std::memcpy(at, label, static_cast<size_t>(length));
  at += length;
  static constexpr uint8_t kRest[] = {5, 'f', 'l', 'o', 'o', 'd', 3, 'c', 'o', 'm', 0, 0, 1, 0, 1};
  std::memcpy(at, kRest, sizeof kRest);
  return static_cast<size_t>(at + sizeof kRest - out);
}

uint32_t Random() {
  static uint64_t state = 0x9E3779B97F4A7C15;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return static_cast<uint32_t>(state >> 16);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 1;
  const bool victim = std::strcmp(argv[3], "victim") == 0;
  const double per_second = argc > 4 ? std::atof(argv[4]) : 1e12;
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const int buffer = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  sockaddr_in any = {};
  any.sin_family = AF_INET;
  if (bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any) != 0) return 1;
  sockaddr_in server = {};
  server.sin_family = AF_INET;
  server.sin_port = htons(static_cast<uint16_t>(std::atoi(argv[1])));
  server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

  static uint8_t queries[kBatch][64], replies[kBatch][2048];
  alignas(cmsghdr) static uint8_t controls[kBatch][CMSG_SPACE(sizeof(in_pktinfo))];
  static iovec out[kBatch], in[kBatch];
  static mmsghdr sends[kBatch], receives[kBatch];
  for (int i = 0; i < kBatch; ++i) {
    out[i] = {queries[i], 0};
    sends[i].msg_hdr = {&server, sizeof server, &out[i], 1, controls[i], sizeof controls[i], 0};
    cmsghdr* head = CMSG_FIRSTHDR(&sends[i].msg_hdr);
    head->cmsg_level = IPPROTO_IP;
    head->cmsg_type = IP_PKTINFO;
    head->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
    in[i] = {replies[i], sizeof replies[i]};
    receives[i].msg_hdr = {nullptr, 0, &in[i], 1, nullptr, 0, 0};
  }
  uint64_t sent = 0, sent_octets = 0, received = 0, received_octets = 0, truncated = 0, answered = 0;
  using Clock = std::chrono::steady_clock;
  const auto began = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - began).count(); };
  const auto drain = [&] {
    for (;;) {
      const int n = recvmmsg(fd, receives, kBatch, MSG_DONTWAIT, nullptr);
      if (n <= 0) return;
      for (int i = 0; i < n; ++i) {
        ++received;
        received_octets += receives[i].msg_len;
        truncated += (replies[i][2] & 2) != 0;
        answered += replies[i][7] != 0;
      }
    }
  };
  const double end = std::atof(argv[2]);
  while (seconds() < end) {
    drain();
    if (static_cast<double>(sent) > per_second * seconds()) {
      usleep(200);
      continue;
    }
    for (int i = 0; i < kBatch; ++i) {
      const uint32_t random = Random();
      out[i].iov_len = WriteQuery(random, queries[i]);
      in_pktinfo info = {};
      const uint32_t from = victim ? kVictim | (random & 255) : 0x7F000000 | (Random() & 0xFFFFFF);
      info.ipi_spec_dst.s_addr = htonl(from);
      std::memcpy(CMSG_DATA(CMSG_FIRSTHDR(&sends[i].msg_hdr)), &info, sizeof info);
    }
    const int n = sendmmsg(fd, sends, kBatch, 0);
    for (int i = 0; i < n; ++i) sent_octets += out[i].iov_len;
    sent += n > 0 ? static_cast<uint64_t>(n) : 0;
  }
  for (int i = 0; i < 50; ++i) {
    usleep(10'000);
    drain();
  }
  std::printf(
      "{\"sent\":%llu,\"sentOctets\":%llu,\"received\":%llu,\"receivedOctets\":%llu,\"answered\":%llu,\"truncated\":%"
      "llu}\n",
      static_cast<unsigned long long>(sent), static_cast<unsigned long long>(sent_octets),
      static_cast<unsigned long long>(received), static_cast<unsigned long long>(received_octets),
      static_cast<unsigned long long>(answered), static_cast<unsigned long long>(truncated));
}
