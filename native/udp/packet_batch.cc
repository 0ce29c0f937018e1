// Receiving and sending them.
#include "udp/packet_batch.h"

#include <cerrno>

namespace shardns::udp {

ReceiveBatch::ReceiveBatch() : data_(new uint8_t[kBatchPackets * kReceiveStride]()) {
  std::memset(headers_, 0, sizeof headers_);
  for (size_t i = 0; i < kBatchPackets; ++i) {
    vectors_[i] = {.iov_base = data_.get() + i * kReceiveStride, .iov_len = kReceiveStride - 64};
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_name = &addresses_[i];
    headers_[i].msg_hdr.msg_namelen = sizeof addresses_[i];
  }
}

int ReceiveBatch::Receive(int fd, bool with_local_address, bool nonblocking) {
  for (size_t i = 0; i < kBatchPackets; ++i) {
    msghdr& header = headers_[i].msg_hdr;
    header.msg_namelen = sizeof addresses_[i];
    header.msg_control = with_local_address ? controls_[i] : nullptr;
    header.msg_controllen = with_local_address ? kControlOctets : 0;
  }
  const int n = ReceiveMany(fd, headers_, kBatchPackets, nonblocking);
  return n < 0 ? -errno : n;
}

void ReadLocalAddress(const msghdr& received, Peer* peer) {
  for (const cmsghdr* control = CMSG_FIRSTHDR(&received); control != nullptr;
       control = CMSG_NXTHDR(const_cast<msghdr*>(&received), const_cast<cmsghdr*>(control))) {
    if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(control), sizeof info);
      info.ipi_ifindex = 0;  // the route decides; the source address is what matters
      std::memcpy(peer->local, &info, sizeof info);
      peer->local_length = sizeof info;
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(control), sizeof info);
      if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) info.ipi6_ifindex = 0;
      std::memcpy(peer->local, &info, sizeof info);
      peer->local_length = sizeof info;
    }
  }
}

Peer ReceiveBatch::peer(int i, uint16_t receiver) const {
  const msghdr& header = headers_[i].msg_hdr;
  Peer peer;
  peer.receiver = receiver;
  peer.address_length = static_cast<uint8_t>(header.msg_namelen <= sizeof peer.address ? header.msg_namelen : 0);
  std::memcpy(peer.address, &addresses_[i], peer.address_length);
  ReadLocalAddress(header, &peer);
  return peer;
}

SendBatch::SendBatch() : data_(new uint8_t[kBatchPackets * kSendStride]()) {
  std::memset(headers_, 0, sizeof headers_);
  for (size_t i = 0; i < kBatchPackets; ++i) {
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
  }
}

msghdr& SendBatch::Commit(size_t buffer, size_t length) {
  SHARDNS_CHECK(size_ < kBatchPackets && buffer < kBatchPackets && length <= kSendStride);
  vectors_[size_] = {.iov_base = data_.get() + buffer * kSendStride, .iov_len = length};
  msghdr& header = headers_[size_].msg_hdr;
  header.msg_control = nullptr;
  header.msg_controllen = 0;
  return header;
}

void SendBatch::SetLocal(msghdr* header, const Peer& peer) {
  if (peer.local_length == 0) return;
  const bool v6 = peer.local_length == sizeof(in6_pktinfo);
  header->msg_control = controls_[size_];
  header->msg_controllen = CMSG_SPACE(peer.local_length);
  cmsghdr* control = CMSG_FIRSTHDR(header);
  control->cmsg_level = v6 ? static_cast<int>(IPPROTO_IPV6) : static_cast<int>(IPPROTO_IP);
  control->cmsg_type = v6 ? IPV6_PKTINFO : IP_PKTINFO;
  control->cmsg_len = CMSG_LEN(peer.local_length);
  std::memcpy(CMSG_DATA(control), peer.local, peer.local_length);
}

void SendBatch::AddAt(size_t buffer, size_t length, const Peer& peer) {
  msghdr& header = Commit(buffer, length);
  std::memcpy(&addresses_[size_], peer.address, peer.address_length);
  header.msg_name = &addresses_[size_];
  header.msg_namelen = peer.address_length;
  SetLocal(&header, peer);
  ++size_;
}

void SendBatch::AddAt(size_t buffer, size_t length, const msghdr& received, bool with_local_address) {
  msghdr& header = Commit(buffer, length);
  header.msg_name = received.msg_name;
  header.msg_namelen = received.msg_namelen;
  if (with_local_address) {
    Peer peer;
    ReadLocalAddress(received, &peer);
    SetLocal(&header, peer);
  }
  ++size_;
}

void SendBatch::Flush(int fd, SendCounters* counters) {
  size_t done = 0;
  while (done < size_) {
    const int n = SendMany(fd, headers_ + done, static_cast<unsigned>(size_ - done));
    if (n > 0) {
      counters->sent.Add(static_cast<uint64_t>(n));
      done += static_cast<size_t>(n);
    } else if (errno != EINTR) {
      counters->failed.Add();
      ++done;
    }
  }
  size_ = 0;
}

}  // namespace shardns::udp
