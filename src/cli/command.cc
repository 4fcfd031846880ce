#include "cli/command.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "report/format.h"

namespace everywatt {
namespace {

void usage(std::span<const Command> commands, std::ostream& to) {
  to << "everywatt: what machine-learning work costs in energy, measured where it runs\n\n"
        "usage: everywatt COMMAND [OPTION…]\n\n";
  for (const Command& command : commands) to << "  " << pad_right(command.name, 11) << command.help << '\n';
  to << "\nBegin with:  everywatt run -- python train.py\n"
        "Each command explains itself:  everywatt COMMAND --help\n";
}

// Letters to change, add or remove to get from one word to the other.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  for (std::size_t i = 0; i <= to.size(); ++i) row[i] = i;
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t k = 0; k < to.size(); ++k) {
      const std::size_t change = diagonal + (from[i] == to[k] ? 0 : 1);
      diagonal = std::exchange(row[k + 1], std::min({change, row[k] + 1, row[k + 1] + 1}));
    }
  }
  return row.back();
}

int unknown(std::span<const Command> commands, std::string_view name, std::ostream& err) {
  const auto nearest = std::ranges::min_element(commands, {}, [&](const Command& c) { return distance(name, c.name); });
  err << "everywatt: no command '" << name << "'";
  if (nearest != commands.end() && distance(name, nearest->name) <= 2)
    err << "; did you mean '" << nearest->name << "'?";
  err << " (everywatt --help lists them)\n";
  return 2;
}

}  // namespace

int dispatch(std::span<const Command> commands, Context& context, Args args) {
  if (args.empty()) return usage(commands, context.err), 2;
  const std::string& name = args.front();
  if (name == "--help" || name == "-h" || name == "help") return usage(commands, context.out), 0;
  if (name == "--version") return context.out << "everywatt " EVERYWATT_VERSION "\n", 0;
  const auto found = std::ranges::find(commands, name, &Command::name);
  if (found == commands.end()) return unknown(commands, name, context.err);
  const auto status = found->run(context, args.subspan(1));
  if (status) return *status;
  context.err << "everywatt " << found->name << ": " << status.error().what << '\n';
  return status.error().code == Errc::misuse ? 2 : 1;
}

}  // namespace everywatt
