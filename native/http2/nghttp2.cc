// Looked up once.
#include "http2/nghttp2.h"

#include <dlfcn.h>

namespace shardns::http2::nghttp2 {

namespace {

template <typename Function>
bool Look(const char* name, Function** to) {
  *to = reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
  return *to != nullptr;
}

bool FindAll(Functions* all) {
#define SHARDNS_FIND(name) Look("nghttp2_" #name, &all->name)
  return SHARDNS_FIND(session_callbacks_new) && SHARDNS_FIND(session_callbacks_del) &&
         SHARDNS_FIND(session_callbacks_set_on_begin_headers_callback) &&
         SHARDNS_FIND(session_callbacks_set_on_header_callback) &&
         SHARDNS_FIND(session_callbacks_set_on_data_chunk_recv_callback) &&
         SHARDNS_FIND(session_callbacks_set_on_frame_recv_callback) &&
         SHARDNS_FIND(session_callbacks_set_on_stream_close_callback) &&
         SHARDNS_FIND(session_callbacks_set_on_invalid_frame_recv_callback) &&
         SHARDNS_FIND(session_callbacks_set_on_frame_send_callback) && SHARDNS_FIND(option_new) &&
         SHARDNS_FIND(option_del) && SHARDNS_FIND(option_set_stream_reset_rate_limit) &&
         SHARDNS_FIND(option_set_max_continuations) && SHARDNS_FIND(option_set_max_settings) &&
         SHARDNS_FIND(option_set_max_outbound_ack) && SHARDNS_FIND(session_server_new2) && SHARDNS_FIND(session_del) &&
         SHARDNS_FIND(session_mem_recv) && SHARDNS_FIND(session_mem_send) && SHARDNS_FIND(session_want_read) &&
         SHARDNS_FIND(session_want_write) && SHARDNS_FIND(session_terminate_session) &&
         SHARDNS_FIND(session_get_last_proc_stream_id) && SHARDNS_FIND(submit_shutdown_notice) &&
         SHARDNS_FIND(submit_goaway) && SHARDNS_FIND(session_set_stream_user_data) &&
         SHARDNS_FIND(session_get_stream_user_data) && SHARDNS_FIND(submit_settings) && SHARDNS_FIND(submit_response) &&
         SHARDNS_FIND(submit_rst_stream);
#undef SHARDNS_FIND
}

}  // namespace

const Functions* Find() {
  static Functions functions;
  static const bool found = FindAll(&functions);
  return found ? &functions : nullptr;
}

}  // namespace shardns::http2::nghttp2
