// How much of its time a GPU worked and for whom, as its driver tells: utilisation with the driver's own stamps,
// samples of processes, and who holds a context. What a GPU in MIG mode tells it tells of each of its instances. What
// is lacking is left out with its reason.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "sources/nvml_performance.h"
#include "sources/source.h"

namespace everywatt::nvml {

class Work {
 public:
  // Adds channels of the inventory's first device, and its slices.
  Work(std::shared_ptr<Library> library, Device device, Inventory& inventory);

  // `is_round`: what changes seldom is asked for too.
  Return sample(Device device, bool is_round, std::vector<Reading>& out);

 private:
  using ProcessList = Return (*)(Device, std::uint32_t*, ProcessInfo*);
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
  void sample_processes(Device device, std::vector<Reading>& out);
  void sample_contexts(Device device, bool is_round, std::vector<Reading>& out);
  Return sample_slices(Device device, std::vector<Reading>& out);
  // None: it is not told.
  std::optional<std::vector<ProcessInfo>> list(ProcessList ask, Device device);
  void note_clients(Device device);
  bool is_server(std::uint32_t pid);

  std::shared_ptr<Library> library_;
  std::optional<std::uint32_t> utilisation_;
  std::optional<std::uint32_t> contexts_;  // none: nobody may say who uses the GPU
  std::vector<Slice> slices_;              // in MIG mode
  int until_look_ = 0;                     // readings, at how busy they are
  bool has_history_ = false;
  std::uint64_t last_sample_ = 0;  // the driver's clock, µs
  int without_sample_ = 0;         // readings
  std::vector<Sample> samples_;
  std::uint64_t last_process_sample_ = 0;
  std::vector<ProcessUtilization> process_samples_;
  std::size_t most_processes_;
  std::vector<ProcessInfo> graphics_;      // as of the last round
  std::vector<ProcessInfo> clients_;       // of MPS, likewise
  std::map<std::uint32_t, bool> servers_;  // whether a process is the server of MPS
};

}  // namespace everywatt::nvml
