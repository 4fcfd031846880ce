// docs/formats/store.md says what the tables are; so does the code.
#include <gmock/gmock.h>

#include "base/file.h"
#include "base/text.h"
#include "store/schema.h"
#include "store/store_fixture.h"

namespace everywatt {
namespace {

using ::testing::ElementsAreArray;
using testing::must;

using Columns = std::vector<std::pair<std::string, std::string>>;  // name, type

// Headings "### `table`" and the rows "| `column` | TYPE | …" below them.
std::map<std::string, Columns> documented_tables() {
  const std::string text = must(read_text(std::filesystem::path{EVERYWATT_SOURCE_DIR} / "docs/formats/store.md"));
  std::map<std::string, Columns> tables;
  std::string table;
  for (const std::string_view line : split(text, '\n')) {
    if (line.starts_with("## ")) table.clear();
    if (line.starts_with("### `")) tables[table = line.substr(5, line.rfind('`') - 5)];
    if (table.empty() || !line.starts_with("| `")) continue;
    const auto cells = split(line, '|');
    const auto name = trim(cells[1]);
    tables[table].emplace_back(name.substr(1, name.size() - 2), trim(cells[2]));
  }
  return tables;
}

std::map<std::string, Columns> real_tables() {
  testing::StorePlaceFixture place;
  must(place.open());
  Connection db = must(Connection::open(place.path(), Connection::Access::read_only));
  std::map<std::string, Columns> tables;
  Query query =
      must(db.query("SELECT t.name, c.name, c.type FROM sqlite_schema AS t, pragma_table_info(t.name) AS c "
                    "WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid"));
  while (must(query.next())) tables[query.text(0)].emplace_back(query.text(1), query.text(2));
  return tables;
}

std::vector<std::string> sorted_names(const Columns& columns) {
  std::vector<std::string> names;
  for (const auto& [name, type] : columns) names.push_back(name);
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> sorted_names(const std::string& columns) {
  std::vector<std::string> names;
  for (const std::string_view name : split(columns, ',')) names.emplace_back(trim(name));
  std::ranges::sort(names);
  return names;
}

TEST(StoreFormat, TheDocumentDescribesEveryColumnOfEveryTable) {
  const auto real = real_tables(), documented = documented_tables();
  ASSERT_EQ(real.size(), 21u);
  for (const auto& [table, columns] : real) {
    ASSERT_TRUE(documented.contains(table)) << table;
    EXPECT_THAT(documented.at(table), ElementsAreArray(columns)) << table;
  }
  EXPECT_EQ(documented.size(), real.size());
}

// Removing and merging walk these lists: a column that is missing there would be lost.
TEST(StoreFormat, TheListsOfColumnsAreTheTables) {
  auto real = real_tables();
  EXPECT_THAT(sorted_names(std::string{"key, "} + kRunColumns), ElementsAreArray(sorted_names(real["run"])));
  std::size_t with_run = 0;
  for (const auto& [table, columns] : real) {
    with_run +=
        static_cast<std::size_t>(std::ranges::count(columns, "run", &std::pair<std::string, std::string>::first));
  }
  EXPECT_EQ(with_run, kRunTables.size());
  for (const RunTable& table : kRunTables) {
    EXPECT_THAT(sorted_names(std::string{"run, "} + table.columns), ElementsAreArray(sorted_names(real[table.name])));
  }
}

}  // namespace
}  // namespace everywatt
