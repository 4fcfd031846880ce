// What a driver has, by its version: functions that came with one and went with another. Their numbers are from the
// change log of NVML's reference and from the header that NVIDIA/nvidia-settings publishes with each driver.
#pragma once
#include <string_view>
#include <vector>

namespace everywatt::lab {

// Symbols that the library of this driver does not have, of those that the stand-in has.
std::vector<std::string_view> symbols_lacking(std::string_view driver);

// Whether its lists of processes (_v3) have entries of 32 bytes.
bool has_wide_processes(std::string_view driver);

}  // namespace everywatt::lab
