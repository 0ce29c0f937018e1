// Any octets as a list of each format, in pieces of any size: no crash, no more rules than lines can hold, the same
// rules whatever the pieces.
#include "gate/list_compiler.h"

using namespace shardns;
using namespace shardns::gate;

namespace {

struct Outcome {
  std::unique_ptr<const Lists> lists;
  ListReport report;
};

Outcome Compile(ListFormat format, Bytes text, size_t piece) {
  ListCompiler compiler(1, {.max_octets = 1 << 20, .max_names = 1 << 16});
  compiler.Begin({.format = format, .list = 0, .tiers = {0, 1, 2, 3}});
  for (size_t at = 0; at < text.size(); at += piece) {
    compiler.Feed(text.subspan(at, std::min(piece, text.size() - at)));
    for (const ListCompiler::ForeignLine& line : compiler.Foreign()) compiler.FeedLine(line.line, line.text);
  }
  Outcome outcome;
  outcome.report = compiler.End();
  SHARDNS_CHECK(compiler.full() == ListCompiler::Full::kNo);
  SHARDNS_CHECK(outcome.report.problems.size() <= ListReport::kMaxProblems);
  outcome.lists = std::move(compiler).Build();
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto format = static_cast<ListFormat>(data[0] % 4);
  const size_t piece = 1 + data[1];
  const Bytes text(data + 2, size - 2);
  const Outcome whole = Compile(format, text, text.size() + 1), parts = Compile(format, text, piece);
  SHARDNS_CHECK(whole.lists->names() == parts.lists->names());
  SHARDNS_CHECK(whole.lists->data() == parts.lists->data());
  SHARDNS_CHECK(whole.report.rules == parts.report.rules && whole.report.broken == parts.report.broken);
  SHARDNS_CHECK(whole.report.lines == parts.report.lines);
  // Names from the text itself.
  const uint8_t client[4] = {192, 0, 2, 1};
  for (size_t at = 0; at + 4 < text.size(); at += 7) {
    WireName name;
    const std::string_view word(reinterpret_cast<const char*>(text.data()) + at,
                                std::min<size_t>(20, text.size() - at));
    if (ReadHostName(word, &name) != NameText::kName) continue;
    const auto a = whole.lists->Find(name.bytes(), client, 1), b = parts.lists->Find(name.bytes(), client, 1);
    SHARDNS_CHECK(a.has_value() == b.has_value() && (!a || a->policy == b->policy));
  }
  return 0;
}
