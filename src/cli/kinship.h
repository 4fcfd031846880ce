// Whose part a new run is. What a run measures are a process and all that
// descend from it; a run whose process descends from that of another is nested in
// it: its joules are part of that run's, and sums count the outermost alone.
// Ancestry decides, since a variable can be lost (sudo, env -i) or outlive its
// run (a terminal multiplexer); the variable decides only where ancestors
// cannot be seen (another pid namespace, a /proc that hides others' processes).
#pragma once
#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "meter/tenancy.h"

namespace everywatt {

// This process or another as the root of what a run measures.
Tenant::Root measured_from(pid_t pid);

// The innermost living run that measures the process at `root` already.
// `claimed`: what EVERYWATT_RUN_ID says; empty: nothing.
std::optional<std::string> run_around(const Tenant::Root& root, std::string_view claimed,
                                      std::span<const Tenant> tenants);

// A living run that measures a descendant of that process.
std::optional<std::string> run_within(const Tenant::Root& root, std::span<const Tenant> tenants);

}  // namespace everywatt
