// Any octets as fields of a request over HTTPS, and as a reply: what is read is bounded, and padding stays within its
// room.
#include <vector>

#include "base/bytes.h"
#include "http2/request.h"
#include "wire/header.h"
#include "wire/reply_survey.h"

using namespace shardns;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string_view first = text.substr(0, size / 2), second = text.substr(size / 2);
  http2::Request request;
  const bool good = request.AddField(":path", first, "/d") && request.AddField(":method", "POST", "/d") &&
                    request.AddField("content-type", second, "/d") && request.AddField(first, second, "/d", first);
  if (good && request.EndHead() == 0) request.AddBody({data, size});
  SHARDNS_CHECK(request.query().size() <= http2::kMaxQuery);
  SHARDNS_CHECK(request.forwarded().size() <= http2::kMaxHeadOctets);
  std::vector<uint8_t> decoded;
  if (http2::DecodeBase64Url(text, &decoded)) SHARDNS_CHECK(decoded.size() == size * 3 / 4);

  const wire::ReplySurvey survey = wire::SurveyReply({data, size});
  SHARDNS_CHECK(survey.opt == 0 || survey.opt + 11 <= size);
  if (size > wire::kMaxMessageSize) return 0;
  std::vector<uint8_t> room(data, data + size);
  room.resize(size + size % 1000);
  const size_t length = wire::PadReply(room, size, survey.opt);
  SHARDNS_CHECK(length >= size && length <= room.size());
  SHARDNS_CHECK(length == size || length % wire::kReplyBlock == 0);
  return 0;
}
