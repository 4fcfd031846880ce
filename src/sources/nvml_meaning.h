// What a power figure of an NVIDIA GPU means: the same call averages over a
// second on one architecture and sees a quarter of the time on another, and
// changed its meaning twice with the driver. Measured by Yang, Adamek and
// Armour, "Part-time Power Measurements" (arXiv 2312.02741, SC'24), on the
// architectures named here; one that is not named is not known.
#pragma once
#include <string>
#include <string_view>

#include "base/clock.h"
#include "sources/nvml_abi.h"

namespace everywatt::nvml {

enum class PowerCall {
  usage,    // nvmlDeviceGetPowerUsage
  average,  // field 185
  instant,  // field 186
};

struct PowerMeaning {
  Nanoseconds window = 0;  // the register is the mean over this time …
  Nanoseconds period = 0;  // … and is renewed this often
  bool is_known = false;   // measured on this architecture; else the widest that is seen elsewhere
  bool follows = false;    // exponentially, as late as the mean over the window would be
  [[nodiscard]] bool is_part_time() const { return window < period; }
};

// `driver_major`: 550 of "550.54.15". GA100 (A100, A30, A800, CMP 170HX) is told from other Ampere GPUs by its
// name, and the one Turing that sees a part of the time from the others.
PowerMeaning meaning_of(PowerCall call, Architecture architecture, std::string_view name, unsigned driver_major);

// A processor and a GPU on one module, which has a meter: "NVIDIA GH200 480GB", "NVIDIA GB200".
bool is_superchip(std::string_view name);

// How often the energy counter moves; seen as 20 ms on Volta and 100 ms on what came after.
Nanoseconds counter_period(Architecture architecture);

std::string_view name_of(Architecture architecture);

// By the compute capability that CUDA gives it, for drivers that do not name it (CUDA C++ Programming Guide).
Architecture architecture_of(int major, int minor);

}  // namespace everywatt::nvml
