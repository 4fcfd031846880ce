#include "job/rank.h"

#include <string>

#include "base/file.h"
#include "base/text.h"

namespace everywatt {

std::optional<int> rank_in(std::string_view environment) {
  for (const std::string_view variable :
       {"RANK=", "SLURM_PROCID=", "OMPI_COMM_WORLD_RANK=", "PMIX_RANK=", "PMI_RANK=", "FLUX_TASK_RANK="}) {
    for (const std::string_view entry : split(environment, '\0')) {
      const auto rank = entry.starts_with(variable) ? parse_u64(trim(entry.substr(variable.size()))) : std::nullopt;
      if (rank && *rank < 1'000'000) return static_cast<int>(*rank);
    }
  }
  return std::nullopt;
}

std::optional<int> rank_of(std::int64_t pid) {
  const auto environment = read_text("/proc/" + std::to_string(pid) + "/environ");
  return environment ? rank_in(*environment) : std::nullopt;
}

}  // namespace everywatt
