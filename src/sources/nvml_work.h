// How much of its time a GPU worked and for whom, as its driver tells: utilisation with the driver's own stamps,
// samples of processes, and who holds a context. What a GPU in MIG mode tells it tells of each of its instances. What
// is lacking is left out with its reason.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sources/call_cost.h"
#include "sources/nvml_performance.h"
#include "sources/nvml_processes.h"
#include "sources/source.h"

namespace everywatt::nvml {

class Work {
 public:
  // Adds channels of the inventory's first device, and its slices.
  Work(std::shared_ptr<Library> library, Device device, Inventory& inventory);

  static constexpr std::uint64_t kTicksPerWord = 2;  // samples come every sixth or fifth of a second
  // How often it is to be asked for work.
  [[nodiscard]] const Spacing& spacing() const { return spacing_; }
  // Who holds contexts; `of_work`: and what was done since that was asked last; `is_round`: and what changes seldom.
  Return sample(Device device, bool of_work, bool is_round, std::vector<Reading>& out);

 private:
  // A GPU instance of MIG: its share of the GPU is divided among those who run in it.
  struct Slice {
    std::uint32_t gpu_instance = 0;
    std::vector<std::uint32_t> places;  // its compute instances in the driver's order
    std::uint32_t contexts = 0;         // channels
    std::optional<std::uint32_t> utilisation = {};
    std::optional<PerformanceMonitor> performance = {};
  };
  void find_utilisation(Device device, Inventory& inventory);
  void find_contexts(Device device, Inventory& inventory);
  bool find_slices(Device device, Inventory& inventory);
  void find_slice_utilisation(Device device, Inventory& inventory);

  Return sample_utilisation(Device device, std::vector<Reading>& out);
  // "Not found": nothing new.
  Return sample_history(Device device, std::vector<Reading>& out);
  [[nodiscard]] std::optional<std::uint32_t> only_holder() const;
  // `from`: what precedes it in `out` is not of this reading's work.
  void sample_processes(Device device, std::size_t from, std::vector<Reading>& out);
  std::span<const ProcessUtilization> read_process_samples(Device device);
  void sample_contexts(Device device, bool is_round, std::vector<Reading>& out);
  Return sample_slices(Device device, std::vector<Reading>& out);
  void list_into(std::vector<ProcessInfo>& known, Processes::Kind kind, Device device);
  void note_clients(Device device);
  bool is_server(std::uint32_t pid);

  std::shared_ptr<Library> library_;
  Spacing spacing_;
  std::optional<std::uint32_t> utilisation_;
  std::optional<std::uint32_t> contexts_;  // none: nobody may say who uses the GPU
  std::vector<Slice> slices_;              // in MIG mode
  int until_look_ = 0;                     // readings, at how busy they are
  bool has_history_ = false;
  std::uint64_t last_sample_ = 0;     // the driver's clock, µs
  std::uint64_t without_sample_ = 0;  // ticks
  std::vector<Sample> samples_;
  std::uint64_t last_process_sample_ = 0;
  std::vector<ProcessUtilization> process_samples_;
  bool is_divided_ = true;              // the last work, by samples of processes
  std::vector<std::uint32_t> holding_;  // contexts, as of this reading
  std::vector<std::uint32_t> held_;     // and since work was asked for last, each once
  bool was_held_by_unknown_ = false;    // since then: who did was not told
  Processes processes_;
  std::vector<ProcessInfo> graphics_;      // as of the last round
  std::vector<ProcessInfo> clients_;       // of MPS, likewise
  std::map<std::uint32_t, bool> servers_;  // whether a process is the server of MPS
};

}  // namespace everywatt::nvml
