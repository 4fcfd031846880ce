#include "model/work_name.h"

namespace everywatt {

std::string work_name(const CountMark& count) {
  constexpr std::string_view kNames[] = {"tokens", "samples", "bytes"};
  return std::string{kNames[static_cast<std::size_t>(count.unit)]};
}

std::string work_name(const FlopsMark& flops) {
  constexpr std::string_view kNames[] = {"fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4"};
  const std::string_view what = flops.kind == FlopsKind::recomputed ? kRecomputedFlops : kFlops;
  return std::string{what} + std::string{kNames[static_cast<std::size_t>(flops.precision)]};
}

}  // namespace everywatt
