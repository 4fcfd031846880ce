// Whose the idle energy of a GPU is: theirs who reserved it first.
#pragma once
#include "meter/tenancy.h"
#include "model/device.h"

namespace everywatt {

// The run's part in the idle energy of a GPU: those who reserved it come first;
// without any, whoever holds a context, evenly; nobody's else. Who reserves a slice reserves as much as that is of the
// whole. `held`: by contexts. A nested run gets what its parent has, divided by what each of the parent's nested runs
// reserves; where it says nothing it has its parent's reservation, and what it reserves is its parent's, too.
IdleShare gpu_idle_share(const Device& gpu, const IdleShare& held, std::span<const Tenant> tenants,
                         std::string_view run, Nanoseconds from, Nanoseconds to);

}  // namespace everywatt
