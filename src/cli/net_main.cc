#include <unistd.h>

#include <array>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "cli/net_commands.h"

namespace everywatt {
namespace {

constexpr std::array kCommands = {
    Command{"export", "deliver runs to MLflow", mlflow_export_command},
    Command{"follow", "deliver a run to MLflow while it lasts", mlflow_follow_command},
};

}  // namespace

std::span<const Command> net_commands() { return kCommands; }

}  // namespace everywatt

int main(int argc, char** argv) {
  using namespace everywatt;
  try {
    const std::vector<std::string> args(argv + 1, argv + argc);
    RealClock clock;
    Context context{.out = std::cout,
                    .err = std::cerr,
                    .clock = clock,
                    .roots = Roots::from_environment(),
                    .out_style = Style::for_stream(STDOUT_FILENO),
                    .err_style = Style::for_stream(STDERR_FILENO)};
    return dispatch(net_commands(), context, args);
  } catch (const std::exception& error) {
    std::cerr << "everywatt: this is our own bug, please report it: " << error.what() << '\n';
    return 70;
  }
}
