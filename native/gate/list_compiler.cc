// Pieces to lines.
#include "gate/list_compiler.h"

#include <algorithm>

#include "gate/list_formats.h"

namespace shardns::gate {

void ListCompiler::Begin(const ListSource& source) {
  rules_.Begin(source);
  zone_.reset();
  if (source.format == ListFormat::kZone) zone_.emplace(rules_);
  rest_.clear();
  skipping_ = false;
  line_ = 0;
  report_ = {};
  foreign_.clear();
}

void ListCompiler::Feed(Bytes piece) {
  octets_ += piece.size();
  if (full_ == Full::kNo && octets_ > bounds_.max_octets) full_ = Full::kOctets;
  std::string_view text(reinterpret_cast<const char*>(piece.data()), piece.size());
  while (!text.empty() && full_ == Full::kNo) {
    const auto* end = static_cast<const char*>(std::memchr(text.data(), '\n', text.size()));
    const size_t size = end == nullptr ? text.size() : static_cast<size_t>(end - text.data());
    if (end != nullptr && rest_.empty() && !skipping_ && size <= kMaxLine) {
      TakeLine(text.substr(0, size));
    } else {
      if (rest_.size() + size > kMaxLine) {
        skipping_ = true;
        rest_.resize(std::min(rest_.size(), ListReport::kMaxProblemText));
      }
      if (!skipping_) rest_.append(text.substr(0, size));
      if (end != nullptr) {
        if (skipping_) {
          ++report_.lines;
          Count(ListLine::kBroken, ++line_, rest_);
        } else {
          TakeLine(rest_);
        }
        skipping_ = false;
        rest_.clear();
      }
    }
    text.remove_prefix(end == nullptr ? size : size + 1);
  }
}

void ListCompiler::TakeLine(std::string_view line) {
  if (line_ == kMaxListLine) {
    full_ = Full::kLines;
    return;
  }
  ++line_;
  ++report_.lines;
  if (line_ == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);  // a byte order mark
  const ListLine what = Read(line, line_);
  if (what == ListLine::kForeign) {
    foreign_.push_back({.line = line_, .text = std::string(line)});
  } else {
    Count(what, line_, line);
  }
}

void ListCompiler::FeedLine(uint32_t line, std::string_view text) {
  if (full_ != Full::kNo) return;
  const ListLine what = Read(text, line);
  Count(what == ListLine::kForeign ? ListLine::kBroken : what, line, text);
}

ListLine ListCompiler::Read(std::string_view line, uint32_t number) {
  switch (rules_.source().format) {
    case ListFormat::kHosts:
      return ReadHostsLine(line, number, rules_);
    case ListFormat::kDomains:
      return ReadDomainsLine(line, number, rules_);
    case ListFormat::kAdblock:
      return ReadAdblockLine(line, number, rules_);
    case ListFormat::kZone:
      break;
  }
  return zone_->Read(line, number);
}

void ListCompiler::Count(ListLine what, uint32_t number, std::string_view line) {
  if (what == ListLine::kNothing) return;
  if (what == ListLine::kRule) {
    ++report_.rules;
    return;
  }
  if (what == ListLine::kFull) {
    full_ = Full::kRules;
    return;
  }
  const bool broken = what == ListLine::kBroken;
  ++(broken ? report_.broken : report_.unsupported);
  // Of the two kinds broken ones are those that somebody should mend.
  if (report_.problems.size() < ListReport::kMaxProblems) {
    report_.problems.push_back(
        {.line = number, .broken = broken, .text = std::string(line.substr(0, ListReport::kMaxProblemText))});
  }
}

void ListCompiler::EndText() {
  if (!rest_.empty() || skipping_) Feed(Bytes(reinterpret_cast<const uint8_t*>("\n"), 1));
}

ListReport ListCompiler::End() {
  EndText();
  if (full_ == Full::kNo && zone_ && zone_->End() == ListLine::kBroken) Count(ListLine::kBroken, line_, "");
  if (full_ == Full::kNo && !rules_.End()) full_ = Full::kRules;
  return std::exchange(report_, {});
}

std::unique_ptr<const Lists> ListCompiler::Build() && {
  SHARDNS_CHECK(full_ == Full::kNo);
  return std::move(rules_).Build();
}

}  // namespace shardns::gate
