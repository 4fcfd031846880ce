// The row of `recent`, which lies in a file that anything may have happened to: what is read must come back as it is,
// and be what the code beyond relies on, rows in order.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "store/recent.h"

namespace {

using namespace everywatt;

// Row by row as commits put them, the last first.
Recent put_anew(const Recent& from) {
  Recent recent{.commits = from.commits, .charged = from.charged, .booked = from.booked, .facts = from.facts};
  for (auto row = from.figures.rbegin(); row != from.figures.rend(); ++row) recent.put(*row);
  for (auto row = from.entries.rbegin(); row != from.entries.rend(); ++row) add_entry(recent.entries, *row);
  if (from.facts) {
    Run run;
    put_into(*from.facts, run);
    recent.facts = moving_facts_of(run);
  }
  return recent;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto recent = unpack_recent({reinterpret_cast<const char*>(data), size});
  if (!recent) return 0;
  if (recent->empty() || !(unpack_recent(pack(*recent)) == *recent) || !(put_anew(*recent) == *recent))
    __builtin_trap();
  return 0;
}
