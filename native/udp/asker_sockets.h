// The sockets that queries to upstreams leave by. Each is connected to one server, so that the kernel drops what comes
// from elsewhere and reports who is not there; each has a port that the kernel drew. Single-threaded.
//
// A port that is used for long can be found out and then forged to (SAD DNS, CVE-2020-25705), and a socket keeps the
// source address that it had when it was connected, gone or not. So queries get a new socket whenever the budget of
// openings has one; else one of the server's 64 by chance, which is used 64 times at most. Queries to one server that
// are sent together share a socket, 16 at most: an attacker that guesses a port hits more of them or none, and on the
// average as many; and a system call sends them all.
//
// Bounds: 128 servers, the one asked longest ago goes first; 64 shared sockets a server, 2048 in all, and 512 more that
// are not used any more and wait for responses: beyond both together the one that has waited longest is closed; for one
// query alone 256 a server, 1024 in all. Tables grow to those bounds when a socket is opened, and not otherwise.
#pragma once
#include <vector>

#include "base/hash.h"
#include "base/token_bucket.h"
#include "udp/query_table.h"
#include "udp/socket.h"

namespace shardns::udp {

inline constexpr uint32_t kSharedPerServer = 64;
inline constexpr uint32_t kMaxServers = 128;
inline constexpr uint32_t kMaxShared = 2048;
inline constexpr uint32_t kMaxDraining = 512;
inline constexpr uint32_t kAlonePerServer = 256;
inline constexpr uint32_t kMaxAlone = 1024;
inline constexpr uint32_t kQueriesPerSocket = 64;
inline constexpr uint32_t kRun = 16;
// So that a free id is found at once.
inline constexpr uint32_t kPendingPerSocket = 32'768;
// The burst is what a quiet server asks in some seconds.
inline constexpr TokenBucket::Limit kOpenings = {.per_second = 128, .burst = 1024};

// Why a query fails. Positive: the errno of its socket. Values cross into TypeScript.
enum AskFailure : int32_t {
  kNoSocketAlone = -1,  // every socket for one query is in use
  kTooMany = -2,        // the socket has no id left
  kEvicted = -3,        // too many servers are late, no socket is left to wait for this one
  kMalformed = -4,      // no query with one question, or no address
  kCrowded = -5,        // never seen by a caller: another socket has to go first
};

// This process or machine has no room for another socket or packet: it says nothing of the server.
bool IsOurOwn(int error);

// A server as a key. Values cross into TypeScript.
//  0      2      4       8         24
//  | family | port | scope | address |
struct ServerAddress {
  uint16_t family = 0;  // 4 or 6
  uint16_t port = 0;
  uint32_t scope = 0;
  uint8_t address[16] = {};

  bool operator==(const ServerAddress&) const = default;
};
static_assert(sizeof(ServerAddress) == 24);
// False for an address that this machine cannot have (socket.h).
bool MakeServerAddress(const char* text, uint16_t port, ServerAddress* server);

struct LocalAddresses {
  Endpoint v4, v6;  // no length: the kernel chooses
};

struct AskerSocket {
  enum class State : uint8_t { kClosed, kShared, kDraining, kAlone };

  int fd = -1;
  State state = State::kClosed;
  uint8_t place = 0;        // of its server's
  uint32_t generation = 0;  // tells apart those that had the same number
  uint32_t server = kNone;
  uint32_t used = 0;
  uint32_t mismatched = 0;
  uint32_t pending = 0;
  uint32_t sending = kNone;  // the last of its packets in the asker's batch
  List queries;              // oldest first
  Links of_draining;

  // Nothing new is asked over it; it is closed when what it waits for is over.
  bool retired() const { return state != State::kShared; }
};

class AskerSockets {
 public:
  AskerSockets(int epoll_fd, HashSecret secret, RandomWords* random, const LocalAddresses& local)
      : epoll_fd_(epoll_fd), secret_(secret), random_(random), local_(local) {}
  ~AskerSockets();

  AskerSocket& operator[](uint32_t socket) { return sockets_[socket]; }
  // Where a socket is still the one it was.
  AskerSocket* Find(uint32_t socket, uint32_t generation);
  uint64_t opened() const { return opened_; }
  uint32_t size() const { return shared_ + draining_count_ + alone_; }

  // The socket that has to go after kCrowded; kNone: there is room. Its queries fail.
  uint32_t Crowded() const { return shared_ + draining_count_ >= kMaxShared + kMaxDraining ? draining_.first : kNone; }
  // A socket for one query, or kNone and why.
  uint32_t Alone(const ServerAddress& server, int32_t* failure);
  // One of the server's sockets, or kNone and why. `batch`: those with the same number are sent together.
  uint32_t Shared(const ServerAddress& server, uint32_t now_ms, uint32_t batch, int32_t* failure);

  // A query waits for a response over it, or not any longer.
  void Hold(uint32_t socket) { ++sockets_[socket].pending; }
  void Release(uint32_t socket) {
    AskerSocket& own = sockets_[socket];
    if (--own.pending == 0 && own.retired()) Close(socket);
  }
  void Retire(uint32_t socket);
  // What is wrong with the way of one of them (its source address is gone) is wrong with the others' too.
  void RetireAllOf(uint32_t server);

  // Queries that wait over all of them. For tests.
  uint32_t CheckInvariants() const;

 private:
  struct Server {
    ServerAddress address;
    bool shares = false;  // has shared sockets, and is in the list of those
    uint32_t alone = 0;
    uint32_t next_in_chain = kNone;
    Links of_recent;
    // What is sent together.
    uint32_t batch = 0;
    uint32_t run_socket = kNone;
    uint32_t run_left = 0;
    uint32_t sockets[kSharedPerServer];
  };

  uint32_t ServerOf(const ServerAddress& address);
  void ForgetIfUnused(uint32_t server);
  void RetireOldestServer(uint32_t but_not);
  uint32_t* ChainOf(const ServerAddress& address) {
    return &chains_[KeyedHash(secret_, reinterpret_cast<const uint8_t*>(&address), sizeof address, 0) % kChains];
  }
  uint32_t Open(uint32_t server, AskerSocket::State state, int32_t* failure);
  int Connect(const ServerAddress& server, int* fd) const;
  void Close(uint32_t socket);
  void ListAsRecent(uint32_t server);
  void UnlistRecent(uint32_t server);
  // One of the server's that is open, where no descriptor is left for another.
  uint32_t AnyOf(uint32_t server) const;
  // A socket of that server could not be opened.
  void NoWay(uint32_t server, int32_t failure);

  static constexpr uint32_t kChains = 1024;

  const int epoll_fd_;
  const HashSecret secret_;
  RandomWords* const random_;
  const LocalAddresses local_;
  TokenBucket openings_{kOpenings};
  std::vector<AskerSocket> sockets_;
  std::vector<uint32_t> free_sockets_;
  std::vector<Server> servers_;
  std::vector<uint32_t> free_servers_;
  std::vector<uint32_t> chains_ = std::vector<uint32_t>(kChains, kNone);
  List draining_;  // who has waited longest comes first
  List recent_;    // servers with shared sockets, who was asked longest ago first
  uint32_t sharing_ = 0;
  uint32_t shared_ = 0;
  uint32_t draining_count_ = 0;
  uint32_t alone_ = 0;
  uint64_t opened_ = 0;
};

}  // namespace shardns::udp
