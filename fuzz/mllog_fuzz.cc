// The files of an MLPerf power record. An input holds several files, parted by
// a line "=== NAME"; what precedes the first is the result. Whatever the text,
// curves end where the run ends and no energy is negative.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "import/mllog.h"

namespace {

using namespace everywatt;

constexpr std::string_view kMark = "\n=== ";

void put(MllogFiles& files, std::string name, std::string text) {
  if (name.starts_with("sw_"))
    files.switches.push_back({std::move(name), std::move(text)});
  else if (name == "total_power.txt")
    files.total = {std::move(name), std::move(text)};
  else
    files.nodes.push_back({std::move(name), std::move(text)});
}

MllogFiles files_of(std::string_view input) {
  MllogFiles files{.folder = "record", .result = {}};
  auto mark = input.find(kMark);
  files.result = {"result.txt", std::string{input.substr(0, mark)}};
  while (mark != input.npos) {
    input.remove_prefix(mark + kMark.size());
    mark = input.find(kMark);
    const std::string_view part = input.substr(0, mark);
    const auto end = part.find('\n');
    put(files, std::string{part.substr(0, end)}, std::string{end == part.npos ? "" : part.substr(end + 1)});
  }
  return files;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto imported = parse_mllog_files(files_of({reinterpret_cast<const char*>(data), size}));
  if (!imported) return 0;
  for (const ImportedDevice& device : imported->devices) {
    if (device.curve.empty() != device.reason.has_value()) std::abort();
    if (device.curve.empty()) continue;
    const auto& points = device.curve.points();
    if (points.front().time != imported->run.started.steady || points.back().time != imported->run.ended->steady)
      std::abort();
    if (points.back().total < 0 || device.uncertainty_random < 0) std::abort();
  }
  for (const PhaseSpan& phase : imported->phases)
    if (phase.begin > phase.end || phase.end > imported->run.ended->steady) std::abort();
  return 0;
}
