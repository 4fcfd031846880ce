// Rows from one ledger file to another, as they are; within a transaction of
// the caller on `to`.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/sqlite.h"

namespace everywatt {

Result<void> copy_run(Connection& from, std::string_view run, Connection& to);
// Whose floors or calibrations a file has.
Result<std::vector<std::string>> hosts_with_floors(Connection& from);
// A host's floors and calibrations, where `to` has none for the device or an older one.
Result<void> copy_floors(Connection& from, std::string_view host, Connection& to);

}  // namespace everywatt
