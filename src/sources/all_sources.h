// The list of sensor families. A new one is one file and one line in all_sources.cc.
#pragma once
#include <span>

#include "sources/source.h"

namespace everywatt {

std::span<const SourceKind> all_sources();

}  // namespace everywatt
