// An `everywatt attach` that runs beside this process, detached, and how those who share it meet: at two byte locks of
// the kernel's on one file, which go with the process, however it ends. Byte 0 is held while the state is looked at or
// changed, byte 1 is shared by all who are inside; the state beside it names the meter. Python's ranks meet in the same
// place (python/everywatt/_meeting.py).
#pragma once
#include <sys/types.h>

#include "marks/delivery.h"

namespace everywatt::marks {

struct MeterBeside {
  pid_t pid = 0;
  char run[32] = {};  // the id of its run
  char socket[kMostPathBytes] = {};
};

// The meter of this process, or of the ranks of this node's job: the one that runs, or one that is started now. Waits
// until it measures (tens of milliseconds). False: none could be started. `name`: of the run; null: as attach names it.
bool meet_at_meter(const char* name, MeterBeside& meter);

// This process is about to end: the last rank that leaves asks the meter to take its last reading. A process that is
// alone has nothing to say: its meter sees its end.
void leave_meter();

// Whether somebody listens at the path.
bool is_heard_at(const char* path);

}  // namespace everywatt::marks
