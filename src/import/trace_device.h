// A trace put into the words of a device: figure, uncertainty, gaps, flags.
#pragma once
#include <string>
#include <vector>

#include "import/imported.h"
#include "import/power_trace.h"

namespace everywatt {

// `relative`: standard systematic uncertainty of the meter. What a reader must
// know goes to `notices`, but for unseen edges: those of all devices are told
// together by edge_notice().
void fill(ImportedDevice& device, Trace trace, Method method, double relative, std::vector<std::string>& notices);

// "64 of 64 devices are not seen up to the edges of the run: …"; empty: all are.
std::string edge_notice(const std::vector<ImportedDevice>& devices, TimeSpan run);

}  // namespace everywatt
