// The bill as JSON, schema "everywatt.run/1": stable, versioned, units in the
// keys. docs/formats/bill.md says what each key means.
#pragma once
#include <string>
#include <vector>

#include "account/bill.h"

namespace everywatt {

std::string bill_json(const Bill& bill);

// {"schema":"everywatt.export/1","runs":[…]}
std::string bills_json(const std::vector<Bill>& bills);

}  // namespace everywatt
