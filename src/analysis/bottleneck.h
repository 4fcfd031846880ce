// What a phase is bound by, from what is known of it: pure rules over figures, with all thresholds and their reasons in
// bottleneck.cc. Who does not know says so.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace everywatt {

enum class Bottleneck { compute, memory, input, communication, idle, unknown };
std::string_view to_string(Bottleneck bottleneck);  // "compute-bound", …, "idle", "unknown"

// How near the parts of a run's GPUs came to what they can do: shares of 1, means over the GPUs and the time of a
// phase.
struct GpuUse {
  double worked = 0;                  // of the time: a kernel was there
  std::optional<double> memory = {};  // of the bandwidth's peak
  std::optional<double> tensor = {};  // of the cycles of these units
  std::optional<double> fp64 = {};
  std::optional<double> fp32 = {};
  std::optional<double> fp16 = {};

  struct Units {
    std::string_view name;  // "tensor cores"
    double share = 0;
  };
  [[nodiscard]] std::optional<Units> busiest_units() const;
};

// Shares of a phase's time, all 0 to 1.
struct PhaseUse {
  double input_wait = 0;                            // it waits for data
  double sync_wait = 0;                             // it waits for others
  std::optional<double> worked_in_input_wait = {};  // share of the waits for data in which the GPUs worked on
  std::optional<double> worked = {};                // share of the time without waits in which the devices worked
  std::optional<GpuUse> gpus = {};
  std::string worked_reason = {};  // why it is not known
  std::string gpus_reason = {};

  [[nodiscard]] double without_waits() const { return 1 - input_wait - sync_wait; }
  [[nodiscard]] std::optional<double> busy() const {
    return worked ? std::optional{without_waits() * *worked} : worked;
  }
  [[nodiscard]] std::optional<double> idle() const {
    return worked ? std::optional{without_waits() * (1 - *worked)} : worked;
  }
};

struct Verdict {
  Bottleneck kind = Bottleneck::unknown;
  std::string reason = {};  // of `unknown`
};
Verdict judge(const PhaseUse& use);

// Whether a component of a path is a wait, and for what: "wait:data" and a phase called "data-wait" wait for input,
// every other "wait:…" and "sync-wait" for others.
enum class Wait { none, input, sync };
Wait wait_in(std::string_view component);

}  // namespace everywatt
