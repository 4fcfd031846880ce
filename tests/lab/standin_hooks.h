// What the stand-in libnvidia-ml.so.1 exports besides NVML's functions, for tests
// that open it with dlopen and hold its time in their hands. Time is virtual from
// the first everywatt_lab_set_time on: nothing sleeps any more, and a call that
// would hang, nvmlInit included, answers Return::timeout at once.
//
// The scenario's time 0 is the first time set after a load, or the time already
// set when it is loaded. Without virtual time it is EVERYWATT_LAB_START, else the
// first nvmlInit. All of these may be called from any thread.
#pragma once

extern "C" {

// A scenario by its path, or its text where there is a line break in it. All state
// begins anew: nvmlInit must be called again, and old handles are not to be used.
// A scenario that is refused is said on stderr; nvmlInit then answers `unknown`.
void everywatt_lab_load(const char* toml_text_or_path);

// CLOCK_MONOTONIC and wall clock, ns.
void everywatt_lab_set_time(long long steady_ns, long long wall_ns);

// The processes that the scenario calls "job" and "job-child"; 0: there is none.
// Else EVERYWATT_LAB_JOB names the job, and the kernel its first child.
void everywatt_lab_set_job(int job, int job_child);

// True energy of a GPU between two times of CLOCK_MONOTONIC; NaN: no such GPU.
double everywatt_lab_true_joules(int gpu, long long from_ns, long long to_ns);

// What of it is idle draw, as docs/formats/lab.md divides it.
double everywatt_lab_true_idle_joules(int gpu, long long from_ns, long long to_ns);
}
