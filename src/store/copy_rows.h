// Rows from one ledger file to another, as they are; within a transaction of
// the caller on `to`.
#pragma once
#include <string_view>

#include "base/result.h"
#include "store/sqlite.h"

namespace everywatt {

Result<void> copy_run(Connection& from, std::string_view run, Connection& to);
// Where `to` has none for that host and device, or an older one.
Result<void> copy_floors(Connection& from, Connection& to);

}  // namespace everywatt
