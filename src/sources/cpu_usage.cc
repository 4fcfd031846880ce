// How long the CPUs of each package worked, for anyone, from /proc/stat. The
// kernel counts in ticks of 10 ms there. A CPU that goes offline loses its
// line and keeps what it has worked.
#include <unistd.h>

#include "base/file.h"
#include "sources/proc_stat.h"
#include "sources/source.h"
#include "sources/topology.h"

namespace everywatt {
namespace {

constexpr std::size_t kBytesPerCpuLine = 128;

class CpuUsage final : public Source {
 public:
  CpuUsage(PolledFile stat, const Topology& topology) : stat_{std::move(stat)} {
    const auto ticks_per_second = ::sysconf(_SC_CLK_TCK);
    tick_ = kSecond / (ticks_per_second > 0 ? ticks_per_second : 100);
    for (const CpuPackage& package : topology.packages) {
      const auto channel = static_cast<std::uint32_t>(inventory_.channels.size());
      inventory_.devices.push_back(topology.device(package));
      inventory_.channels.push_back({.device = inventory_.devices.back().id,
                                     .kind = ChannelKind::busy_time,
                                     .sensor = "proc-stat",
                                     .detail = stat_.path().string(),
                                     .period = tick_});
      for (const unsigned cpu : package.cpus) {
        if (cpu >= cpus_.size()) cpus_.resize(cpu + 1);
        cpus_[cpu].channel = channel;
      }
    }
    worked_.resize(inventory_.channels.size());
    buffer_.resize((cpus_.size() + 8) * kBytesPerCpuLine);
  }

  const Inventory& inventory() const override { return inventory_; }

  Result<void> sample(std::vector<Reading>& out) override {
    CHECK(read_lines());
    for (const CpuTicks& line : lines_) {
      if (line.cpu >= cpus_.size() || cpus_[line.cpu].channel == kNoChannel) continue;
      Cpu& cpu = cpus_[line.cpu];
      // A CPU that comes back online may begin again: what it had worked stays worked.
      if (line.worked > cpu.ticks) worked_[cpu.channel] += line.worked - cpu.ticks;
      cpu.ticks = line.worked;
    }
    for (std::uint32_t i = 0; i < worked_.size(); ++i) {
      out.push_back({.channel = i, .raw = worked_[i] * static_cast<std::uint64_t>(tick_)});
    }
    return {};
  }

 private:
  static constexpr std::uint32_t kNoChannel = UINT32_MAX;
  static constexpr std::size_t kLargestStat = 16u << 20;

  struct Cpu {
    std::uint32_t channel = kNoChannel;
    std::uint64_t ticks = 0;
  };

  Result<void> read_lines() {
    for (;;) {
      TRY(std::string_view text, stat_.read(buffer_.data(), buffer_.size()));
      if (text.size() + 1 < buffer_.size()) {  // the whole file, without the newline at its end
        buffer_[text.size()] = '\n';
        text = {buffer_.data(), text.size() + 1};
      }
      switch (scan_cpu_lines(text, lines_)) {
        case CpuLines::complete:
          return {};
        case CpuLines::malformed:
          return fail(Errc::malformed, stat_.path().string() + ": not the lines of CPUs");
        case CpuLines::cut_off:
          break;
      }
      if (buffer_.size() >= kLargestStat) return fail(Errc::malformed, stat_.path().string() + ": too long");
      buffer_.resize(2 * buffer_.size());
    }
  }

  PolledFile stat_;
  Inventory inventory_;
  Nanoseconds tick_ = 0;
  std::vector<Cpu> cpus_;              // by number
  std::vector<std::uint64_t> worked_;  // ticks, by channel
  std::vector<CpuTicks> lines_;        // reused
  std::vector<char> buffer_;           // reused
};

}  // namespace

Result<std::unique_ptr<Source>> open_cpu_usage(const Roots& roots) {
  TRY(PolledFile stat, PolledFile::open(roots.proc / "stat"));
  auto source = std::make_unique<CpuUsage>(std::move(stat), read_topology(roots));
  std::vector<Reading> probe;
  CHECK(source->sample(probe));
  return source;
}

}  // namespace everywatt
