#include "report/compute_text.h"

#include <algorithm>
#include <map>
#include <set>

#include "model/work_name.h"
#include "report/format.h"

namespace everywatt {
namespace {

// "15.4 TFLOP in bf16 and 1.2 GFLOP in fp32"
std::string amounts(const std::map<std::string, double>& work) {
  std::string text;
  for (const auto& [what, amount] : work) {
    if (!what.starts_with(kFlops) || amount <= 0) continue;
    text += (text.empty() ? "" : " and ") + show_flops(amount) + " in " + what.substr(kFlops.size());
  }
  return text;
}

// "8 × H100 SXM5"
std::string accelerators(const std::vector<DevicePeak>& peaks) {
  std::map<std::string_view, std::set<std::string_view>> devices;
  for (const DevicePeak& peak : peaks) devices[peak.accelerator].insert(peak.device);
  std::string text;
  for (const auto& [accelerator, ids] : devices) {
    const std::string times = ids.size() > 1 ? std::to_string(ids.size()) + " × " : "";
    text += (text.empty() ? "" : " and ") + times + std::string{accelerator};
  }
  return text;
}

}  // namespace

std::string compute_text(const Bill& bill) {
  const ComputeFigures& figures = bill.compute;
  std::string text = amounts(bill.run.work);
  if (text.empty()) return "";
  if (figures.work_per_energy) text += ", " + show_flops(*figures.work_per_energy * joule / flop) + "/J";
  if (!figures.mfu) return text + "; no MFU: " + *figures.mfu_reason;
  text += "; MFU " + show_percent(*figures.mfu) + " of what " + accelerators(bill.peaks) + " can do at most";
  if (figures.hfu && *figures.hfu != *figures.mfu) text += ", HFU " + show_percent(*figures.hfu);
  return text;
}

}  // namespace everywatt
