// What a request of DNS over HTTPS asks for, field by field (RFC 8484 section 4.1), as
// lib/server/listeners/doh-request.ts reads it from a whole head. Pure.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace shardns::http2 {

inline constexpr size_t kMaxQuery = 65535;
// Of a head's fields: octets of names and values, and how many. Browsers send a dozen.
inline constexpr size_t kMaxHeadOctets = 8192;
inline constexpr uint32_t kMaxFields = 32;
// Beyond this a head is no mistake, but something that is meant to unpack (HPACK bomb).
inline constexpr size_t kMaxBombOctets = 65536;

class Request {
 public:
  enum class Method : uint8_t { kNone, kGet, kHead, kPost, kOther };

  // `forwarded`: of the field by which a proxy says for whom it asks; empty: there is none. False: the head unpacks to
  // more than anybody sends.
  bool AddField(std::string_view name, std::string_view value, std::string_view path, std::string_view forwarded = {});
  // The head is whole: 0, or the status by which it is refused. After it `query` is that of GET and HEAD.
  uint16_t EndHead();
  // False: the body is longer than a message can be.
  bool AddBody(Bytes octets);

  bool is_head() const { return method_ == Method::kHead; }
  bool wants_body() const { return method_ == Method::kPost; }
  const std::vector<uint8_t>& query() const { return query_; }
  // Of that field all values, in their order, with a comma between them.
  const std::string& forwarded() const { return forwarded_; }
  size_t held() const { return query_.size() + forwarded_.size(); }
  // For another request; keeps a little memory.
  void Clear();

 private:
  enum class Parameter : uint8_t { kNone, kGood, kBad, kTooLong };
  void ReadTarget(std::string_view target, std::string_view path);

  std::vector<uint8_t> query_;
  std::string forwarded_;
  size_t head_octets_ = 0;
  uint64_t content_length_ = 0;
  uint32_t fields_ = 0;
  Method method_ = Method::kNone;
  Parameter parameter_ = Parameter::kNone;
  bool right_path_ = false;
  bool right_type_ = false;
};

// Base64url without padding, without other letters and without bits that stand for nothing (RFC 4648 section 3.5).
// False: it is not that, or nothing.
bool DecodeBase64Url(std::string_view text, std::vector<uint8_t>* to);

}  // namespace shardns::http2
