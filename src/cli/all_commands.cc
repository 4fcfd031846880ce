#include <array>

#include "cli/command.h"

namespace everywatt {
namespace {

constexpr std::array kCommands = {
    Command{"run", "measure a command and print its bill", run_command},
    Command{"attach", "measure a running process until it ends", attach_command},
    Command{"ls", "list the runs", ls_command},
    Command{"show", "show the bill of a run", show_command},
    Command{"rm", "remove runs", rm_command},
    Command{"baseline", "the gold standard of a model, and a run against it", baseline_command},
    Command{"import", "take in another meter's record", import_command},
    Command{"export", "write runs as CSV or JSON", export_command},
    Command{"merge", "take over the runs of another ledger", merge_command},
    Command{"flops", "the operations of a model, and how much of a peak they were", flops_command},
    Command{"doctor", "what measures what on this machine, and what would be better", doctor_command},
    Command{"calibrate", "learn floors, update periods, and the gain of a sensor", calibrate_command},
    Command{"config", "the settings that hold, and where each stands", config_command},
};

}  // namespace

std::span<const Command> all_commands() { return kCommands; }

}  // namespace everywatt
