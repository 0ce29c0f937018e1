// What a response's records say of whether and how long it may be kept: one walk over all of them, which checks each.
#pragma once
#include "answers/prepare.h"

namespace shardns::answers {

struct Survey {
  bool to_rewrite = false;  // a record twice, or a name compressed where it may not be
  bool foreign = false;     // an answer record outside the chain, or a link before the one that leads to it
  bool answered = false;    // the chain's end has a record of the asked type
  bool any_soa = false;
  uint32_t negative_ttl = UINT32_MAX;  // min(SOA TTL, MINIMUM), RFC 2308 section 5
  uint32_t least_ttl = UINT32_MAX;
  uint32_t signature_limit = UINT32_MAX;
  size_t opt_at = 0;  // offset of OPT, TSIG or SIG(0); 0 = none
  uint8_t subnet_scope = 0;
  uint16_t kept_additional = 0;
  uint16_t extended_rcode = 0;
};

// `end`: of what is kept, behind the last record before OPT, TSIG or SIG(0). kMalformed or kOk.
Status SurveyRecords(const PrepareArgs& args, size_t question_end, uint16_t qtype, Survey* survey, size_t* end);

}  // namespace shardns::answers
