// The query parser, for queries that are not plain.
#include "wire/question.h"

namespace shardns::wire {

namespace {

// Walks the records that follow the question. A query has no use for answers, but a malformed one must not pass.
QueryVerdict ParseTail(Query* query) {
  const Bytes message = query->message;
  const size_t before = size_t{AnCount(message.data())} + NsCount(message.data());
  const size_t records = before + ArCount(message.data());
  size_t at = query->question_end;
  bool is_signed = false;
  for (size_t i = 0; i < records; ++i) {
    const size_t name = CheckName(message, at);
    if (name == 0 || message.size() - at - name < 10) return QueryVerdict::kFormErr;
    const bool root_owner = name == 1;
    at += name;
    const uint16_t type = Load16(message.data() + at);
    const uint16_t dns_class = Load16(message.data() + at + 2);
    const uint32_t ttl = Load32(message.data() + at + 4);
    const size_t length = Load16(message.data() + at + 8);
    at += 10;
    if (message.size() - at < length) return QueryVerdict::kFormErr;
    if (type == type::kOpt) {
      if (query->edns.present || !root_owner || i < before) {
        query->edns = Edns{};
        return QueryVerdict::kFormErr;
      }
      if (!ParseOpt(dns_class, ttl, message.subspan(at, length), &query->edns)) return QueryVerdict::kFormErrEdns;
    } else if (type == type::kTsig) {
      if (i + 1 != records) return QueryVerdict::kFormErr;  // RFC 8945 section 5.1: last, and only one
      is_signed = true;
    }
    at += length;
  }
  if (at != message.size()) return QueryVerdict::kFormErr;
  return is_signed ? QueryVerdict::kSigned : QueryVerdict::kAnswer;
}

QueryVerdict JudgeNoQuestion(Query* query) {
  const uint8_t* const octets = query->message.data();
  query->question_end = kHeaderSize;
  if ((query->flags & flag::kOpcode) == 0 && AnCount(octets) == 0 && NsCount(octets) == 0 &&
      ParseTail(query) == QueryVerdict::kAnswer && query->edns.cookie != nullptr && query->edns.version == 0) {
    return QueryVerdict::kNoQuestion;
  }
  query->question_end = 0;
  query->edns = Edns{};
  return QueryVerdict::kFormErr;
}

QueryVerdict JudgeType(const Query& query) {
  if (query.type == type::kAxfr || query.type == type::kIxfr) return QueryVerdict::kTransfer;
  if (query.type == type::kOpt || query.type == type::kTsig || query.type == 0) return QueryVerdict::kFormErr;
  if (query.dns_class == 0 || query.dns_class == 254 || query.dns_class == 255) return QueryVerdict::kRefused;
  if (type::IsMeta(query.type) && query.type != type::kAny) return QueryVerdict::kNotImp;
  if (query.dns_class != kClassIn) return QueryVerdict::kOtherClass;
  return query.type == type::kAny ? QueryVerdict::kAny : QueryVerdict::kAnswer;
}

}  // namespace

QueryVerdict ParseAnyQuery(Bytes message, Query* query) {
  *query = Query{};
  query->message = message;
  if (message.size() < kHeaderSize || message.size() > kMaxMessageSize) return QueryVerdict::kDrop;
  query->id = Id(message.data());
  query->flags = Flags(message.data());
  if (query->flags & flag::kQr) return QueryVerdict::kDrop;
  const uint16_t opcode = query->flags & flag::kOpcode;
  const bool for_an_authority = opcode == opcode::kNotify || opcode == opcode::kUpdate;
  if (opcode != 0 && !for_an_authority) return QueryVerdict::kNotImp;
  // RFC 9619: more than one question is FORMERR; none is for cookies only.
  if (QdCount(message.data()) != 1)
    return QdCount(message.data()) == 0 ? JudgeNoQuestion(query) : QueryVerdict::kFormErr;
  const size_t name = PlainNameLength(message, kHeaderSize);
  if (name == 0 || message.size() - kHeaderSize - name < 4) return QueryVerdict::kFormErr;
  query->name_length = static_cast<uint8_t>(name);
  query->type = Load16(message.data() + kHeaderSize + name);
  query->dns_class = Load16(message.data() + kHeaderSize + name + 2);
  query->question_end = static_cast<uint16_t>(kHeaderSize + name + 4);
  const QueryVerdict verdict = ParseTail(query);
  if (verdict != QueryVerdict::kAnswer) return verdict;
  if (for_an_authority) {
    if (query->edns.version != 0) return QueryVerdict::kBadVersion;
    return opcode == opcode::kNotify ? QueryVerdict::kNotify : QueryVerdict::kUpdate;
  }
  // A question brings no answers; an authority section belongs to IXFR.
  if (AnCount(message.data()) != 0 || (NsCount(message.data()) != 0 && query->type != type::kIxfr)) {
    return QueryVerdict::kFormErrEdns;
  }
  if (query->edns.version != 0) return QueryVerdict::kBadVersion;
  return JudgeType(*query);
}

}  // namespace shardns::wire
