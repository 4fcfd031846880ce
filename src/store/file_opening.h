// From a path to a database of our schema: made where there is none, brought
// up to date where it is older, set aside under another name where it is
// damaged. Safe against other processes that do the same at the same moment.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "store/ledger_file.h"
#include "store/sqlite.h"

namespace everywatt {

// `now_wall` names what is set aside. Errc::misuse: another program's file;
// io: one of a newer version; denied: may be neither read nor made.
Result<Connection> open_ledger_database(const std::filesystem::path& path, Journal journal, Nanoseconds now_wall,
                                        std::vector<std::string>& notices);

// Another ledger's file: neither made nor set aside. Errc::absent, malformed.
Result<Connection> open_foreign_database(const std::filesystem::path& path);

}  // namespace everywatt
