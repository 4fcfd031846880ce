// The bill for people: 80 columns, understood at a glance.
#pragma once
#include <string>

#include "account/bill.h"
#include "report/style.h"

namespace everywatt {

// The ranks of a job beside each other.
std::string ranks_text(const Bill& bill, const Style& style);
std::string bill_text(const Bill& bill, const Style& style);

// Where the bill can be seen again.
std::string kept_text(const std::string& place, const std::string& run, const Style& style);

}  // namespace everywatt
