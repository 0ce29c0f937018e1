// One client's HTTP/2 (RFC 9113) as a server of DNS over HTTPS has it: octets in, queries to whoever answers them,
// octets out. Frames and HPACK are nghttp2's. Knows no socket; never blocks.
//
// Bounds: `max_streams` requests at once, each of a head and a query of those of Request; a reply for each, of
// `max_unsent` octets and one reply in all. nghttp2
// ends the session at 1000 streams reset at once and 33 a second (CVE-2023-44487), 8 continuations (CVE-2024-28182), 32
// settings in a frame, 1000 acknowledgements unsent. Here it ends at kMaxFaults frames that are broken or make us reset
// a stream (CVE-2025-8671), and at kMaxNoise frames that ask for nothing, beyond kNoisePerRequest for each request that
// is whole.
#pragma once
#include <memory>
#include <string>

#include "http2/nghttp2.h"
#include "http2/request.h"

namespace shardns::http2 {

inline constexpr uint32_t kMaxFaults = 100;
inline constexpr uint32_t kMaxNoise = 1000;
inline constexpr uint32_t kNoisePerRequest = 4;
inline constexpr size_t kReplyRoom = 65535;

// Whoever answers queries. Called within Feed.
class Asked {
 public:
  enum class Verdict : uint8_t { kReply, kLater, kRefused };
  struct Answered {
    Verdict verdict;
    // kReply: a message of `length` octets, in kReplyRoom octets. kLater: Session::Reply comes when it is known.
    MutableBytes room = {};
    size_t length = 0;
    uint16_t status = 0;  // kRefused: of the response
  };
  virtual Answered Answer(int32_t stream, Bytes query) = 0;
  // A request was refused by this status.
  virtual void Refused(uint16_t status) = 0;

 protected:
  ~Asked() = default;
};

class Session {
 public:
  struct Options {
    const nghttp2::Functions* functions;
    Asked* asked;
    std::string path;
    std::string forwarded;  // the field by which a proxy says for whom it asks; empty: this is none
    uint32_t max_streams;
    size_t max_unsent;  // octets of replies that were not taken, beyond which no query is asked and the session ends
  };
  // Null for want of memory.
  static std::unique_ptr<Session> Create(Options options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Octets of the client. Queries that have become whole are asked; replies wait for Take.
  void Feed(Bytes octets, uint32_t now_ms);
  // Octets to write, valid until the next call; none: there are no more at present.
  Bytes Take();
  // Nothing is read any more, and what Take gave is the last.
  bool over() const;
  // The client, or nghttp2, has brought it to that.
  bool faulty() const { return faulty_; }

  // To a query that was asked before. Nothing happens where its stream is gone.
  void Reply(int32_t stream, Bytes reply);
  void Refuse(int32_t stream, uint16_t status);
  // Of a stream that is open; empty for others.
  Bytes query(int32_t stream) const;
  std::string_view forwarded(int32_t stream) const;

  // Has the client go elsewhere with what is new (GOAWAY, RFC 9113 section 6.8). First without `last`: what it has sent
  // meanwhile is answered too. Then with it: what has come is answered, the rest is the client's to ask elsewhere, and
  // the session is over when the last reply is taken.
  void Finish(bool last);

  // Octets of queries; of replies that Take has not given.
  size_t held() const { return held_; }
  size_t unsent() const { return unsent_; }
  // Requests that are not whole, and when the oldest of them began.
  uint32_t partial() const { return partial_; }
  uint32_t oldest_ms() const;

 private:
  struct Stream;
  struct Hooks;
  explicit Session(Options options) : options_(std::move(options)) {}
  bool Begin();
  Stream* Find(int32_t id) const;
  Stream* Open(int32_t id);
  void Close(Stream* stream);
  void HeadEnded(Stream* stream, bool whole);
  void Whole(Stream* stream);
  void EndPartial(Stream* stream);
  void Respond(Stream* stream, MutableBytes room, size_t length);
  void RefuseStream(Stream* stream, uint16_t status);
  void Submit(Stream* stream, uint16_t status);
  void Count(size_t before, size_t after) { held_ += after - before; }
  // No more requests; the client is told.
  void End(uint32_t error);
  // nghttp2 cannot go on: nothing is told.
  void Fail();
  void Noise();

  const Options options_;
  nghttp2::Session* session_ = nullptr;
  Stream* first_ = nullptr;
  Stream* last_ = nullptr;
  Stream* current_ = nullptr;  // whose head is read
  size_t held_ = 0;
  size_t unsent_ = 0;
  uint32_t streams_ = 0;
  uint32_t partial_ = 0;
  uint32_t faults_ = 0;
  uint32_t noise_ = 0;
  uint32_t now_ms_ = 0;
  bool ended_ = false;
  bool failed_ = false;
  bool faulty_ = false;
};

}  // namespace shardns::http2
