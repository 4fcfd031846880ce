// The texts of /proc/stat and /proc/cpuinfo. Whatever they say: CPUs have
// numbers that a machine can have, cutting a text off is noticed or changes
// nothing of the lines before, and a processor's name is one line.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "sources/cpuinfo.h"
#include "sources/proc_stat.h"
#include "sources/processor_table.h"

namespace {

using namespace everywatt;

void require(bool holds) {
  if (!holds) std::abort();
}

void scan(std::string_view text) {
  std::vector<CpuTicks> lines;
  const CpuLines outcome = scan_cpu_lines(text, lines);
  for (const CpuTicks& line : lines) require(line.cpu <= UINT16_MAX);
  if (outcome != CpuLines::complete) return;
  require(!lines.empty());

  std::vector<CpuTicks> of_half;
  scan_cpu_lines(text.substr(0, text.size() / 2), of_half);
  require(of_half.size() <= lines.size());
  for (std::size_t i = 0; i < of_half.size(); ++i) {
    require(of_half[i].cpu == lines[i].cpu && of_half[i].worked == lines[i].worked);
  }
}

void identify(std::string_view text) {
  const Cpuinfo info = parse_cpuinfo(text);
  require(info.model.find('\n') == info.model.npos);
  const std::string name = product_name(info.model);
  require(name.size() <= info.model.size());
  const auto rated = find_processor(info.model);
  require(!rated || !name.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  scan(text);
  identify(text);
  return 0;
}
