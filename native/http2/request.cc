// Fields, one by one.
#include "http2/request.h"

#include <array>

namespace shardns::http2 {

namespace {

constexpr uint8_t kNoLetter = 0xFF;
constexpr size_t kKeptOctets = 2048;

constexpr std::array<uint8_t, 256> kLetters = [] {
  std::array<uint8_t, 256> letters{};
  letters.fill(kNoLetter);
  constexpr std::string_view kAll = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (size_t i = 0; i < kAll.size(); ++i) letters[static_cast<uint8_t>(kAll[i])] = static_cast<uint8_t>(i);
  return letters;
}();

Request::Method MethodOf(std::string_view text) {
  if (text == "POST") return Request::Method::kPost;
  if (text == "GET") return Request::Method::kGet;
  return text == "HEAD" ? Request::Method::kHead : Request::Method::kOther;
}

bool IsDnsMessage(std::string_view type) {
  constexpr std::string_view kType = "application/dns-message";
  type = type.substr(0, type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  if (type.size() != kType.size()) return false;
  for (size_t i = 0; i < type.size(); ++i) {
    const char letter = type[i] >= 'A' && type[i] <= 'Z' ? static_cast<char>(type[i] | 0x20) : type[i];
    if (letter != kType[i]) return false;
  }
  return true;
}

// What is no number is nobody's concern: nghttp2 has compared it with the body.
uint64_t NumberIn(std::string_view text) {
  uint64_t number = 0;
  for (const char digit : text) {
    if (digit < '0' || digit > '9' || number > kMaxQuery) break;
    number = 10 * number + static_cast<uint64_t>(digit - '0');
  }
  return number;
}

}  // namespace

bool DecodeBase64Url(std::string_view text, std::vector<uint8_t>* to) {
  to->clear();
  if (text.empty() || text.size() % 4 == 1) return false;
  to->reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0, pending = 0;
  for (const char letter : text) {
    const uint8_t six = kLetters[static_cast<uint8_t>(letter)];
    if (six == kNoLetter) return false;
    bits = bits << 6 | six;
    pending += 6;
    if (pending < 8) continue;
    pending -= 8;
    to->push_back(static_cast<uint8_t>(bits >> pending));
  }
  return (bits & ((1u << pending) - 1)) == 0;
}

void Request::ReadTarget(std::string_view target, std::string_view path) {
  const size_t mark = target.find('?');
  right_path_ = target.substr(0, mark) == path;
  if (mark == std::string_view::npos) return;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const size_t end = rest.find('&');
    const std::string_view one = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
    if (!one.starts_with("dns=")) continue;
    const bool first = parameter_ == Parameter::kNone;
    const bool good = first && DecodeBase64Url(one.substr(4), &query_);
    parameter_ = !good ? Parameter::kBad : query_.size() > kMaxQuery ? Parameter::kTooLong : Parameter::kGood;
  }
}

bool Request::AddField(std::string_view name, std::string_view value, std::string_view path,
                       std::string_view forwarded) {
  head_octets_ += name.size() + value.size();
  ++fields_;
  if (head_octets_ > kMaxHeadOctets || fields_ > kMaxFields) return head_octets_ <= kMaxBombOctets;
  if (name == ":path") {
    ReadTarget(value, path);
  } else if (name == ":method") {
    method_ = MethodOf(value);
  } else if (name == "content-type") {
    right_type_ = IsDnsMessage(value);
  } else if (name == "content-length") {
    content_length_ = NumberIn(value);
  } else if (!forwarded.empty() && name == forwarded) {
    if (!forwarded_.empty()) forwarded_ += ',';
    forwarded_ += value;
  }
  return true;
}

uint16_t Request::EndHead() {
  if (head_octets_ > kMaxHeadOctets || fields_ > kMaxFields) return 431;
  if (!right_path_) return 404;
  switch (method_) {
    case Method::kGet:
    case Method::kHead:
      return parameter_ == Parameter::kGood ? 0 : parameter_ == Parameter::kTooLong ? 413 : 400;
    case Method::kPost:
      query_.clear();
      if (!right_type_) return 415;
      return content_length_ > kMaxQuery ? 413 : 0;
    default:
      return 405;
  }
}

bool Request::AddBody(Bytes octets) {
  if (octets.size() > kMaxQuery - query_.size()) return false;
  query_.insert(query_.end(), octets.begin(), octets.end());
  return true;
}

void Request::Clear() {
  std::vector<uint8_t> kept = std::move(query_);
  kept.clear();
  if (kept.capacity() > kKeptOctets) std::vector<uint8_t>().swap(kept);
  *this = {};
  query_ = std::move(kept);
}

}  // namespace shardns::http2
