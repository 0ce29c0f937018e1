// Of numbers and lists.
#include "addon/plane_options.h"

namespace shardns::addon {

namespace {

bool ReadOptions(Properties* options, udp::PlaneOptions* plane) {
  uint32_t receive_buffer;
  if (!options->Read("threads", &plane->threads) || !options->Read("pin", &plane->pin) ||
      !options->Read("flights", &plane->flights) || !options->Read("waiters", &plane->waiters) ||
      !options->Read("clientFlights", &plane->client_share.flights) ||
      !options->Read("clientWaiters", &plane->client_share.waiters) ||
      !options->Read("receiveBufferBytes", &receive_buffer)) {
    return false;
  }
  plane->sockets.receive_buffer_bytes = static_cast<int>(receive_buffer);
  return true;
}

// [address, port, address, port, ...]
bool ReadEndpoints(napi_env env, Properties* options, std::vector<GivenEndpoint>* endpoints) {
  const napi_value list = options->Get("endpoints");
  uint32_t length;
  if (napi_get_array_length(env, list, &length) != napi_ok || length % 2 != 0) {
    return options->Wrong("endpoints", "an array of addresses and their ports");
  }
  endpoints->resize(length / 2);
  for (uint32_t i = 0; i < endpoints->size(); ++i) {
    napi_value address, port;
    uint32_t number;
    napi_get_element(env, list, 2 * i, &address);
    napi_get_element(env, list, 2 * i + 1, &port);
    if (!GetString(env, address, &(*endpoints)[i].address)) return options->Wrong("endpoints", "addresses as strings");
    if (!GetUint32(env, port, &number) || number > UINT16_MAX) {
      return options->Wrong("endpoints", "ports from 0 to 65535");
    }
    (*endpoints)[i].port = static_cast<uint16_t>(number);
  }
  return true;
}

// [number of the endpoint, descriptor, ...]; undefined where there are none
bool ReadAdopted(napi_env env, Properties* options, udp::PlaneOptions* plane) {
  const napi_value list = options->Get("adopted");
  napi_valuetype type = napi_undefined;
  if (napi_typeof(env, list, &type) == napi_ok && type == napi_undefined) return true;
  uint32_t length;
  if (napi_get_array_length(env, list, &length) != napi_ok || length % 2 != 0) {
    return options->Wrong("adopted", "an array of endpoints and their descriptors");
  }
  for (uint32_t i = 0; i < length; i += 2) {
    napi_value endpoint, fd;
    udp::PlaneOptions::Adopted one;
    napi_get_element(env, list, i, &endpoint);
    napi_get_element(env, list, i + 1, &fd);
    if (!GetUint32(env, endpoint, &one.endpoint) || napi_get_value_int32(env, fd, &one.fd) != napi_ok) {
      return options->Wrong("adopted", "endpoints and descriptors as numbers");
    }
    plane->adopted.push_back(one);
  }
  return true;
}

}  // namespace

bool ReadPlaneOptions(napi_env env, Properties* options, udp::PlaneOptions* plane,
                      std::vector<GivenEndpoint>* endpoints) {
  return ReadOptions(options, plane) && ReadEndpoints(env, options, endpoints) && ReadAdopted(env, options, plane);
}

}  // namespace shardns::addon
