// The part of libuv that watches a descriptor, declared here: the headers of Node-API do not bring its own, and a
// program may be built where Node has none installed. Its ABI is the same in all of libuv 1; the handle's size is asked
// for, and what it is is compared by name. Absent symbols are null: other runtimes have Node-API and no libuv.
#pragma once
#include <node_api.h>

#include <cstddef>
#include <cstring>

extern "C" {
struct uv_poll_s;
using uv_poll_function = void (*)(uv_poll_s* handle, int status, int events);
using uv_close_function = void (*)(uv_poll_s* handle);

[[gnu::weak]] size_t uv_handle_size(int type);
[[gnu::weak]] const char* uv_handle_type_name(int type);
[[gnu::weak]] void uv_handle_set_data(uv_poll_s* handle, void* data);
[[gnu::weak]] void* uv_handle_get_data(const uv_poll_s* handle);
[[gnu::weak]] int uv_poll_init(uv_loop_s* loop, uv_poll_s* handle, int fd);
[[gnu::weak]] int uv_poll_start(uv_poll_s* handle, int events, uv_poll_function on_event);
[[gnu::weak]] void uv_close(uv_poll_s* handle, uv_close_function on_closed);
[[gnu::weak]] void uv_unref(uv_poll_s* handle);
}

namespace shardns::addon {

inline constexpr int kUvPoll = 8;      // UV_POLL
inline constexpr int kUvReadable = 1;  // UV_READABLE

inline bool HasUvPoll() {
  return uv_handle_size != nullptr && uv_handle_type_name != nullptr && uv_handle_set_data != nullptr &&
         uv_handle_get_data != nullptr && uv_poll_init != nullptr && uv_poll_start != nullptr && uv_close != nullptr &&
         uv_unref != nullptr && std::strcmp(uv_handle_type_name(kUvPoll), "poll") == 0;
}

}  // namespace shardns::addon
