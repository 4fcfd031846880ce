// Commands are a table of functions: the help, the dispatch and the tests all read it.
#pragma once
#include <ostream>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/roots.h"
#include "report/style.h"

namespace everywatt {

// All that a command may touch of the outside.
struct Context {
  std::ostream& out;
  std::ostream& err;
  Clock& clock;
  Roots roots;
  Style out_style;  // of what goes to `out`
  Style err_style;
};

using Args = std::span<const std::string>;

struct Command {
  std::string_view name;
  std::string_view help;
  Result<int> (*run)(Context&, Args);  // the exit status: 0, 3, or the job's own
};

// 0 ok; 1 the work failed; 2 misuse; 3 inconclusive; 70 our own bug.
int dispatch(std::span<const Command> commands, Context& context, Args args);

// everywatt's commands, in the order of the help.
std::span<const Command> all_commands();

Result<int> run_command(Context&, Args);
Result<int> attach_command(Context&, Args);
Result<int> ls_command(Context&, Args);
Result<int> show_command(Context&, Args);
Result<int> rm_command(Context&, Args);
Result<int> baseline_command(Context&, Args);
Result<int> flops_command(Context&, Args);
Result<int> doctor_command(Context&, Args);
Result<int> calibrate_command(Context&, Args);
Result<int> config_command(Context&, Args);
Result<int> export_command(Context&, Args);
Result<int> import_command(Context&, Args);
Result<int> merge_command(Context&, Args);

}  // namespace everywatt
