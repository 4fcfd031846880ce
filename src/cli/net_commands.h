// The commands of everywatt-net.
#pragma once
#include <span>

#include "cli/command.h"

namespace everywatt {

std::span<const Command> net_commands();

// export mlflow [RUN...]: what has not been delivered yet; `everywatt export mlflow` becomes this.
Result<int> mlflow_export_command(Context&, Args);
// follow mlflow RUN PID: delivers a run while process PID measures it, and ends by itself.
Result<int> mlflow_follow_command(Context&, Args);

}  // namespace everywatt
