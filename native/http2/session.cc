// The callbacks of nghttp2, and responses.
#include "http2/session.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <new>

#include "http2/http_date.h"
#include "wire/reply_survey.h"

namespace shardns::http2 {

using nghttp2::Field;
using nghttp2::FrameHeader;
namespace frame_type = nghttp2::frame_type;

struct Session::Stream {
  Session* session;
  Stream* before;
  Stream* after;
  int32_t id;
  uint32_t began_ms;
  Request request;
  std::vector<uint8_t> reply;
  size_t sent;
  bool whole;
  bool responded;
  // Of fields, as long as nghttp2 needs them.
  char status_text[4];
  char length_text[8];
  char control_text[24];
};

namespace {

constexpr size_t kSpareStreams = 1024;
constexpr size_t kKeptReply = 2048;
constexpr uint32_t kNoRfc7540Priorities = 9;  // RFC 9218 section 2.1: nobody needs a tree of priorities here

std::string_view Text(const uint8_t* octets, size_t length) { return {reinterpret_cast<const char*>(octets), length}; }
Field FieldOf(std::string_view name, std::string_view value, uint8_t flags = nghttp2::kNoCopy) {
  return {.name = reinterpret_cast<const uint8_t*>(name.data()),
          .value = reinterpret_cast<const uint8_t*>(value.data()),
          .name_length = name.size(),
          .value_length = value.size(),
          .flags = flags};
}
template <size_t N>
std::string_view Number(uint32_t number, char (&to)[N], size_t from = 0) {
  return {to, static_cast<size_t>(std::to_chars(to + from, to + N, number).ptr - to)};
}

}  // namespace

struct Session::Hooks {
  static Session* This(void* user) { return static_cast<Session*>(user); }

  // Of streams that are closed, for others: each keeps a little memory.
  struct Spare {
    std::vector<Stream*> streams;
    ~Spare() {
      for (Stream* one : streams) delete one;
    }
  };
  static Spare& spare() {
    static thread_local Spare spare;
    return spare;
  }

  static int OnBeginHeaders(nghttp2::Session*, const FrameHeader* frame, void* user) {
    Session* self = This(user);
    self->current_ = nullptr;
    // After the end nothing is asked any more; fields of a stream that is known are trailers.
    if (self->ended_ || self->Find(frame->stream_id) != nullptr) return 0;
    self->current_ = self->Open(frame->stream_id);
    return self->current_ == nullptr ? nghttp2::kTemporalFailure : 0;
  }
  static int OnField(nghttp2::Session*, const FrameHeader* frame, const uint8_t* name, size_t name_length,
                     const uint8_t* value, size_t value_length, uint8_t, void* user) {
    Session* self = This(user);
    Stream* stream = self->current_;
    if (stream == nullptr || stream->id != frame->stream_id) return 0;
    const size_t before = stream->request.held();
    const bool good = stream->request.AddField(Text(name, name_length), Text(value, value_length), self->options_.path,
                                               self->options_.forwarded);
    self->Count(before, stream->request.held());
    if (good) return 0;
    self->Fail();
    return nghttp2::kCallbackFailure;
  }
  static int OnData(nghttp2::Session*, uint8_t, int32_t id, const uint8_t* data, size_t length, void* user) {
    Session* self = This(user);
    Stream* stream = self->Find(id);
    if (stream == nullptr || stream->responded || !stream->request.wants_body()) return 0;
    const size_t before = stream->request.held();
    if (!stream->request.AddBody({data, length})) {
      self->RefuseStream(stream, 413);
      return 0;
    }
    self->Count(before, stream->request.held());
    return 0;
  }
  static int OnFrame(nghttp2::Session*, const FrameHeader* frame, void* user) {
    Session* self = This(user);
    const bool ends = (frame->flags & nghttp2::kEndStream) != 0;
    if (frame->type == frame_type::kHeaders || frame->type == frame_type::kData) {
      Stream* stream = self->Find(frame->stream_id);
      if (stream != nullptr && stream == self->current_ && frame->type == frame_type::kHeaders) {
        self->current_ = nullptr;
        self->HeadEnded(stream, ends);
      } else if (stream != nullptr && ends) {
        self->Whole(stream);
      } else if (frame->type == frame_type::kHeaders || frame->length == 0) {
        self->Noise();
      }
    } else if (frame->type != frame_type::kReset) {
      self->Noise();  // what nghttp2 bounds itself is not counted twice
    }
    return 0;
  }
  static int OnClose(nghttp2::Session*, int32_t id, uint32_t, void* user) {
    Session* self = This(user);
    if (Stream* stream = self->Find(id)) self->Close(stream);
    return 0;
  }
  static int OnInvalid(nghttp2::Session*, const FrameHeader*, int, void* user) {
    Session* self = This(user);
    if (++self->faults_ > kMaxFaults) self->End(nghttp2::error::kEnhanceYourCalm);
    return 0;
  }
  static int OnSent(nghttp2::Session*, const FrameHeader* frame, void* user) {
    struct Reset {
      FrameHeader header;
      uint32_t error;
    };
    Session* self = This(user);
    if (frame->type == frame_type::kHeaders) {
      // What the client is still to send of what was refused is not read (RFC 9113 section 8.1). Not sooner: a stream
      // that is to be reset gets no more response.
      const Stream* stream = self->Find(frame->stream_id);
      if (stream != nullptr && stream->responded && !stream->whole)
        self->options_.functions->submit_rst_stream(self->session_, 0, frame->stream_id, nghttp2::error::kNone);
      return 0;
    }
    if (frame->type != frame_type::kReset) return 0;
    const uint32_t error = reinterpret_cast<const Reset*>(frame)->error;
    if (error != nghttp2::error::kNone && ++self->faults_ > kMaxFaults) self->End(nghttp2::error::kEnhanceYourCalm);
    return 0;
  }
  static ssize_t ReadData(nghttp2::Session*, int32_t, uint8_t* to, size_t room, uint32_t* flags,
                          nghttp2::DataSource* source, void*) {
    auto* stream = static_cast<Stream*>(source->pointer);
    const size_t length = std::min(room, stream->reply.size() - stream->sent);
    std::memcpy(to, stream->reply.data() + stream->sent, length);
    stream->sent += length;
    stream->session->unsent_ -= length;
    if (stream->sent == stream->reply.size()) *flags |= nghttp2::kDataEnd;
    return static_cast<ssize_t>(length);
  }

  static nghttp2::Callbacks* Make(const nghttp2::Functions& nghttp2) {
    nghttp2::Callbacks* callbacks = nullptr;
    if (nghttp2.session_callbacks_new(&callbacks) != 0) return nullptr;
    nghttp2.session_callbacks_set_on_begin_headers_callback(callbacks, OnBeginHeaders);
    nghttp2.session_callbacks_set_on_header_callback(callbacks, OnField);
    nghttp2.session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
    nghttp2.session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    nghttp2.session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
    nghttp2.session_callbacks_set_on_invalid_frame_recv_callback(callbacks, OnInvalid);
    nghttp2.session_callbacks_set_on_frame_send_callback(callbacks, OnSent);
    return callbacks;
  }
};

std::unique_ptr<Session> Session::Create(Options options) {
  std::unique_ptr<Session> self(new (std::nothrow) Session(std::move(options)));
  return self != nullptr && self->Begin() ? std::move(self) : nullptr;
}

bool Session::Begin() {
  const nghttp2::Functions& nghttp2 = *options_.functions;
  nghttp2::Callbacks* callbacks = Hooks::Make(nghttp2);
  nghttp2::Option* option = nullptr;
  if (callbacks != nullptr && nghttp2.option_new(&option) == 0) {
    nghttp2.option_set_stream_reset_rate_limit(option, 1000, 33);
    nghttp2.option_set_max_continuations(option, 8);
    nghttp2.option_set_max_settings(option, 32);
    nghttp2.option_set_max_outbound_ack(option, 1000);
    if (nghttp2.session_server_new2(&session_, callbacks, this, option) != 0) session_ = nullptr;
    nghttp2.option_del(option);
  }
  if (callbacks != nullptr) nghttp2.session_callbacks_del(callbacks);
  const nghttp2::Setting settings[] = {
      {nghttp2::kMaxConcurrentStreams, options_.max_streams},
      {nghttp2::kMaxHeaderListSize, kMaxHeadOctets},
      {kNoRfc7540Priorities, 1},
  };
  return session_ != nullptr && nghttp2.submit_settings(session_, 0, settings, std::size(settings)) == 0;
}

Session::~Session() {
  if (session_ != nullptr) options_.functions->session_del(session_);
  while (first_ != nullptr) Close(first_);
}

void Session::Feed(Bytes octets, uint32_t now_ms) {
  if (ended_) return;
  now_ms_ = now_ms;
  if (options_.functions->session_mem_recv(session_, octets.data(), octets.size()) < 0) Fail();
}

Bytes Session::Take() {
  if (failed_) return {};
  const uint8_t* octets = nullptr;
  const ssize_t length = options_.functions->session_mem_send(session_, &octets);
  if (length < 0) Fail();
  return length <= 0 ? Bytes{} : Bytes{octets, static_cast<size_t>(length)};
}

bool Session::over() const { return ended_ || options_.functions->session_want_read(session_) == 0; }

void Session::End(uint32_t error) {
  faulty_ = ended_ = true;
  options_.functions->session_terminate_session(session_, error);
}

void Session::Fail() { faulty_ = ended_ = failed_ = true; }

void Session::Noise() {
  if (++noise_ > kMaxNoise) End(nghttp2::error::kEnhanceYourCalm);
}

Session::Stream* Session::Find(int32_t id) const {
  return static_cast<Stream*>(options_.functions->session_get_stream_user_data(session_, id));
}

Session::Stream* Session::Open(int32_t id) {
  if (streams_ >= options_.max_streams) return nullptr;
  std::vector<Stream*>& spare = Hooks::spare().streams;
  Stream* stream = nullptr;
  if (spare.empty()) {
    stream = new (std::nothrow) Stream();
    if (stream == nullptr) return nullptr;
  } else {
    stream = spare.back();
    spare.pop_back();
  }
  stream->session = this;
  stream->id = id;
  stream->began_ms = now_ms_;
  stream->sent = 0;
  stream->whole = stream->responded = false;
  stream->before = last_;
  stream->after = nullptr;
  (last_ == nullptr ? first_ : last_->after) = stream;
  last_ = stream;
  ++streams_;
  ++partial_;
  if (options_.functions->session_set_stream_user_data(session_, id, stream) != 0) {
    Close(stream);
    return nullptr;
  }
  return stream;
}

void Session::Close(Stream* stream) {
  EndPartial(stream);
  if (current_ == stream) current_ = nullptr;
  (stream->before == nullptr ? first_ : stream->before->after) = stream->after;
  (stream->after == nullptr ? last_ : stream->after->before) = stream->before;
  --streams_;
  Count(stream->request.held(), 0);
  unsent_ -= stream->reply.size() - stream->sent;
  std::vector<Stream*>& spare = Hooks::spare().streams;
  if (spare.size() >= kSpareStreams) {
    delete stream;
    return;
  }
  stream->request.Clear();
  stream->reply.clear();
  if (stream->reply.capacity() > kKeptReply) std::vector<uint8_t>().swap(stream->reply);
  spare.push_back(stream);
}

void Session::EndPartial(Stream* stream) {
  if (stream->whole) return;
  stream->whole = true;
  --partial_;
}

uint32_t Session::oldest_ms() const {
  for (const Stream* stream = first_; stream != nullptr; stream = stream->after)
    if (!stream->whole) return stream->began_ms;
  return now_ms_;
}

void Session::HeadEnded(Stream* stream, bool whole) {
  const size_t before = stream->request.held();
  const uint16_t status = stream->request.EndHead();
  Count(before, stream->request.held());
  if (whole) EndPartial(stream);
  if (status != 0) {
    RefuseStream(stream, status);
  } else if (whole) {
    Whole(stream);
  }
}

void Session::Whole(Stream* stream) {
  EndPartial(stream);
  if (stream->responded) return;
  // The answers to what has come in one piece are there before any of them is written.
  if (unsent_ > options_.max_unsent) return End(nghttp2::error::kEnhanceYourCalm);
  noise_ -= std::min(noise_, kNoisePerRequest);
  const Asked::Answered answered = options_.asked->Answer(stream->id, stream->request.query());
  switch (answered.verdict) {
    case Asked::Verdict::kReply:
      Respond(stream, answered.room, answered.length);
      break;
    case Asked::Verdict::kRefused:
      RefuseStream(stream, answered.status);
      break;
    case Asked::Verdict::kLater:
      break;
  }
}

void Session::Reply(int32_t id, Bytes reply) {
  Stream* stream = ended_ ? nullptr : Find(id);
  if (stream == nullptr || stream->responded) return;
  static thread_local std::unique_ptr<uint8_t[]> room(new uint8_t[kReplyRoom]);
  const size_t length = std::min(reply.size(), kReplyRoom);
  std::memcpy(room.get(), reply.data(), length);
  Respond(stream, {room.get(), kReplyRoom}, length);
}

void Session::Refuse(int32_t id, uint16_t status) {
  Stream* stream = ended_ ? nullptr : Find(id);
  if (stream != nullptr && !stream->responded) RefuseStream(stream, status);
}

void Session::Finish(bool last) {
  if (ended_) return;
  const nghttp2::Functions& nghttp2 = *options_.functions;
  if (!last) {
    nghttp2.submit_shutdown_notice(session_);
    return;
  }
  const int32_t id = nghttp2.session_get_last_proc_stream_id(session_);
  nghttp2.submit_goaway(session_, 0, id, nghttp2::error::kNone, nullptr, 0);
}

std::string_view Session::forwarded(int32_t id) const {
  const Stream* stream = ended_ ? nullptr : Find(id);
  return stream == nullptr ? std::string_view{} : std::string_view{stream->request.forwarded()};
}

Bytes Session::query(int32_t id) const {
  const Stream* stream = ended_ ? nullptr : Find(id);
  return stream == nullptr ? Bytes{} : Bytes{stream->request.query()};
}

// With EDNS in blocks, whether the query was padded or not: nobody is to read lengths (RFC 7830 section 4).
void Session::Respond(Stream* stream, MutableBytes room, size_t length) {
  const wire::ReplySurvey survey = wire::SurveyReply(room.first(length));
  const size_t padded = wire::PadReply(room, length, survey.opt);
  stream->reply.assign(room.data(), room.data() + padded);
  unsent_ += padded;
  if (survey.fresh_seconds == 0) {
    std::memcpy(stream->control_text, "no-store", sizeof "no-store");
  } else {
    constexpr std::string_view kMaxAge = "max-age=";
    std::memcpy(stream->control_text, kMaxAge.data(), kMaxAge.size());
    const std::string_view text = Number(survey.fresh_seconds, stream->control_text, kMaxAge.size());
    stream->control_text[text.size()] = 0;
  }
  Submit(stream, 200);
}

void Session::RefuseStream(Stream* stream, uint16_t status) {
  options_.asked->Refused(status);
  Submit(stream, status);
}

void Session::Submit(Stream* stream, uint16_t status) {
  static thread_local HttpDate date;
  stream->responded = true;
  const bool is_bare = status != 200;
  const std::string_view length = Number(static_cast<uint32_t>(stream->reply.size()), stream->length_text);
  std::string_view code = "200";
  if (is_bare) code = Number(status, stream->status_text);
  Field fields[6] = {
      FieldOf(":status", code),
      FieldOf("content-length", length),
      // Of another request's too, and so copied.
      FieldOf("date", {date.Text(), HttpDate::kOctets}, 2),
  };
  size_t count = 3;
  if (!is_bare) {
    fields[count++] = FieldOf("content-type", "application/dns-message");
    fields[count++] = FieldOf("cache-control", stream->control_text);
  } else if (status == 405) {
    fields[count++] = FieldOf("allow", "GET, HEAD, POST");
  }
  const nghttp2::DataProvider data{.source = {.pointer = stream}, .read = Hooks::ReadData};
  const bool has_data = !is_bare && !stream->request.is_head();
  options_.functions->submit_response(session_, stream->id, fields, count, has_data ? &data : nullptr);
}

}  // namespace shardns::http2
