// Opening, choosing and closing them.
#include "udp/asker_sockets.h"

#include <arpa/inet.h>
#include <unistd.h>

#include <cerrno>

#include "udp/readiness.h"

namespace shardns::udp {

namespace {

// Lists that lead through a vector.
template <typename T>
void Append(std::vector<T>& all, List* list, uint32_t at, Links T::*links) {
  all[at].*links = {.before = list->last, .after = kNone};
  (list->last == kNone ? list->first : (all[list->last].*links).after) = at;
  list->last = at;
}
template <typename T>
void Remove(std::vector<T>& all, List* list, uint32_t at, Links T::*links) {
  const Links own = all[at].*links;
  (own.before == kNone ? list->first : (all[own.before].*links).after) = own.after;
  (own.after == kNone ? list->last : (all[own.after].*links).before) = own.before;
}

template <typename T>
uint32_t Take(std::vector<T>& all, std::vector<uint32_t>& free) {
  if (!free.empty()) {
    const uint32_t at = free.back();
    free.pop_back();
    return at;
  }
  all.emplace_back();
  free.reserve(all.capacity());
  return static_cast<uint32_t>(all.size() - 1);
}

}  // namespace

bool IsOurOwn(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM || error == EAGAIN;
}

bool MakeServerAddress(const char* text, uint16_t port, ServerAddress* server) {
  Endpoint endpoint;
  if (!MakeEndpoint(text, port, &endpoint)) return false;
  *server = {.family = static_cast<uint16_t>(endpoint.v6() ? 6 : 4), .port = port};
  if (endpoint.v6()) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&endpoint.address);
    server->scope = v6->sin6_scope_id;
    std::memcpy(server->address, &v6->sin6_addr, 16);
  } else {
    std::memcpy(server->address, &reinterpret_cast<const sockaddr_in*>(&endpoint.address)->sin_addr, 4);
  }
  return true;
}

AskerSockets::~AskerSockets() {
  for (const AskerSocket& socket : sockets_) {
    if (socket.fd >= 0) close(socket.fd);
  }
}

AskerSocket* AskerSockets::Find(uint32_t socket, uint32_t generation) {
  if (socket >= sockets_.size()) return nullptr;
  AskerSocket& found = sockets_[socket];
  return found.fd >= 0 && found.generation == generation ? &found : nullptr;
}

uint32_t AskerSockets::Alone(const ServerAddress& server, int32_t* failure) {
  *failure = kNoSocketAlone;
  if (alone_ >= kMaxAlone) return kNone;
  const uint32_t number = ServerOf(server);
  if (servers_[number].alone >= kAlonePerServer) return kNone;
  const uint32_t socket = Open(number, AskerSocket::State::kAlone, failure);
  if (socket == kNone) NoWay(number, *failure);
  return socket;
}

uint32_t AskerSockets::Shared(const ServerAddress& server, uint32_t now_ms, uint32_t batch, int32_t* failure) {
  const uint32_t number = ServerOf(server);
  ListAsRecent(number);
  const auto usable = [this, failure](uint32_t socket) {
    *failure = kTooMany;
    return sockets_[socket].pending < kPendingPerSocket;
  };
  if (Server& own = servers_[number]; own.batch == batch && own.run_left > 0 && own.run_socket != kNone) {
    --own.run_left;
    return usable(own.run_socket) ? own.run_socket : kNone;
  }
  uint32_t place = random_->Below(kSharedPerServer);
  const uint32_t old = servers_[number].sockets[place];
  uint32_t socket = old;
  const bool opens = old == kNone || (draining_count_ < kMaxDraining &&
                                      (sockets_[old].used >= kQueriesPerSocket || openings_.Take(now_ms)));
  if (opens) {
    if (old == kNone && shared_ >= kMaxShared) RetireOldestServer(number);
    if (Crowded() != kNone) {
      *failure = kCrowded;
      return kNone;
    }
    socket = Open(number, AskerSocket::State::kShared, failure);
    if (socket != kNone && old != kNone) Retire(old);
    if (socket == kNone && IsOurOwn(*failure)) socket = old != kNone ? old : AnyOf(number);
    if (socket == kNone) {
      NoWay(number, *failure);
      return kNone;
    }
    // Where it stands already, if it serves instead.
    if (servers_[number].sockets[sockets_[socket].place] == socket) place = sockets_[socket].place;
  }
  sockets_[socket].place = static_cast<uint8_t>(place);
  Server& own = servers_[number];
  own.sockets[place] = socket;
  own.batch = batch;
  own.run_socket = socket;
  const uint32_t used = sockets_[socket].used;
  own.run_left = used >= kQueriesPerSocket ? 0 : std::min(kRun, kQueriesPerSocket - used) - 1;
  return usable(socket) ? socket : kNone;
}

void AskerSockets::Retire(uint32_t socket) {
  AskerSocket& own = sockets_[socket];
  if (own.state == AskerSocket::State::kShared) {
    Server& server = servers_[own.server];
    if (server.sockets[own.place] == socket) server.sockets[own.place] = kNone;
    if (server.run_socket == socket) server.run_socket = kNone;
    --shared_;
    own.state = AskerSocket::State::kDraining;
    ++draining_count_;
    Append(sockets_, &draining_, socket, &AskerSocket::of_draining);
    // A server may go while sockets of its own still wait.
    own.server = kNone;
  }
  if (own.pending == 0) Close(socket);
}

uint32_t AskerSockets::AnyOf(uint32_t server) const {
  for (const uint32_t socket : servers_[server].sockets) {
    if (socket != kNone) return socket;
  }
  return kNone;
}

void AskerSockets::NoWay(uint32_t server, int32_t failure) {
  if (!IsOurOwn(failure)) RetireAllOf(server);
  ForgetIfUnused(server);
}

void AskerSockets::RetireAllOf(uint32_t server) {
  if (server == kNone) return;
  UnlistRecent(server);
  for (uint32_t place = 0; place < kSharedPerServer; ++place) {
    if (const uint32_t socket = servers_[server].sockets[place]; socket != kNone) Retire(socket);
  }
  ForgetIfUnused(server);
}

uint32_t AskerSockets::ServerOf(const ServerAddress& address) {
  uint32_t* chain = ChainOf(address);
  for (uint32_t at = *chain; at != kNone; at = servers_[at].next_in_chain) {
    if (servers_[at].address == address) return at;
  }
  const uint32_t at = Take(servers_, free_servers_);
  Server& server = servers_[at];
  server = Server{};
  server.address = address;
  std::fill(std::begin(server.sockets), std::end(server.sockets), kNone);
  server.next_in_chain = *chain;
  *chain = at;
  return at;
}

void AskerSockets::ForgetIfUnused(uint32_t server) {
  Server& own = servers_[server];
  if (own.address.family == 0 || own.shares || own.alone > 0) return;
  uint32_t* link = ChainOf(own.address);
  while (*link != server) link = &servers_[*link].next_in_chain;
  *link = own.next_in_chain;
  own.address = {};
  free_servers_.push_back(server);
}

void AskerSockets::ListAsRecent(uint32_t server) {
  if (recent_.last == server) return;
  if (servers_[server].shares) {
    Remove(servers_, &recent_, server, &Server::of_recent);
  } else {
    if (sharing_ >= kMaxServers) RetireOldestServer(server);
    servers_[server].shares = true;
    ++sharing_;
  }
  Append(servers_, &recent_, server, &Server::of_recent);
}

void AskerSockets::UnlistRecent(uint32_t server) {
  if (!servers_[server].shares) return;
  Remove(servers_, &recent_, server, &Server::of_recent);
  servers_[server].shares = false;
  --sharing_;
}

void AskerSockets::RetireOldestServer(uint32_t but_not) {
  uint32_t oldest = recent_.first;
  if (oldest == but_not && oldest != kNone) oldest = servers_[oldest].of_recent.after;
  RetireAllOf(oldest);
}

uint32_t AskerSockets::Open(uint32_t server, AskerSocket::State state, int32_t* failure) {
  int fd = -1;
  *failure = Connect(servers_[server].address, &fd);
  if (fd < 0) return kNone;
  ++opened_;
  const uint32_t at = Take(sockets_, free_sockets_);
  AskerSocket& socket = sockets_[at];
  const uint32_t generation = socket.generation + 1;
  socket = AskerSocket{};
  socket.fd = fd;
  socket.state = state;
  socket.generation = generation;
  socket.server = server;
  if (const int error = Watch(epoll_fd_, fd, uint64_t{socket.generation} << 32 | at); error != 0) {
    close(fd);
    socket.fd = -1;
    socket.state = AskerSocket::State::kClosed;
    free_sockets_.push_back(at);
    *failure = error;
    return kNone;
  }
  if (state == AskerSocket::State::kAlone) {
    ++alone_;
    ++servers_[server].alone;
  } else {
    ++shared_;
  }
  return at;
}

int AskerSockets::Connect(const ServerAddress& server, int* fd) const {
  sockaddr_storage to = {};
  socklen_t length;
  if (server.family == 6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&to);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(server.port);
    v6->sin6_scope_id = server.scope;
    std::memcpy(&v6->sin6_addr, server.address, 16);
    length = sizeof *v6;
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&to);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(server.port);
    std::memcpy(&v4->sin_addr, server.address, 4);
    length = sizeof *v4;
  }
  *fd = OpenNonblocking(to.ss_family);
  if (*fd < 0) return errno;
  const Endpoint& local = server.family == 6 ? local_.v6 : local_.v4;
  if ((local.length == 0 || bind(*fd, reinterpret_cast<const sockaddr*>(&local.address), local.length) == 0) &&
      connect(*fd, reinterpret_cast<const sockaddr*>(&to), length) == 0) {
    return 0;
  }
  const int error = errno;
  close(*fd);
  *fd = -1;
  return error;
}

void AskerSockets::Close(uint32_t at) {
  AskerSocket& socket = sockets_[at];
  close(socket.fd);  // which takes it out of what is watched
  socket.fd = -1;
  if (socket.state == AskerSocket::State::kAlone) {
    --alone_;
    --servers_[socket.server].alone;
    ForgetIfUnused(socket.server);
  } else {
    --draining_count_;
    Remove(sockets_, &draining_, at, &AskerSocket::of_draining);
  }
  socket.state = AskerSocket::State::kClosed;
  free_sockets_.push_back(at);
}

uint32_t AskerSockets::CheckInvariants() const {
  uint32_t pending = 0, open = 0, draining = 0, sharing = 0, alone = 0;
  for (const AskerSocket& socket : sockets_) {
    SHARDNS_CHECK((socket.fd >= 0) == (socket.state != AskerSocket::State::kClosed));
    SHARDNS_CHECK((socket.pending == 0) == socket.queries.empty());
    if (socket.fd < 0) continue;
    ++open;
    pending += socket.pending;
    SHARDNS_CHECK(!socket.retired() || socket.pending > 0);
  }
  for (uint32_t at = draining_.first; at != kNone; at = sockets_[at].of_draining.after) ++draining;
  for (uint32_t at = recent_.first; at != kNone; at = servers_[at].of_recent.after) ++sharing;
  for (const Server& server : servers_) alone += server.alone;
  SHARDNS_CHECK(open == size() && draining == draining_count_ && sharing == sharing_ && alone == alone_);
  SHARDNS_CHECK(open <= kMaxShared + kMaxDraining + kMaxAlone && sharing <= kMaxServers);
  return pending;
}

}  // namespace shardns::udp
