// The runs of a ledger as a list, for people and as JSON ("everywatt.runs/1").
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "model/run.h"
#include "report/style.h"

namespace everywatt {

std::string run_list_text(const std::vector<RunSummary>& runs, const Style& style);
std::string run_list_json(const std::vector<RunSummary>& runs);

}  // namespace everywatt
