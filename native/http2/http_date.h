// The time as HTTP writes it (RFC 9110 section 5.6.7): 29 octets, made once a second.
#pragma once
#include <cstdio>
#include <ctime>

namespace shardns::http2 {

class HttpDate {
 public:
  static constexpr size_t kOctets = 29;
  const char* Text() {
    timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (now.tv_sec != second_) Write(now.tv_sec);
    return text_;
  }

 private:
  void Write(time_t second) {
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    tm parts;
    gmtime_r(&second, &parts);
    std::snprintf(text_, sizeof text_, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[parts.tm_wday % 7], parts.tm_mday,
                  kMonths[parts.tm_mon % 12], (parts.tm_year + 1900) % 10000, parts.tm_hour, parts.tm_min,
                  parts.tm_sec);
    second_ = second;
  }
  time_t second_ = -1;
  char text_[80] = "";
};

}  // namespace shardns::http2
