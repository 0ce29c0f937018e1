// What createPlane is told: read here, used in plane_object.cc.
#pragma once
#include <string>
#include <vector>

#include "addon/call.h"
#include "udp/plane.h"

namespace shardns::addon {

struct GivenEndpoint {
  std::string address;
  uint16_t port;
};

// All but the endpoints' addresses, which may be of interfaces that this machine has not, and the objects. False: as of
// Properties.
bool ReadPlaneOptions(napi_env env, Properties* options, udp::PlaneOptions* plane,
                      std::vector<GivenEndpoint>* endpoints);

}  // namespace shardns::addon
