// What a request of DNS over HTTPS asks for, field by field: the same as lib/server/listeners/doh-request.ts reads.
#include "http2/request.h"

#include <gtest/gtest.h>

#include <string>

namespace shardns::test {
namespace {

using http2::Request;

struct Head {
  std::string method = "GET", path = "/dns-query", type = {}, length = {};
};
uint16_t Read(const Head& head, Request* request) {
  // A pseudo-field may come before another.
  EXPECT_TRUE(request->AddField(":path", head.path, "/dns-query"));
  EXPECT_TRUE(request->AddField(":method", head.method, "/dns-query"));
  const auto add = [&](const char* name, const std::string& value) {
    return value.empty() || request->AddField(name, value, "/dns-query");
  };
  EXPECT_TRUE(add("content-type", head.type));
  EXPECT_TRUE(add("content-length", head.length));
  return request->EndHead();
}
uint16_t StatusOf(const Head& head) {
  Request request;
  return Read(head, &request);
}

TEST(DohRequest, GathersForWhomAProxyAsksInTheOrderOfItsLines) {
  Request request;
  const auto add = [&](const char* name, const char* value) {
    EXPECT_TRUE(request.AddField(name, value, "/dns-query", "x-forwarded-for"));
  };
  add("x-forwarded-for", "192.0.2.1, 192.0.2.2");
  add("forwarded", "for=192.0.2.9");
  add("x-forwarded-for", "192.0.2.3");
  EXPECT_EQ(request.forwarded(), "192.0.2.1, 192.0.2.2,192.0.2.3");
  EXPECT_EQ(request.held(), request.query().size() + request.forwarded().size());
  request.Clear();
  EXPECT_EQ(request.forwarded(), "");
  // Of a client that is no proxy nothing is kept.
  EXPECT_TRUE(request.AddField("x-forwarded-for", "192.0.2.1", "/dns-query"));
  EXPECT_EQ(request.held(), 0u);
}

TEST(DohRequest, HasTheQueryOfGetInItsVariable) {
  for (const char* method : {"GET", "HEAD"}) {
    Request request;
    EXPECT_EQ(Read({.method = method, .path = "/dns-query?x=1&dns=AAEC-_8&ct"}, &request), 0);
    EXPECT_EQ(request.query(), (std::vector<uint8_t>{0, 1, 2, 0xfb, 0xff}));
    EXPECT_FALSE(request.wants_body());
  }
}

TEST(DohRequest, RefusesAVariableThatIsNone) {
  for (const char* query : {"", "?", "?dns=", "?DNS=AAAA", "?dns=AAAA&dns=AAAA", "?dns=AAA=", "?dns=AA+A",
                            "?dns=AA%41A", "?dns=AAAAA", "?dns=AB", "?dns=A", "?dns=AA A"}) {
    EXPECT_EQ(StatusOf({.path = std::string("/dns-query") + query}), 400) << query;
  }
}

TEST(DohRequest, RefusesOtherPathsMethodsAndTypes) {
  for (const char* path : {"/", "/dns-query/", "*", "", "/dns-query2?dns=AAAA"})
    EXPECT_EQ(StatusOf({.path = path}), 404);
  for (const char* method : {"PUT", "get", "", "OPTIONS"}) EXPECT_EQ(StatusOf({.method = method}), 405);
  for (const char* type : {"", "text/plain", "application/dns-message2", "application/dns-messag"})
    EXPECT_EQ(StatusOf({.method = "POST", .type = type}), 415);
  for (const char* type : {"application/dns-message", "Application/DNS-Message", "application/dns-message ; charset=x"})
    EXPECT_EQ(StatusOf({.method = "POST", .type = type}), 0);
}

TEST(DohRequest, TakesABodyOfAMessageAndNoOctetMore) {
  Request request;
  const std::vector<uint8_t> half(32'768);
  EXPECT_EQ(Read({.method = "POST", .path = "/dns-query?dns=AAAA", .type = "application/dns-message"}, &request), 0);
  EXPECT_TRUE(request.wants_body());
  EXPECT_TRUE(request.query().empty());
  EXPECT_TRUE(request.AddBody(half));
  EXPECT_TRUE(request.AddBody(Bytes(half).first(32'767)));
  EXPECT_EQ(request.query().size(), http2::kMaxQuery);
  EXPECT_FALSE(request.AddBody(Bytes(half).first(1)));
  request.Clear();
  EXPECT_LE(request.query().capacity(), 4096u);
  for (const char* length : {"65536", "99999999999999999999999999"})
    EXPECT_EQ(StatusOf({.method = "POST", .type = "application/dns-message", .length = length}), 413);
  EXPECT_EQ(StatusOf({.method = "POST", .type = "application/dns-message", .length = "65535"}), 0);
}

TEST(DohRequest, EndsWhereAHeadUnpacksToMoreThanAnybodySends) {
  Request request;
  const std::string value(4000, 'y');
  size_t fields = 0;
  while (request.AddField("x", value, "/dns-query")) ASSERT_LT(++fields, 20u);
  EXPECT_EQ(request.EndHead(), 431);
  Request many;
  for (uint32_t i = 0; i <= http2::kMaxFields; ++i) EXPECT_TRUE(many.AddField("x", "y", "/dns-query"));
  EXPECT_EQ(many.EndHead(), 431);
}

}  // namespace
}  // namespace shardns::test
