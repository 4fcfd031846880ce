/* What a job says of itself while everywatt measures it: phases, steps, waits,
 * metrics, tags and counts, each stamped where it happens (CLOCK_MONOTONIC)
 * with the thread that says it. Link libeverywatt (pkg-config everywatt), or
 * load it; nothing has to be opened: the first mark does what is needed.
 *
 * Promises. A mark is a few writes to memory, tens of nanoseconds, without a
 * system call (where the kernel offers its clock without one). No function but
 * everywatt_start blocks on the supervisor; none ends the process, throws, or
 * changes errno. Without a supervisor (EVERYWATT_SOCKET unset and nothing
 * started) or with EVERYWATT_DISABLED=1 all are no-ops. Every function may be
 * called from any thread at any time; after fork() the child has a ring of its
 * own from its first mark on, and names stay valid in it. The first mark of a
 * process, and each name when it is first seen, take a lock for some
 * microseconds; other marks take none.
 *
 * Marks that find the ring full (262,144 slots between two looks of the
 * supervisor, ten a second) are dropped and counted, and so are marks that
 * cannot be meant; see everywatt_dropped. What was marked before a SIGKILL is
 * read after it.
 *
 * This header is C99 and C++98. docs/formats/marks.md describes every byte. */
#ifndef EVERYWATT_H
#define EVERYWATT_H

#include <stdint.h>

#if defined(__GNUC__)
#define EVERYWATT_API __attribute__((visibility("default")))
#else
#define EVERYWATT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A name that was seen before: cheaper to pass than its text. 0 is none: a mark with it is dropped. */
typedef uint32_t everywatt_name;

/* One phase or wait between its begin and its end. 0 was not recorded; ending it is allowed. */
typedef uint64_t everywatt_span;

/* What everywatt_open answers. */
typedef enum everywatt_state {
  EVERYWATT_IS_OPEN = 0,       /* marks are kept, and handed over as soon as a supervisor listens */
  EVERYWATT_IS_DISABLED = 1,   /* EVERYWATT_DISABLED=1 */
  EVERYWATT_NO_SUPERVISOR = 2, /* no path was given and EVERYWATT_SOCKET is not set */
  EVERYWATT_PATH_TOO_LONG = 3, /* the socket's path has more than 107 bytes, the most that Linux allows */
  EVERYWATT_NO_MEMORY = 4,     /* the kernel gave no memory or no file for the ring (8.3 MiB) */
  EVERYWATT_IS_CLOSED = 5,     /* everywatt_close was called, or nothing was marked yet */
  EVERYWATT_NO_METER = 6       /* everywatt_start: no everywatt could be started */
} everywatt_state;

/* What everywatt_count counts. */
typedef enum everywatt_unit {
  EVERYWATT_TOKENS = 0,  /* tokens that went through the model, padding left out */
  EVERYWATT_SAMPLES = 1, /* training examples, images, requests */
  EVERYWATT_BYTES = 2    /* bytes of data read, sent or written: the caller's own account */
} everywatt_unit;

/* The arithmetic in which floating-point operations were done. */
typedef enum everywatt_precision {
  EVERYWATT_FP64 = 0,
  EVERYWATT_FP32 = 1,
  EVERYWATT_TF32 = 2,
  EVERYWATT_FP16 = 3,
  EVERYWATT_BF16 = 4,
  EVERYWATT_FP8 = 5,
  EVERYWATT_INT8 = 6,
  EVERYWATT_FP4 = 7
} everywatt_precision;

/* Opens the ring now instead of at the first mark, so that the first mark is
 * as fast as the others. `socket_path` is where the supervisor listens; NULL:
 * what EVERYWATT_SOCKET says. Where it is open but was not handed over yet, one
 * more attempt is made. Cost: about 0.1 ms, once. */
EVERYWATT_API everywatt_state everywatt_open(const char* socket_path);

/* Measures this process from here on where nobody does: starts `everywatt
 * attach` beside it (the program that EVERYWATT_BIN names, else the one on
 * PATH), detached, so that it is not on the bill and outlives the process, and
 * opens the marks to it. The bill is in the ledger when the process has ended.
 * Ranks of one job on one node (torchrun, srun, mpirun) that call this share one
 * meter around their common launcher, from the first that calls until the last
 * ends, however many ask at once. Inside `everywatt run`, or after another
 * start, it is everywatt_open(NULL). `name` is the run's; NULL: the program's.
 *
 * The one function that waits: until the meter measures, some tens of
 * milliseconds. Call it at the begin of main, before there are threads: it
 * starts a process, and sets EVERYWATT_SOCKET and EVERYWATT_RUN_ID for this one's
 * children. Returns EVERYWATT_IS_OPEN, or why nothing is measured. */
EVERYWATT_API everywatt_state everywatt_start(const char* name);

/* No marks of this process follow (until it calls everywatt_open); what was
 * marked is still read. No other thread may be marking meanwhile. Not needed
 * at the end of a process. The ring's memory goes with the process. */
EVERYWATT_API void everywatt_close(void);

/* How things stand; opens nothing. */
EVERYWATT_API everywatt_state everywatt_current_state(void);

/* The same as a line for a person. Never NULL; the text lives for ever. */
EVERYWATT_API const char* everywatt_state_text(everywatt_state state);

/* Marks of this process that were not recorded since its ring was opened. */
EVERYWATT_API uint64_t everywatt_dropped(void);

/* The name for a text (UTF-8, of which the first 255 bytes count); the same
 * text has the same name in all threads for the life of the process. 0 for NULL
 * and "", or where 8,192 names or 256 KiB of text are taken. Cost: tens of
 * nanoseconds for a text seen before. */
EVERYWATT_API everywatt_name everywatt_intern(const char* text);

/* A stretch of work begins on this thread, within those that are open on it:
 * an epoch, an evaluation. Returns what ends it. */
EVERYWATT_API everywatt_span everywatt_phase_begin(everywatt_name name);
/* The same by text, for everywatt_intern's cost more. */
EVERYWATT_API everywatt_span everywatt_phase_begin_text(const char* name);
/* Ends that phase, and with it those begun within it that are still open. */
EVERYWATT_API void everywatt_phase_end(everywatt_span phase);

/* This thread waits for others from here to the end (a barrier, an all-reduce,
 * data that is not there yet). What is drawn meanwhile is drawn for nothing. A
 * name with a word such as data, batch, load or read is a wait for input. */
EVERYWATT_API everywatt_span everywatt_wait_begin(everywatt_name what);
EVERYWATT_API everywatt_span everywatt_wait_begin_text(const char* what);
EVERYWATT_API void everywatt_wait_end(everywatt_span wait);

/* A training step ended here. `number` is its number; below 0: one more than
 * the one before. */
EVERYWATT_API void everywatt_step(int64_t number);

/* A figure of the job's own: a loss, an accuracy. In its own unit, which the
 * name should say; NaN and infinities are kept as they are. `step` is the step
 * it belongs to; below 0: none. */
EVERYWATT_API void everywatt_metric(everywatt_name name, double value, int64_t step);
EVERYWATT_API void everywatt_metric_text(const char* name, double value, int64_t step);

/* A fact about the run, text = text; the last one said of a key holds. Of the
 * value (UTF-8) the first 1,024 bytes count. The key "input_workers" is no
 * fact: its value, numbers of processes with blanks between them, says which
 * descendants of this process prepare its input; while they live their CPU time
 * counts as input work of the phases that this process is in. */
EVERYWATT_API void everywatt_tag(const char* key, const char* value);

/* So many more were done since the last call: amounts add up. */
EVERYWATT_API void everywatt_count(everywatt_unit unit, uint64_t amount);

/* So many more floating-point operations (a multiply-add is two) of the task
 * were done in that precision: model FLOPs, from which MFU follows. An amount
 * below 0 or not finite is dropped. */
EVERYWATT_API void everywatt_flops(everywatt_precision precision, double amount);
/* So many were done a second time to save memory (activation checkpointing,
 * recomputed attention). Hardware FLOPs, from which HFU follows, are both
 * together; 0 says that nothing was recomputed. A job that never says so has
 * no hardware FLOPs on its bill: they are not known. */
EVERYWATT_API void everywatt_recomputed_flops(everywatt_precision precision, double amount);

#ifdef __cplusplus
}
#endif

#endif
