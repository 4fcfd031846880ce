#include "sources/cpuinfo.h"

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/text.h"

namespace everywatt {
namespace {

// One block is 1.5 to 2.5 KB on today's x86.
constexpr std::size_t kFirstBlock = 8192;

struct ArmPart {
  std::string_view implementer;
  std::string_view part;
  std::string_view vendor;
  std::string_view name;
};

// An aarch64 kernel prints numbers in place of a name. MIDR_EL1 implementers
// and parts: Linux arch/arm64/include/asm/cputype.h.
constexpr ArmPart kArmParts[] = {
    {"0x41", "0xd08", "ARM", "Cortex-A72"},   {"0x41", "0xd0c", "ARM", "Neoverse-N1"},
    {"0x41", "0xd40", "ARM", "Neoverse-V1"},  {"0x41", "0xd42", "ARM", "Cortex-A78AE"},
    {"0x41", "0xd49", "ARM", "Neoverse-N2"},  {"0x41", "0xd4f", "ARM", "Neoverse-V2"},
    {"0x41", "0xd84", "ARM", "Neoverse-V3"},  {"0x48", "0xd01", "HiSilicon", "TaiShan-v110"},
    {"0x4e", "0x004", "NVIDIA", "Carmel"},    {"0xc0", "0xac3", "Ampere", "Ampere-1"},
    {"0xc0", "0xac4", "Ampere", "Ampere-1A"},
};

void name_arm_part(std::string_view implementer, std::string_view part, Cpuinfo& info) {
  for (const ArmPart& known : kArmParts) {
    if (known.implementer != implementer || known.part != part) continue;
    info.vendor = known.vendor;
    info.model = known.name;
  }
}

bool has_word(std::string_view text, std::string_view word) {
  const auto all = words(text);
  return std::ranges::find(all, word) != all.end();
}

}  // namespace

Cpuinfo parse_cpuinfo(std::string_view text) {
  Cpuinfo info;
  std::string_view implementer;
  std::string_view part;
  bool in_block = false;
  for (const std::string_view line : split(text, '\n')) {
    if (trim(line).empty()) {
      if (in_block) break;
      continue;
    }
    in_block = true;
    const auto colon = line.find(':');
    if (colon == line.npos) continue;
    const std::string_view key = trim(line.substr(0, colon));
    const std::string_view value = trim(line.substr(colon + 1));
    if (key == "vendor_id") info.vendor = value;
    if (key == "model name") info.model = value;
    if (key == "flags") info.hypervisor = has_word(value, "hypervisor");
    if (key == "CPU implementer") implementer = value;
    if (key == "CPU part") part = value;
  }
  if (info.model.empty()) name_arm_part(implementer, part, info);
  return info;
}

Result<Cpuinfo> read_cpuinfo(const Roots& roots) {
  TRY(const PolledFile file, PolledFile::open(roots.proc / "cpuinfo"));
  std::array<char, kFirstBlock> buffer;
  TRY(const std::string_view text, file.read(buffer.data(), buffer.size()));
  return parse_cpuinfo(text);
}

}  // namespace everywatt
