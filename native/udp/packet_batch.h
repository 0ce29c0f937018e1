// Fixed buffers for one recvmmsg or sendmmsg: made once, used for ever.
#pragma once
#include <memory>

#include "udp/miss_ring.h"
#include "udp/mmsg.h"
#include "udp/socket.h"

namespace shardns::udp {

inline constexpr size_t kBatchPackets = 64;
// Odd numbers of cache lines, so that the packets of a batch do not fall into the same cache sets.
inline constexpr size_t kReceiveStride = 33 * 64;
inline constexpr size_t kSendStride = 67 * 64;
inline constexpr size_t kMaxUdpReply = 4096;
static_assert(kSendStride >= kMaxUdpReply + store::kLooseSlack);
inline constexpr size_t kControlOctets = 64;

// Packets received; who sent them and at which address.
class ReceiveBatch {
 public:
  ReceiveBatch();
  // Waits for at least one packet unless `nonblocking`; returns how many, or a negative errno. 0: receiving stopped.
  int Receive(int fd, bool with_local_address, bool nonblocking);
  Bytes packet(int i) const { return {data_.get() + size_t(i) * kReceiveStride, headers_[i].msg_len}; }
  bool cut_off(int i) const { return (headers_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0; }
  Peer peer(int i, uint16_t receiver) const;
  const Packet& header(int i) const { return headers_[i]; }

 private:
  std::unique_ptr<uint8_t[]> data_;
  sockaddr_in6 addresses_[kBatchPackets];
  iovec vectors_[kBatchPackets];
  alignas(8) uint8_t controls_[kBatchPackets][kControlOctets];
  Packet headers_[kBatchPackets];
};

struct SendCounters {
  Counter sent;
  Counter failed;  // refused by the kernel: full buffer, unreachable peer
};

// Replies to send. Each is built in one of kBatchPackets buffers and then committed; buffers that stay uncommitted cost
// nothing.
class SendBatch {
 public:
  SendBatch();
  MutableBytes At(size_t buffer) { return {data_.get() + buffer * kSendStride, kSendStride}; }
  MutableBytes Next() { return At(size_); }
  // Commits what was built in a buffer. The second form borrows the address of a received packet until Flush.
  void AddAt(size_t buffer, size_t length, const Peer& peer);
  void AddAt(size_t buffer, size_t length, const msghdr& received, bool with_local_address);
  void Add(size_t length, const Peer& peer) { AddAt(size_, length, peer); }
  bool full() const { return size_ == kBatchPackets; }
  bool empty() const { return size_ == 0; }
  // Sends everything. A packet that the kernel refuses is counted and skipped; it never blocks.
  void Flush(int fd, SendCounters* counters);

 private:
  msghdr& Commit(size_t buffer, size_t length);
  void SetLocal(msghdr* header, const Peer& peer);

  std::unique_ptr<uint8_t[]> data_;
  size_t size_ = 0;
  sockaddr_in6 addresses_[kBatchPackets];
  iovec vectors_[kBatchPackets];
  alignas(8) uint8_t controls_[kBatchPackets][kControlOctets];
  Packet headers_[kBatchPackets];
};

// The address a packet came to, from its control messages, into `peer`.
void ReadLocalAddress(const msghdr& received, Peer* peer);

}  // namespace shardns::udp
