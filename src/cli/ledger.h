// What all commands that look into the ledger share: opening it, finding a
// run, and telling which runs lost their supervisor.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "account/bill.h"
#include "cli/command.h"
#include "store/store.h"

namespace everywatt {

// The user's store; what is noticed, then and later, goes to `err`. `Create::no`:
// Errc::absent with "no runs yet" where there is none.
enum class Create { yes, no };
Result<std::unique_ptr<Store>> open_ledger(Context& context, Create create);

// A living process of this host records it.
bool is_measured_here(const Run& run);

// A run that says `running` although its supervisor is gone is `lost`; it is
// written down where the store can be written.
void settle(Store& store, Run& run);

// With what the configuration says of the site.
Result<Bill> read_bill(Store& store, std::string_view reference);

// Floors and calibrations are a host's; a recorded machine is a host of its own.
std::string ledger_host(const std::string& host, const Roots& roots);

// This process, as a supervisor to be recognised by.
Supervisor this_supervisor();

}  // namespace everywatt
