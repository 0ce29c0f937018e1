// The functions of nghttp2 that are used, found in the running program: Node carries the library and exports its C
// functions, so that nothing is linked and there is no second copy of it. Its C interface is that of libnghttp2.so.14.
//
// Declared by hand: Node's headers do not have nghttp2's. Types are as nghttp2.h of 1.61 has them; only what all 1.x
// have is used, and of structures that grow only the beginning.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace shardns::http2::nghttp2 {

struct Session;
struct Callbacks;
struct Option;

struct FrameHeader {
  size_t length;
  int32_t stream_id;
  uint8_t type;
  uint8_t flags;
  uint8_t reserved;
};
struct Field {
  const uint8_t* name;
  const uint8_t* value;
  size_t name_length;
  size_t value_length;
  uint8_t flags;
};
struct Setting {
  int32_t id;
  uint32_t value;
};
union DataSource {
  int descriptor;
  void* pointer;
};
using ReadData = ssize_t (*)(Session*, int32_t stream, uint8_t* to, size_t room, uint32_t* flags, DataSource*,
                             void* user);
struct DataProvider {
  DataSource source;
  ReadData read;
};

namespace frame_type {
inline constexpr uint8_t kData = 0, kHeaders = 1, kPriority = 2, kReset = 3, kSettings = 4, kPing = 6,
                         kWindowUpdate = 8;
}
inline constexpr uint8_t kEndStream = 1;
inline constexpr uint8_t kNoCopy = 2 | 4;  // of a field's name, and of its value
inline constexpr uint32_t kDataEnd = 1;
inline constexpr int32_t kMaxConcurrentStreams = 3, kEnablePush = 2, kMaxHeaderListSize = 6;  // settings
inline constexpr int kTemporalFailure = -521;  // of a callback: this stream is reset, the others go on
inline constexpr int kCallbackFailure = -902;  // the session is over

namespace error {
inline constexpr uint32_t kNone = 0, kRefusedStream = 7, kCancel = 8, kEnhanceYourCalm = 11;  // RFC 9113 section 7
}

using OnFrame = int (*)(Session*, const FrameHeader*, void* user);
using OnField = int (*)(Session*, const FrameHeader*, const uint8_t* name, size_t name_length, const uint8_t* value,
                        size_t value_length, uint8_t flags, void* user);
using OnData = int (*)(Session*, uint8_t flags, int32_t stream, const uint8_t* data, size_t length, void* user);
using OnInvalid = int (*)(Session*, const FrameHeader*, int error, void* user);
using OnClose = int (*)(Session*, int32_t stream, uint32_t error, void* user);

struct Functions {
  int (*session_callbacks_new)(Callbacks**);
  void (*session_callbacks_del)(Callbacks*);
  void (*session_callbacks_set_on_begin_headers_callback)(Callbacks*, OnFrame);
  void (*session_callbacks_set_on_header_callback)(Callbacks*, OnField);
  void (*session_callbacks_set_on_data_chunk_recv_callback)(Callbacks*, OnData);
  void (*session_callbacks_set_on_frame_recv_callback)(Callbacks*, OnFrame);
  void (*session_callbacks_set_on_stream_close_callback)(Callbacks*, OnClose);
  void (*session_callbacks_set_on_invalid_frame_recv_callback)(Callbacks*, OnInvalid);
  void (*session_callbacks_set_on_frame_send_callback)(Callbacks*, OnFrame);
  int (*option_new)(Option**);
  void (*option_del)(Option*);
  // Rapid reset (CVE-2023-44487): a nghttp2 without them is not used.
  void (*option_set_stream_reset_rate_limit)(Option*, uint64_t burst, uint64_t per_second);
  void (*option_set_max_continuations)(Option*, size_t);  // CVE-2024-28182
  void (*option_set_max_settings)(Option*, size_t);
  void (*option_set_max_outbound_ack)(Option*, size_t);
  int (*session_server_new2)(Session**, const Callbacks*, void* user, const Option*);
  void (*session_del)(Session*);
  ssize_t (*session_mem_recv)(Session*, const uint8_t*, size_t);
  ssize_t (*session_mem_send)(Session*, const uint8_t**);
  int (*session_want_read)(Session*);
  int (*session_want_write)(Session*);
  int (*session_terminate_session)(Session*, uint32_t error);
  int32_t (*session_get_last_proc_stream_id)(Session*);
  int (*submit_shutdown_notice)(Session*);
  int (*submit_goaway)(Session*, uint8_t flags, int32_t last_stream, uint32_t error, const uint8_t* data, size_t);
  int (*session_set_stream_user_data)(Session*, int32_t stream, void*);
  void* (*session_get_stream_user_data)(Session*, int32_t stream);
  int (*submit_settings)(Session*, uint8_t flags, const Setting*, size_t);
  int (*submit_response)(Session*, int32_t stream, const Field*, size_t, const DataProvider*);
  int (*submit_rst_stream)(Session*, uint8_t flags, int32_t stream, uint32_t error);
};

// Null where the program has not all of them.
const Functions* Find();

}  // namespace shardns::http2::nghttp2
