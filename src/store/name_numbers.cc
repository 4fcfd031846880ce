#include "store/name_numbers.h"

#include <algorithm>

namespace everywatt {

Result<void> NameNumbers::read(Connection& db, std::int64_t run, OfRun& names) {
  TRY(Query query, db.query("SELECT number, text FROM name WHERE run = ?", run));
  return for_each(std::move(query), [&](const Query& row) {
    names.last = std::max(names.last, row.i64(0));
    names.numbers.insert_or_assign(row.text(1), row.i64(0));
  });
}

Result<std::int64_t> NameNumbers::number(Connection& db, std::int64_t run, std::string_view name) {
  const auto [of_run, is_new] = runs_.try_emplace(run);
  OfRun& names = of_run->second;
  if (is_new) CHECK(read(db, run, names));
  for (;;) {
    if (const auto found = names.numbers.find(name); found != names.numbers.end()) return found->second;
    TRY(const bool was_free, db.update("INSERT INTO name (run, number, text) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                                       run, names.last + 1, name));
    if (was_free) {
      names.numbers.emplace(name, ++names.last);
    } else {
      CHECK(read(db, run, names));  // another process has taken the run for lost, and numbered names of it
    }
  }
}

}  // namespace everywatt
