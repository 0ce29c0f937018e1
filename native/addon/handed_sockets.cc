// Descriptors as JavaScript has them: numbers.
#include "addon/handed_sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>

#include <cerrno>
#include <string>

#include "addon/call.h"
#include "base/unix_datagram.h"
#include "udp/socket.h"

namespace shardns::addon {

namespace {

// With the interface that it is of, as udp::MakeEndpoint reads it.
std::string TextOf(const udp::Endpoint& endpoint) {
  const Bytes octets = udp::AddressOf(reinterpret_cast<const sockaddr*>(&endpoint.address));
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(endpoint.address.ss_family, octets.data(), text, sizeof text);
  const uint32_t scope = endpoint.v6() ? reinterpret_cast<const sockaddr_in6*>(&endpoint.address)->sin6_scope_id : 0;
  char interface[IF_NAMESIZE] = {};
  if (scope == 0) return text;
  const bool named = if_indextoname(scope, interface) != nullptr;
  return std::string(text) + "%" + (named ? interface : std::to_string(scope));
}

}  // namespace

// takeSocket(fd) -> {address, port, datagrams, bothFamilies}; undefined for what is no such socket
napi_value TakeSocket(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "fd");
  uint32_t fd;
  if (!call.Read(0, &fd)) return call.Refuse();
  udp::SocketFacts facts;
  if (fd > INT32_MAX || !udp::InspectSocket(static_cast<int>(fd), &facts)) return nullptr;
  // Programs that this one starts have no use for it.
  fcntl(static_cast<int>(fd), F_SETFD, FD_CLOEXEC);
  const std::string address = TextOf(facts.endpoint);
  napi_value object, text;
  napi_create_object(env, &object);
  napi_create_string_utf8(env, address.c_str(), address.size(), &text);
  napi_set_named_property(env, object, "address", text);
  napi_set_named_property(env, object, "port", Int(env, facts.endpoint.port()));
  napi_set_named_property(env, object, "datagrams", Bool(env, facts.datagrams));
  napi_set_named_property(env, object, "bothFamilies", Bool(env, facts.both_families));
  return object;
}

// duplicateDescriptor(fd) -> another one of the same file, or a negative errno
napi_value DuplicateDescriptor(napi_env env, napi_callback_info info) {
  Call<1> call(env, info, "fd");
  uint32_t fd;
  if (!call.Read(0, &fd)) return call.Refuse();
  const int own = fd > INT32_MAX ? -1 : fcntl(static_cast<int>(fd), F_DUPFD_CLOEXEC, 0);
  return Int(env, own >= 0 ? own : fd > INT32_MAX ? -EBADF : -errno);
}

// sendUnixDatagram(path, text) -> 0 or a negative errno
napi_value SendDatagram(napi_env env, napi_callback_info info) {
  Call<2> call(env, info, "path, text");
  std::string path, text;
  if (!call.Read(0, &path) || !call.Read(1, &text)) return call.Refuse();
  return Int(env, SendUnixDatagram(path, text));
}

}  // namespace shardns::addon
