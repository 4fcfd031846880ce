// What the stand-in's registers hold, as NVML writes it.
#pragma once
#include "tests/lab/standin.h"

namespace everywatt::lab {

std::uint32_t milli(Power power);  // mW
std::uint32_t percent(double fraction);
// Type, value, time of the register's renewal; its status is returned.
nvml::Return read_field(Subject& subject, nvml::FieldValue& value);

}  // namespace everywatt::lab
