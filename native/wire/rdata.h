// What the data of each type is made of: whether a record's is well-formed, and a hash of what it says. One pass over a
// record, no allocation. lib/wire/rdata-layout.ts has the same table.
#pragma once
#include "wire/ttl_scan.h"

namespace shardns::wire {

enum class RdataVerdict : uint8_t {
  kMalformed,
  kPlain,
  // A name is compressed in a type where no sender may do that (RFC 3597 section 4): readable where it stands, but to
  // be expanded before it goes to others, who may know the type less well.
  kToExpand,
};

// Types that are not known pass as opaque octets. `moving`: see CheckName.
RdataVerdict JudgeRdata(Bytes message, const Record& record, const MovingOctets* moving = nullptr);

inline bool CheckRdata(Bytes message, const Record& record, const MovingOctets* moving = nullptr) {
  return JudgeRdata(message, record, moving) != RdataVerdict::kMalformed;
}

// A hash of the data, names expanded and folded: equal data has equal hashes. The record must have passed JudgeRdata.
uint64_t HashRdata(Bytes message, const Record& record, uint64_t salt);

// A hash of a folded name. Its secret is no secret: whoever aims at collisions must gain nothing by them.
uint64_t HashName(Bytes folded);

}  // namespace shardns::wire
