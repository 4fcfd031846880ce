// The performance counters of memory controllers, one PMU for each channel or pair of them: Intel's uncore_imc, whose
// events, scales and units stand in /sys (arch/x86/events/intel/uncore_snbep.c, uncore_snb.c), and AMD's amd_umc, from
// Zen 4 on, of which only the format stands there (arch/x86/events/amd/uncore.c): its events are those of the kernel's
// tools/perf/pmu-events/arch/x86/amdzen4/memory-controller.json. One event counts for a whole package, on the CPU that
// the PMU's cpumask names.
#include <linux/perf_event.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>

#include "base/file.h"
#include "base/text.h"
#include "model/microjoules.h"
#include "sources/byte_counter.h"
#include "sources/topology.h"

namespace everywatt {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRemedy = " (needs CAP_PERFMON or a kernel.perf_event_paranoid of 0 or less)";
// A column access moves one cache line.
constexpr std::uint64_t kLine = 64;

// What one event says: by which terms it is chosen, and how many bytes one count is.
struct Event {
  std::string terms;  // "event=0x04,umask=0x03"
  std::string_view quantity;
  std::uint64_t bytes = kLine;
};

struct Config {
  std::uint64_t config = 0;
  std::uint64_t config1 = 0;
};

std::optional<std::uint64_t> parse_hexadecimal(std::string_view text) {
  const bool is_hexadecimal = text.starts_with("0x");
  if (is_hexadecimal) text.remove_prefix(2);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, is_hexadecimal ? 16 : 10);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "event=0x05,umask=0xcf", put where the files of `format` say: "config:0-7", "config1:0-3", "config:46".
std::optional<Config> parse_terms(const fs::path& pmu, std::string_view terms) {
  Config config;
  for (const std::string_view term : split(terms, ',')) {
    const auto equals = term.find('=');
    const std::string_view key = term.substr(0, equals);
    const auto value =
        equals == term.npos ? std::optional<std::uint64_t>{1} : parse_hexadecimal(term.substr(equals + 1));
    const std::string format = read_line(pmu / "format" / key).value_or("");
    const auto colon = format.find(':');
    if (!value || colon == format.npos) return std::nullopt;
    const std::string_view where = std::string_view{format}.substr(0, colon);
    const auto bits = parse_cpu_list(std::string_view{format}.substr(colon + 1));  // written as lists of CPUs are
    if (!bits || bits->empty() || (where != "config" && where != "config1")) return std::nullopt;
    std::uint64_t& word = where == "config" ? config.config : config.config1;
    for (std::size_t i = 0; i < bits->size(); ++i) {
      if ((*bits)[i] > 63) return std::nullopt;
      word |= ((*value >> std::min<std::size_t>(i, 63)) & 1) << (*bits)[i];
    }
  }
  return config;
}

// "6.103515625e-5" MiB is 64 bytes.
std::optional<std::uint64_t> bytes_of(const fs::path& event) {
  const auto scale = parse_double(read_line(event.string() + ".scale").value_or(""));
  const std::string unit = read_line(event.string() + ".unit").value_or("");
  if (!scale || unit != "MiB") return std::nullopt;
  const double bytes = *scale * 0x1p20;
  if (bytes < 1 || bytes > 0x1p20 || std::abs(bytes - std::round(bytes)) > 1e-6 * bytes) return std::nullopt;
  return static_cast<std::uint64_t>(std::llround(bytes));
}

// Servers count column accesses, since Granite Rapids for each half of a channel ("cas_count_read_sch0"); clients
// count requests. Where both are there they count the same.
enum class Naming { server, client };
std::string_view quantity_of(std::string_view event, Naming naming) {
  if (naming == Naming::server) {
    if (event.starts_with("cas_count_read")) return kMemoryRead;
    if (event.starts_with("cas_count_write")) return kMemoryWritten;
    return {};
  }
  if (event == "data_reads" || event == "data_read") return kMemoryRead;
  if (event == "data_writes" || event == "data_write") return kMemoryWritten;
  return {};
}

std::vector<Event> events_of(const fs::path& pmu, Naming naming) {
  std::vector<Event> events;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{pmu / "events", error}) {
    const std::string name = entry.path().filename();
    const std::string_view quantity = name.find('.') == name.npos ? quantity_of(name, naming) : "";
    if (quantity.empty()) continue;
    const auto bytes = bytes_of(entry.path());
    if (bytes) events.push_back({read_line(entry.path()).value_or(""), quantity, *bytes});
  }
  std::ranges::sort(events, {}, &Event::terms);
  return events;
}

// Of AMD: CAS commands for reads and for writes.
std::vector<Event> amd_events() {
  return {{.terms = "event=0x0a,rdwrmask=0x1", .quantity = kMemoryRead},
          {.terms = "event=0x0a,rdwrmask=0x2", .quantity = kMemoryWritten}};
}

// What perf hands over with the read_format below.
struct Count {
  std::uint64_t value = 0;
  std::uint64_t enabled = 0;  // ns
  std::uint64_t running = 0;  // of these; less where several share the PMU's few counters
};

class PerfCounter final : public ByteCounter {
 public:
  PerfCounter(Fd fd, std::uint64_t bytes, std::string name)
      : fd_{std::move(fd)}, bytes_{bytes}, name_{std::move(name)} {}

  Result<std::optional<std::uint64_t>> bytes() override {
    Count count;
    const ssize_t n = ::read(fd_.get(), &count, sizeof count);
    if (n < 0) return fail_errno(errno, "read " + name_);
    if (n != sizeof count) return fail(Errc::io, "read " + name_ + ": the counter ended");
    if (count.running == 0) return std::nullopt;
    const auto whole = static_cast<std::uint64_t>(static_cast<Wide>(count.value) * count.enabled / count.running);
    most_ = std::max(most_, whole);  // what is made up for the time in which others counted may fall
    return most_ * bytes_;
  }

 private:
  Fd fd_;
  std::uint64_t bytes_;
  std::string name_;
  std::uint64_t most_ = 0;
};

class Finder {
 public:
  explicit Finder(const Roots& roots) : roots_{roots}, topology_{read_topology(roots)} {}

  void find(const fs::path& pmu, const std::vector<Event>& events) {
    const auto type = read_u64(pmu / "type");
    const auto cpus = parse_cpu_list(read_line(pmu / "cpumask").value_or("x"));
    if (!type || !cpus) return;
    for (const Event& event : events) {
      const auto config = parse_terms(pmu, event.terms);
      if (!config) continue;
      for (const unsigned cpu : *cpus)
        open(pmu.filename().string(), static_cast<std::uint32_t>(*type), event, *config, cpu);
    }
  }

  // A part of the counters would be taken for the whole.
  Result<FoundCounters> found() && {
    if (refused_) return std::unexpected{*std::move(refused_)};
    if (found_.empty()) return fail(Errc::absent, "no memory controller counts what it moves");
    return std::move(found_);
  }

 private:
  void open(const std::string& pmu, std::uint32_t type, const Event& event, Config config, unsigned cpu) {
    if (refused_) return;
    perf_event_attr attr{};
    attr.size = sizeof attr;
    attr.type = type;
    attr.config = config.config;
    attr.config1 = config.config1;
    attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
    const std::string name = pmu + "/" + event.terms + "/ on CPU " + std::to_string(cpu);
    Fd fd{roots_.perf_event_open(&attr, -1, static_cast<int>(cpu), -1, PERF_FLAG_FD_CLOEXEC)};
    if (!fd) {
      refused_ = fail_errno(errno, "open " + name).error();
      if (refused_->code == Errc::denied) refused_->what += kRemedy;
      return;
    }
    const CpuPackage* package = topology_.of_cpu(cpu);
    found_.push_back({.device = topology_.device(package ? *package : topology_.packages.front()).id,
                      .quantity = event.quantity,
                      .counter = std::make_unique<PerfCounter>(std::move(fd), event.bytes, name)});
  }

  const Roots& roots_;
  Topology topology_;
  FoundCounters found_;
  std::optional<Error> refused_;
};

}  // namespace

Result<FoundCounters> find_uncore_counters(const Roots& roots) {
  if (!roots.perf_event_open) return fail(Errc::absent, "the kernel's performance counters are not this machine's");
  std::vector<fs::path> intel, amd;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{roots.sys / "bus/event_source/devices", error}) {
    const std::string name = entry.path().filename();
    if (name.starts_with("uncore_imc")) intel.push_back(entry.path());
    if (name.starts_with("amd_umc")) amd.push_back(entry.path());
  }
  std::ranges::sort(intel);
  std::ranges::sort(amd);
  if (intel.empty() && amd.empty()) return fail(Errc::absent, "the kernel has no PMU of a memory controller here");
  Finder finder{roots};
  const bool is_server =
      std::ranges::any_of(intel, [](const fs::path& pmu) { return !events_of(pmu, Naming::server).empty(); });
  for (const fs::path& pmu : intel) finder.find(pmu, events_of(pmu, is_server ? Naming::server : Naming::client));
  for (const fs::path& pmu : amd) finder.find(pmu, amd_events());
  return std::move(finder).found();
}

}  // namespace everywatt
