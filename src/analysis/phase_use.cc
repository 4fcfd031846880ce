#include "analysis/phase_use.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "account/accelerators.h"
#include "base/text.h"
#include "model/gpu_name.h"
#include "model/phase.h"

namespace everywatt {
namespace {

// What a sensor tells of a phase is the phase's own where it filled most of each look: two looks and more.
constexpr double kResolved = 0.8;
constexpr const char* kTooShort = "the phase is shorter than two looks of the sensor, one a second";
// Of what was measured: of a GPU that others used more than this its parts say nothing of the run.
constexpr double kMuchOfOthers = 0.1;

// What was told of some stretches that lie apart.
struct Told {
  double sum = 0;
  double seconds = 0;
  double resolved = 0;

  Told& operator+=(const Told& more) {
    sum += more.sum;
    seconds += more.seconds;
    resolved += more.resolved;
    return *this;
  }
  Told& operator-=(const Told& part) {
    sum = std::max(0.0, sum - part.sum);
    seconds = std::max(0.0, seconds - part.seconds);
    return *this;
  }
  [[nodiscard]] std::optional<double> mean() const {
    constexpr double kLeast = 0.05;  // seconds
    return seconds >= kLeast ? std::optional{sum / seconds} : std::nullopt;
  }
  [[nodiscard]] std::optional<double> share() const {
    const auto told = mean();
    return told ? std::optional{std::clamp(*told, 0.0, 1.0)} : told;
  }
  [[nodiscard]] bool is_resolved() const { return seconds > 0 && resolved >= kResolved * seconds; }
};

struct WaitPlace {
  Wait kind = Wait::none;
  std::string name;        // "gradients"
  std::size_t length = 0;  // of the path up to the wait's end
};

// The outermost wait that a path stands in.
WaitPlace wait_of(const std::string& path) {
  std::size_t end = 0;
  for (const std::string_view component : split(path, '/')) {
    end += component.size() + (end > 0 ? 1 : 0);
    const Wait kind = wait_in(component);
    if (kind == Wait::none) continue;
    const auto colon = component.find(':');
    return {kind, std::string{colon == component.npos ? component : component.substr(colon + 1)}, end};
  }
  return {};
}

// Some phases that lie apart: one, or all outermost ones.
struct Extent {
  std::vector<std::string> paths;
  Nanoseconds duration = 0;
  bool is_whole_run = false;
};

class Reader {
 public:
  explicit Reader(const Bill& bill) : bill_{bill} {
    for (const PhaseQuantity& quantity : bill.phase_quantities)
      told_[{quantity.path, quantity.device, quantity.name}] = {
          .sum = quantity.sum,
          .seconds = static_cast<double>(quantity.observed) / 1e9,
          .resolved = static_cast<double>(quantity.resolved) / 1e9};
    for (const DeviceBill& device : bill.devices) {
      if (device.record.device.kind == DeviceKind::package) packages_.push_back(&device);
      const bool is_gpu = device.record.device.kind == DeviceKind::gpu;
      if (is_gpu && device.record.counted && !device.energy.measured)
        unmeasured_ = device.record.device.id + " is not measured: how much it worked is not known";
      if (device.record.counted && is_gpu_module(device.record.device))
        unmeasured_ = device.record.device.id + " does not tell how much its GPU worked";
      if (!is_gpu || device.energy.total.value_or(0) <= 0) continue;
      gpus_.push_back(&device);
      peaks_.push_back(peak_of(device.record));
    }
  }

  [[nodiscard]] PhaseBottleneck of(const Extent& extent) const {
    PhaseBottleneck phase;
    const std::vector<std::string> waits = note_waits(extent, phase);
    note_processes(extent, phase);
    for (std::size_t i = 0; i < gpus_.size(); ++i) phase.gpus.push_back(gpu_in(extent, i));
    note_work(extent, waits, phase);
    note_gpus(phase);
    note_memory(extent, phase);
    phase.verdict = judge(phase.use);
    return phase;
  }

  [[nodiscard]] Extent whole_run() const {
    Extent whole{.paths = {""}, .duration = 0, .is_whole_run = true};
    for (const PhaseBill& phase : bill_.phases) {
      const bool is_outermost = std::ranges::none_of(bill_.phases, [&](const PhaseBill& other) {
        return other.path != phase.path && lies_within(phase.path, other.path);
      });
      if (!is_outermost) continue;
      if (!phase.path.empty()) whole.paths.push_back(phase.path);
      whole.duration += phase.duration;
    }
    whole.duration = std::max(whole.duration, bill_.duration);
    return whole;
  }

 private:
  struct Peak {
    std::optional<Bandwidth> bandwidth = {};
    std::string source;
  };

  static Peak peak_of(const DeviceRecord& gpu) {
    const auto known = find_accelerator(gpu.device.model);
    if (known && known->bandwidth)
      return {known->bandwidth, "data/accelerators.csv: " + std::string{known->bandwidth_provenance.source} + ", " +
                                    std::string{known->bandwidth_provenance.confidence}};
    const auto told = std::ranges::find(gpu.quantities, "memory_bandwidth_peak", &QuantityRecord::name);
    if (told != gpu.quantities.end() && told->mean)
      return {(*told->mean / 1e9 * gigabyte) / second, "driver: width of the memory's bus and its highest clock"};
    return {std::nullopt, "its peak bandwidth is not known: " +
                              (known ? std::string{"the table does not have it"} : known.error().what)};
  }

  [[nodiscard]] Told told(const std::vector<std::string>& paths, const std::string& device,
                          const std::string& name) const {
    Told sum;
    for (const std::string& path : paths) {
      const auto found = told_.find({path, device, name});
      if (found != told_.end()) sum += found->second;
    }
    return sum;
  }
  [[nodiscard]] Told told(const Extent& extent, const std::string& device, const std::string& name) const {
    Told sum = told(extent.paths, device, name);
    if (extent.is_whole_run) sum.resolved = sum.seconds;
    return sum;
  }

  // Returns the paths of the waits, which lie apart.
  std::vector<std::string> note_waits(const Extent& extent, PhaseBottleneck& into) const {
    std::vector<std::string> waits;
    double input = 0, sync = 0, longest = 0;
    for (const PhaseBill& phase : bill_.phases) {
      const bool is_here =
          std::ranges::any_of(extent.paths, [&](const std::string& p) { return lies_within(phase.path, p); });
      const WaitPlace wait = is_here ? wait_of(phase.path) : WaitPlace{};
      const bool is_own = std::ranges::find(extent.paths, phase.path) != extent.paths.end();
      // What lies within a wait is part of it.
      if (wait.kind == Wait::none || (wait.length != phase.path.size() && !is_own)) continue;
      const auto duration = static_cast<double>(phase.duration);
      (wait.kind == Wait::input ? input : sync) += duration;
      if (wait.kind == Wait::sync && duration > longest) {
        longest = duration;
        into.longest_sync = wait.name;
      }
      waits.push_back(phase.path);
    }
    if (extent.duration <= 0) return waits;
    const double all = std::max(static_cast<double>(extent.duration), input + sync);
    into.use.input_wait = input / all;
    into.use.sync_wait = sync / all;
    return waits;
  }

  void note_processes(const Extent& extent, PhaseBottleneck& into) const {
    const Told workers = told(extent, "", kInputWorkers), input = told(extent, "", kInputCpuTime);
    into.input_cpu_seconds = input.sum;
    into.input_workers = workers.mean();
    if (workers.sum > 0) into.input_workers_busy = std::min(1.0, input.sum / workers.sum);
    const Told cpu = told(extent, "", kCpuTime);
    if (cpu.is_resolved()) into.cpus = cpu.mean();
  }

  [[nodiscard]] GpuInPhase gpu_in(const Extent& extent, std::size_t number) const {
    const DeviceRecord& record = gpus_[number]->record;
    GpuInPhase gpu{.device = record.device.id, .peak = peaks_[number].bandwidth, .peak_source = peaks_[number].source};
    if (const Told work = told(extent, gpu.device, kGpuWork); work.is_resolved()) gpu.worked = work.share();
    const Told memory = told(extent, gpu.device, "memory_bandwidth_utilisation");
    gpu.observed_seconds = memory.seconds;
    gpu.reason = why_unknown(*gpus_[number], memory);
    if (!gpu.reason.empty()) return gpu;
    const auto share = [&](const char* name) { return told(extent, gpu.device, name).share(); };
    gpu.sm = share("sm_utilisation");
    gpu.use = {.worked = std::max(gpu.worked.value_or(0), gpu.sm.value_or(0)),
               .memory = memory.share(),
               .tensor = share("tensor_utilisation"),
               .fp64 = share("fp64_utilisation"),
               .fp32 = share("fp32_utilisation"),
               .fp16 = share("fp16_utilisation")};
    return gpu;
  }

  static std::string why_unknown(const DeviceBill& gpu, const Told& told) {
    const DeviceRecord& record = gpu.record;
    const auto quantity = std::ranges::find(record.quantities, "memory_bandwidth_utilisation", &QuantityRecord::name);
    if (quantity == record.quantities.end()) return record.device.id + " tells nothing of its parts";
    if (quantity->reason) return record.device.id + " does not tell how busy its parts are: " + *quantity->reason;
    if (!told.mean()) return "the sensor was never read in the phase";
    if (!told.is_resolved()) return kTooShort;
    const auto measured = static_cast<double>(gpu.energy.measured.value_or(0));
    if (static_cast<double>(gpu.energy.other.value_or(0)) > kMuchOfOthers * measured)
      return record.device.id + " worked for others, too: what its parts did is everybody's";
    return {};
  }

  // Devices that work for the run outside the waits: the GPUs that it is charged for, or where there is none
  // processors.
  void note_work(const Extent& extent, const std::vector<std::string>& waits, PhaseBottleneck& into) const {
    PhaseUse& use = into.use;
    if (gpus_.empty() && !unmeasured_.empty()) {
      use.worked_reason = unmeasured_;
      return;
    }
    if (gpus_.empty()) {
      const double rest = static_cast<double>(extent.duration) / 1e9 * use.without_waits();
      const Told cpu = told(extent, "", kCpuTime);
      if (rest > 0 && cpu.is_resolved()) {
        use.worked = std::clamp((cpu.sum - into.input_cpu_seconds) / rest, 0.0, 1.0);
      } else {
        use.worked_reason = cpu.mean() ? kTooShort : "the CPU time of the phase is not known";
      }
      return;
    }
    Told all, in_input;
    std::vector<std::string> input_waits;
    std::ranges::copy_if(waits, std::back_inserter(input_waits),
                         [](const std::string& path) { return wait_of(path).kind == Wait::input; });
    for (const DeviceBill* gpu : gpus_) {
      const std::string& id = gpu->record.device.id;
      all += told(extent, id, kGpuWork);
      in_input += told(input_waits, id, kGpuWork);
    }
    const bool is_resolved = all.is_resolved();
    if (in_input.is_resolved()) use.worked_in_input_wait = in_input.share();
    for (const DeviceBill* gpu : gpus_) all -= told(waits, gpu->record.device.id, kGpuWork);
    if (is_resolved) use.worked = use.without_waits() > 0 ? all.share() : std::optional{0.0};
    if (!use.worked)
      use.worked_reason = is_resolved || all.seconds == 0 ? "how much the GPUs worked is not told" : kTooShort;
  }

  // The mean over all GPUs that tell.
  void note_gpus(PhaseBottleneck& into) const {
    PhaseUse& use = into.use;
    if (gpus_.empty()) {
      use.gpus_reason = !unmeasured_.empty()
                            ? unmeasured_
                            : "the run has no GPU, and processors do not tell what their arithmetic does";
      return;
    }
    GpuUse sum;
    double count = 0;
    const auto add = [](std::optional<double>& to, const std::optional<double>& share) {
      if (share) to = to.value_or(0) + *share;
    };
    for (const GpuInPhase& gpu : into.gpus) {
      if (!gpu.reason.empty()) {
        if (use.gpus_reason.empty()) use.gpus_reason = gpu.reason;
        continue;
      }
      ++count;
      sum.worked += gpu.use.worked;
      add(sum.memory, gpu.use.memory);
      add(sum.tensor, gpu.use.tensor);
      add(sum.fp64, gpu.use.fp64);
      add(sum.fp32, gpu.use.fp32);
      add(sum.fp16, gpu.use.fp16);
    }
    if (count == 0) return;
    sum.worked /= count;
    for (auto* share : {&sum.memory, &sum.tensor, &sum.fp64, &sum.fp32, &sum.fp16}) {
      if (*share) **share /= count;
    }
    use.gpus = sum;
    use.gpus_reason.clear();
  }

  void note_memory(const Extent& extent, PhaseBottleneck& into) const {
    double bytes_per_second = 0;
    bool is_told = false;
    into.memory_reason = "no counter of memory traffic can be read on this machine";
    for (const DeviceBill* package : packages_) {
      for (const char* name : {"memory_read", "memory_written", "memory_traffic"}) {
        const auto& quantities = package->record.quantities;
        const auto quantity = std::ranges::find(quantities, name, &QuantityRecord::name);
        if (quantity == quantities.end()) continue;
        const Told bytes = told(extent, package->record.device.id, name);
        if (bytes.is_resolved() && bytes.mean()) {
          bytes_per_second += *bytes.mean();
          is_told = true;
        } else {
          into.memory_reason = quantity->reason ? *quantity->reason : kTooShort;
        }
      }
    }
    if (!is_told) return;
    into.memory_bandwidth = (bytes_per_second / 1e9 * gigabyte) / second;
    into.memory_reason.clear();
  }

  const Bill& bill_;
  std::map<std::tuple<std::string, std::string, std::string>, Told> told_;  // by path, device and name
  std::string unmeasured_;               // a GPU of which nothing is known; empty: there is none
  std::vector<const DeviceBill*> gpus_;  // that the run was charged for
  std::vector<Peak> peaks_;              // of these
  std::vector<const DeviceBill*> packages_;
};

}  // namespace

std::vector<PhaseBottleneck> phase_bottlenecks(const Bill& bill) {
  const Reader reader{bill};
  std::vector<PhaseBottleneck> all;
  for (const PhaseBill& phase : bill.phases)
    all.push_back(reader.of({.paths = {phase.path}, .duration = phase.duration}));
  return all;
}

PhaseBottleneck run_bottleneck(const Bill& bill) {
  const Reader reader{bill};
  return reader.of(reader.whole_run());
}

}  // namespace everywatt
