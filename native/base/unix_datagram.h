// One datagram to a unix socket: how a service manager is told of a service (sd_notify(3)). Keeps nothing open.
#pragma once
#include <string_view>

namespace shardns {

// A path that begins with '@' is a name in Linux's abstract namespace. Never waits. 0, or a negative errno: -EAGAIN
// where whoever reads there has no room.
int SendUnixDatagram(std::string_view path, std::string_view text);

}  // namespace shardns
