#include "store/name_numbers.h"

namespace everywatt {
namespace {

Result<std::int64_t> number_in(Connection& db, std::int64_t run, std::string_view name) {
  TRY(const auto number, db.number("SELECT number FROM name WHERE run = ? AND text = ?", run, name));
  if (number) return *number;
  TRY(const auto made, db.number("INSERT INTO name (run, number, text) SELECT ?1, coalesce(max(number), 0) + 1, ?2 "
                                 "FROM name WHERE run = ?1 RETURNING number",
                                 run, name));
  return *made;
}

}  // namespace

Result<std::int64_t> NameNumbers::number(Connection& db, std::int64_t run, std::string_view name) {
  auto& known = numbers_[run];
  if (const auto found = known.find(name); found != known.end()) return found->second;
  TRY(const std::int64_t number, number_in(db, run, name));
  known.emplace(name, number);
  return number;
}

}  // namespace everywatt
