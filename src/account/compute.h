// How much of what its accelerators can do at most a run, or a phase of it, has done, and what it did for a joule: from
// what the job counted, the table of peaks, and what the books say of devices and energy. What cannot be told has a
// reason in its place.
//
// MFU is the time that the model FLOPs would take at the peaks of the devices that the run had, each in its precision,
// over the time for which it had them; HFU is the same of hardware FLOPs. Against the maker's peak, never cut off.
#pragma once
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "account/accelerators.h"
#include "base/units.h"
#include "model/microjoules.h"
#include "model/run.h"

namespace everywatt {

// An accelerator that the run had reserved or worked on, and what it can do in one precision that the job counted.
struct DevicePeak {
  std::string device;                      // Device::id
  double share = 0;                        // of the run's time, for which it had the device
  std::string precision;                   // "bf16"
  std::string_view accelerator = {};       // "H100 SXM5", as the table calls it; empty: it is not there
  std::optional<Peak> peak = {};           // dense
  std::optional<std::string> reason = {};  // why there is none
};

// In the order of the devices, then of precisions' names. `work` is the run's.
std::vector<DevicePeak> peaks_of(std::span<const DeviceRecord> devices, Nanoseconds duration,
                                 const std::map<std::string, double>& work);

struct ComputeFigures {
  std::optional<Flop> model = {};
  std::optional<Flop> hardware = {};
  std::optional<double> mfu = {};
  std::optional<double> hfu = {};
  std::optional<FlopPerEnergy> work_per_energy = {};  // model FLOPs over what was charged
  std::optional<std::string> model_reason = {};       // why each is missing
  std::optional<std::string> hardware_reason = {};
  std::optional<std::string> mfu_reason = {};
  std::optional<std::string> hfu_reason = {};
  std::optional<std::string> energy_reason = {};
};

// What was counted in some stretch of a run, and what there was to do it with.
struct ComputeFacts {
  const std::map<std::string, double>& work;
  bool tells_recomputation = false;  // the job says somewhere what it computed again: where it says nothing, nothing
  Result<Duration> time;             // of the run, or for which anyone was in the phase
  std::span<const DevicePeak> peaks;
  std::optional<MicroJoules> energy = {};  // charged on all devices that count
};
ComputeFigures compute_of(const ComputeFacts& facts);

// Whether the job said anything of what it computed again.
bool tells_recomputation(const std::map<std::string, double>& work);
// Whether anything in it is a number of floating-point operations.
bool has_flops(const std::map<std::string, double>& work);

}  // namespace everywatt
