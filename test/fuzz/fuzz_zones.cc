// A zone of names and records from the input, asked by names from the input; its arrays whole, or damaged at places
// that the input names. Replies to whole ones are messages that parse.
#include "answers/prepare.h"
#include "zones/packed_zone.h"

using namespace shardns;
using namespace shardns::test;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  size_t at = 0;
  const auto next = [&]() -> uint8_t { return at < size ? data[at++] : 0; };
  const auto labels = [&](bool rooted) {
    Octets out;
    for (uint8_t count = next() % 6; count > 0; --count) {
      const uint8_t form = next();
      if (form >= 0xF8) {
        const Octets long_label(1 + form % 8 * 8, 'l');
        if (out.size() + long_label.size() + 12 > wire::kMaxNameSize) break;
        out.push_back(static_cast<uint8_t>(long_label.size()));
        out.insert(out.end(), long_label.begin(), long_label.end());
      } else {
        out.push_back(1);
        out.push_back(form % 5 == 0 ? '*' : static_cast<uint8_t>('a' + form % 3));
      }
    }
    if (rooted) out.push_back(0);
    return out;
  };
  const Octets apex = next() % 8 == 0 ? NameOf("") : NameOf("z");
  const auto name = [&] {
    Octets out = labels(false);
    out.insert(out.end(), apex.begin(), apex.end());
    return out;
  };
  constexpr uint16_t kTypes[] = {1, 2, 5, 16, 28, 39, 43, 46};
  PackedZone zone, changes;
  zone.Soa(apex);
  const bool changed = next() % 2 != 0;
  for (uint8_t count = next() % 24; count > 0 && at < size; --count) {
    const uint16_t type = kTypes[next() % std::size(kTypes)];
    const bool named = type == 2 || type == 5 || type == 39;
    const Octets rdata = named        ? name()
                         : type == 16 ? Octets{3, 'a', next(), 'c'}
                                      : Octets(type == 28 ? 16 : 4, next());
    PackedZone& to = changed && count % 3 == 0 ? changes : zone;
    to.Add(labels(false), type, rdata, next(), type == 46 ? next() : 0);
    if (next() % 16 == 0) changes.Mark("a", next() % 2 != 0 ? zones::node_flag::kDeleted : zones::node_flag::kUnsaid);
  }
  changes.Mark("", zones::node_flag::kUnsaid);
  zones::ZoneArrays arrays{.base = zone.Pack(), .changes = {}};
  if (changed) arrays.changes = changes.Pack();
  // Damaged copies.
  Octets octets(arrays.base.data.begin(), arrays.base.data.end());
  std::vector<uint32_t> name_at(arrays.base.name_at.begin(), arrays.base.name_at.end());
  std::vector<uint32_t> data_at(arrays.base.data_at.begin(), arrays.base.data_at.end());
  std::vector<uint32_t> slots(arrays.base.slots.begin(), arrays.base.slots.end());
  const uint8_t damages = next() % 4 == 0 ? next() % 8 : 0;
  for (uint8_t i = 0; i < damages; ++i) {
    const size_t place = next();
    switch (next() % 4) {
      case 0:
        if (!octets.empty()) octets[place % octets.size()] = next();
        break;
      case 1:
        name_at[place % name_at.size()] = next() * 0x01010101u;
        break;
      case 2:
        data_at[place % data_at.size()] = next();
        break;
      default:
        slots[place % slots.size()] = next() * 0x00010001u;
    }
  }
  if (damages != 0) {
    arrays.base.data = octets;
    arrays.base.name_at = name_at;
    arrays.base.data_at = data_at;
    arrays.base.slots = slots;
  }
  const auto view = zones::ZoneView::Create(apex, arrays, kNamesKey, nullptr);
  if (view == nullptr) return 0;
  Octets out(next() % 2 == 0 ? 600 : 4096);
  answers::PrepareScratch scratch;
  for (int asked = 0; asked < 16; ++asked) {
    const Octets question = name();
    wire::Query query;
    const uint16_t type = kTypes[next() % (std::size(kTypes) - 1)];
    const Octets message = AskFor(question, type, &query);
    const zones::Reply reply = view->Answer(query, question, out);
    if (reply.told == zones::Told::kNothing) continue;
    SHARDNS_CHECK(reply.length <= out.size());
    if (damages != 0) continue;
    answers::EntryImage image;
    const Status status = answers::Prepare(
        {.response = Bytes(out).first(reply.length), .authoritative = true, .of_zone = true}, &scratch, &image);
    SHARDNS_CHECK(answers::Sendable(status));
    SHARDNS_CHECK(image.message.size() == reply.length);
  }
  return 0;
}
