// config.json of a model. Whatever the text, a shape that is taken has a whole,
// finite number of parameters of which no more are active than there are.
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "account/flops.h"
#include "import/model_config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace everywatt;
  const auto shape = parse_model_config({reinterpret_cast<const char*>(data), size});
  if (!shape) return 0;
  const Architecture architecture = architecture_of(*shape);
  const ParameterCounts counts = count_parameters(architecture);
  if (!std::isfinite(counts.total) || counts.total < 1 || counts.active < 0) std::abort();
  if (counts.active > counts.total || counts.active_matmul > counts.matmul) std::abort();
  const auto work = work_per_token(architecture, {.context = architecture.sequence.value_or(1024)});
  if (!work || !(work->forward >= work->attention_forward) || work->attention_forward < Flop{}) std::abort();
  return 0;
}
