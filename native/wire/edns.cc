// OPT parsing and writing.
#include "wire/edns.h"

namespace shardns::wire {

namespace {

bool ParseClientSubnet(Bytes option, ClientSubnet* subnet) {
  if (option.size() < 4) return false;
  const uint16_t family = Load16(option.data());
  const uint8_t source = option[2];
  const size_t octets = option.size() - 4;
  const size_t most = family == 1 ? 32 : 128;
  if ((family != 1 && family != 2) || source > most || octets != (source + 7u) / 8) return false;
  // RFC 7871 section 6: bits beyond the prefix must be zero.
  if (source % 8 != 0 && (option[4 + octets - 1] & (0xFF >> (source % 8))) != 0) return false;
  subnet->family = static_cast<uint8_t>(family);
  subnet->source_prefix = source;
  subnet->scope_prefix = option[3];
  std::memset(subnet->address, 0, sizeof subnet->address);  // of an option before it
  std::memcpy(subnet->address, option.data() + 4, octets);
  return true;
}

}  // namespace

bool ParseOpt(uint16_t udp_class, uint32_t ttl, Bytes rdata, Edns* edns) {
  ReadOpt(udp_class, ttl, edns);
  for (size_t at = 0; at < rdata.size();) {
    if (rdata.size() - at < 4) return false;
    const uint16_t code = Load16(rdata.data() + at);
    const size_t length = Load16(rdata.data() + at + 2);
    at += 4;
    if (rdata.size() - at < length) return false;
    if (code == kOptionClientSubnet && !ParseClientSubnet(rdata.subspan(at, length), &edns->subnet)) return false;
    if (code == kOptionCookie && edns->cookie == nullptr) {
      edns->cookie = rdata.data() + at;
      edns->reply_cookie = nullptr;
    }
    // Whatever it brings is not for us to look at.
    if (code == kOptionNsid) {
      edns->wants_nsid = true;
      edns->reply_nsid = {};
    }
    // With any content it is no question (RFC 7314 section 2), and is passed over.
    if (code == kOptionExpire && length == 0) edns->wants_expire = true;
    at += length;
  }
  return true;
}

size_t WriteOpt(const OptToWrite& opt, uint8_t* to) {
  to[0] = 0;
  Store16(to + 1, type::kOpt);
  Store16(to + 3, opt.udp_size);
  Store32(to + 5, static_cast<uint32_t>(opt.extended_rcode >> 4) << 24 | (opt.dnssec_ok ? kEdnsDo : 0u));
  uint8_t* at = to + kBareOptSize;
  if (opt.extended_error != kNoExtendedError) {
    Store16(at, kOptionExtendedError);
    Store16(at + 2, static_cast<uint16_t>(2 + opt.error_text.size()));
    Store16(at + 4, opt.extended_error);
    if (!opt.error_text.empty()) std::memcpy(at + 6, opt.error_text.data(), opt.error_text.size());
    at += 6 + opt.error_text.size();
  }
  if (opt.subnet != nullptr) [[unlikely]] {
    const size_t octets = SubnetOctets(*opt.subnet);
    Store16(at, kOptionClientSubnet);
    Store16(at + 2, static_cast<uint16_t>(4 + octets));
    Store16(at + 4, opt.subnet->family);
    at[6] = opt.subnet->source_prefix;
    at[7] = opt.subnet->scope_prefix;
    std::memcpy(at + 8, opt.subnet->address, octets);
    at += 8 + octets;
  }
  if (!opt.cookie.empty()) [[unlikely]] {
    Store16(at, kOptionCookie);
    Store16(at + 2, static_cast<uint16_t>(opt.cookie.size()));
    std::memcpy(at + 4, opt.cookie.data(), opt.cookie.size());
    at += 4 + opt.cookie.size();
  }
  if (!opt.nsid.empty() || opt.asks_nsid) [[unlikely]] {
    Store16(at, kOptionNsid);
    Store16(at + 2, static_cast<uint16_t>(opt.nsid.size()));
    if (!opt.nsid.empty()) std::memcpy(at + 4, opt.nsid.data(), opt.nsid.size());
    at += 4 + opt.nsid.size();
  }
  const size_t size = static_cast<size_t>(at - to);
  Store16(to + 9, static_cast<uint16_t>(size - kBareOptSize));
  return size;
}

}  // namespace shardns::wire
