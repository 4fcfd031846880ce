// Runs as CSV for spreadsheets and data frames (RFC 4180, a header line, '.' as
// the decimal sign, units in the headers).
#pragma once
#include <string>
#include <vector>

#include "account/bill.h"
#include "model/run.h"

namespace everywatt {

// run,name,status,started,duration_seconds,device,kind,method,counted,
// measured_joules,total_joules,busy_joules,idle_joules,other_joules,
// unattributed_joules,uncertainty_joules,coverage: one line a device.
std::string devices_csv(const std::vector<Bill>& bills);

// run,device,phase,account,minute,energy_joules: the ledger's entries as they stand.
std::string entries_csv(const std::vector<RunRecord>& records);

}  // namespace everywatt
