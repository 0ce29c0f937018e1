// Builds DNS messages for tests, well-formed or deliberately not.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "wire/header.h"

namespace shardns::test {

using Buffer = std::vector<uint8_t>;

inline Buffer Name(std::string_view dotted) {
  Buffer out;
  while (!dotted.empty()) {
    const size_t dot = dotted.find('.');
    const std::string_view label = dotted.substr(0, dot);
    if (!label.empty()) {
      out.push_back(static_cast<uint8_t>(label.size()));
      out.insert(out.end(), label.begin(), label.end());
    }
    dotted = dot == std::string_view::npos ? std::string_view() : dotted.substr(dot + 1);
  }
  out.push_back(0);
  return out;
}

class MessageBuilder {
 public:
  MessageBuilder(uint16_t id, uint16_t flags) : bytes_(12) {
    Store16(&bytes_[0], id);
    Store16(&bytes_[2], flags);
  }
  MessageBuilder& Raw(const Buffer& octets) {
    bytes_.insert(bytes_.end(), octets.begin(), octets.end());
    return *this;
  }
  MessageBuilder& U16(uint16_t value) {
    bytes_.push_back(static_cast<uint8_t>(value >> 8));
    bytes_.push_back(static_cast<uint8_t>(value));
    return *this;
  }
  MessageBuilder& U32(uint32_t value) {
    return U16(static_cast<uint16_t>(value >> 16)).U16(static_cast<uint16_t>(value));
  }
  MessageBuilder& Question(std::string_view name, uint16_t type, uint16_t dns_class = 1) {
    Count(4);
    return Raw(Name(name)).U16(type).U16(dns_class);
  }
  // section: 6 answer, 8 authority, 10 additional (the count's offset)
  MessageBuilder& Record(size_t section, const Buffer& owner, uint16_t type, uint32_t ttl, const Buffer& rdata,
                         uint16_t dns_class = 1) {
    Count(section);
    return Raw(owner).U16(type).U16(dns_class).U32(ttl).U16(static_cast<uint16_t>(rdata.size())).Raw(rdata);
  }
  MessageBuilder& Answer(std::string_view owner, uint16_t type, uint32_t ttl, const Buffer& rdata) {
    return Record(6, Name(owner), type, ttl, rdata);
  }
  MessageBuilder& Soa(std::string_view owner, uint32_t ttl, uint32_t minimum) {
    Buffer rdata = Name("ns." + std::string(owner));
    const Buffer mail = Name("mail." + std::string(owner));
    rdata.insert(rdata.end(), mail.begin(), mail.end());
    rdata.resize(rdata.size() + 20);
    Store32(&rdata[rdata.size() - 4], minimum);
    return Record(8, Name(owner), 6, ttl, rdata);
  }
  MessageBuilder& Opt(uint16_t size, uint32_t ttl = 0, const Buffer& options = {}) {
    return Record(10, {0}, 41, ttl, options, size);
  }
  const Buffer& bytes() const { return bytes_; }

 private:
  void Count(size_t at) { Store16(&bytes_[at], static_cast<uint16_t>(Load16(&bytes_[at]) + 1)); }
  Buffer bytes_;
};

inline Buffer Query(std::string_view name, uint16_t type = 1, uint16_t id = 0x1234, uint16_t flags = 0x0100) {
  return MessageBuilder(id, flags).Question(name, type).bytes();
}
inline Buffer EdnsQuery(std::string_view name, uint16_t type = 1, uint16_t size = 1232, bool dnssec_ok = false,
                        uint16_t flags = 0x0100) {
  return MessageBuilder(0x1234, flags).Question(name, type).Opt(size, dnssec_ok ? 0x8000 : 0).bytes();
}
inline Buffer AResponse(std::string_view name, uint32_t ttl = 300, std::initializer_list<uint8_t> last = {1}) {
  MessageBuilder builder(0x4321, 0x8180);
  builder.Question(name, 1);
  for (uint8_t octet : last) builder.Record(6, {0xC0, 0x0C}, 1, ttl, {192, 0, 2, octet});
  return builder.bytes();
}
inline Buffer NxDomain(std::string_view name, std::string_view zone, uint32_t ttl = 300, uint32_t minimum = 60) {
  return MessageBuilder(1, 0x8183).Question(name, 1).Soa(zone, ttl, minimum).bytes();
}

}  // namespace shardns::test
