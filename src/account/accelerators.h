// What accelerators can do at most, from data/accelerators.csv, which is part
// of the program: peaks without sparsity, for one device as the operating system
// counts them. Each figure keeps its source and how far it is to be trusted.
// A name that is not in the table is another device: there is no guessing.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/units.h"

namespace everywatt {

enum class PeakPrecision { fp64, fp64_tensor, fp32, fp32_tensor, tf32, bf16, fp16, fp8, int8, fp4 };

std::string_view to_string(PeakPrecision precision);  // "fp64-tensor"
std::optional<PeakPrecision> parse_precision(std::string_view text);
std::string precision_names();  // "fp64, fp64-tensor, …", for messages

// Where a figure is from: sources as data/README.md lists them, parted by a blank.
struct Provenance {
  std::string_view source;
  std::string_view confidence;  // "high", "medium", "low"
  std::string_view date;        // year and month in which it was collected
};

struct Peak {
  FlopRate rate = {};  // operations of any kind, integers too, accumulated in 32 bits
  Provenance provenance = {};
};

// What the maker calls power: TDP, TGP and TBP have different things inside.
struct RatedPower {
  Power power = {};  // of the package, which may be several devices
  std::string term;  // "TDP"
  Provenance provenance = {};
};

struct Accelerator {
  std::string_view name;  // "H100 SXM5"
  std::optional<DataSize> memory = {};
  std::optional<Bandwidth> bandwidth = {};
  Provenance bandwidth_provenance = {};
  std::optional<RatedPower> power = {};
  unsigned devices_per_package = 1;  // MI250X: two, each a device of its own
};

// `name` as the driver reports it ("NVIDIA H100 80GB HBM3") or as the table has
// it. Errc::absent: not in the table; the text names those that are near.
Result<Accelerator> find_accelerator(std::string_view name);

// Errc::absent: the device computes nothing in this precision, or the table does not know.
Result<Peak> find_peak(const Accelerator& accelerator, PeakPrecision precision);

// Every device of the table, by its name there.
std::vector<std::string_view> known_accelerators();

}  // namespace everywatt
