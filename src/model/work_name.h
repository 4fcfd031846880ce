// What a job counts, as the ledger and bills call it: "tokens", "flops_bf16", "recomputed_flops_bf16".
#pragma once
#include <string>
#include <string_view>

#include "model/mark.h"

namespace everywatt {

// Before the name of a precision.
inline constexpr std::string_view kFlops = "flops_";
inline constexpr std::string_view kRecomputedFlops = "recomputed_flops_";

std::string work_name(const CountMark& count);
std::string work_name(const FlopsMark& flops);

}  // namespace everywatt
