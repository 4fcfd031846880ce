// Which of the processes of a distributed job a process is, by its launcher.
#pragma once
#include <cstdint>
#include <optional>
#include <string_view>

namespace everywatt {

// The rank that the environment of a process gives it (torchrun, Slurm, Open MPI, PMI); none: none does.
std::optional<int> rank_in(std::string_view environment);
std::optional<int> rank_of(std::int64_t pid);

}  // namespace everywatt
