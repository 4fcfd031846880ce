// A control group (version 2) of the run's own, below the one that we are in:
// the kernel then counts the CPU time of every process of the run, of those
// that ended and those of nested runs too. It is removed once it is empty;
// where processes outlive the run it stays, and a later run removes it.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "job/process.h"

namespace everywatt {

class RunCgroup {
 public:
  // Groups whose names begin so are removed by later runs when their supervisor is gone.
  static constexpr std::string_view kPrefix = "everywatt-";

  // The name is made unique by our process id and its start.
  static Result<RunCgroup> make(const std::string& name);
  RunCgroup(RunCgroup&&) noexcept = default;
  RunCgroup& operator=(RunCgroup&&) = delete;
  ~RunCgroup();

  int directory() const { return directory_.get(); }  // for clone3
  const std::filesystem::path& path() const { return path_; }

  Result<Nanoseconds> cpu_time() const;
  // None where the controller is not at work here, as is usual below a group that holds processes.
  std::optional<std::uint64_t> peak_memory() const;
  std::optional<DiskBytes> disk_bytes() const;
  // Living processes, those in groups below included.
  std::vector<pid_t> processes() const;
  // The numbers by which sockets name the groups that they were made in: this and those below.
  std::vector<std::uint64_t> ids() const;

 private:
  RunCgroup(std::filesystem::path path, Fd directory, PolledFile cpu_stat)
      : path_{std::move(path)}, directory_{std::move(directory)}, cpu_stat_{std::move(cpu_stat)} {}
  std::filesystem::path path_;
  Fd directory_;
  PolledFile cpu_stat_;
};

// "usage_usec 1234" of cpu.stat.
std::optional<Nanoseconds> parse_cpu_stat(std::string_view text);
// "8:0 rbytes=1 wbytes=2 …" of io.stat, summed over devices.
DiskBytes parse_io_stat(std::string_view text);

}  // namespace everywatt
