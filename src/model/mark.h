// What a job said of itself: plain values, each with the moment and the lane (a
// thread of a process) where it was said. Nothing here has been judged: phases
// may overlap, ends may lack their begin.
#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/clock.h"
#include "base/units.h"

namespace everywatt {

// A process for as long as the machine is up: pids are used again.
struct ProcessKey {
  std::int32_t pid = 0;
  std::uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat; 0: not known
  auto operator<=>(const ProcessKey&) const = default;
};

struct Lane {
  ProcessKey process;
  std::int32_t thread = 0;  // the main thread has the number of its process
  auto operator<=>(const Lane&) const = default;
};

// The process speaks for the first time. One that opens its marks again, or
// becomes another program (exec), begins once more.
struct ProcessBegin {
  std::string name;                       // as the kernel has it: at most 15 bytes
  std::optional<ProcessKey> forked_from;  // the process with marks that it was a part of before, by its own pid
  bool operator==(const ProcessBegin&) const = default;
};

// Nothing more comes from it.
struct ProcessEnd {
  std::uint64_t dropped = 0;                // marks that found no room
  std::uint64_t torn = 0;                   // places in its ring that were taken and never filled
  std::optional<std::string> trouble = {};  // why its marks were not read to the end
  bool operator==(const ProcessEnd&) const = default;
};

// A span's number is unique in its process, its forks included.
struct PhaseBegin {
  std::uint64_t span = 0;
  std::string name;
  bool operator==(const PhaseBegin&) const = default;
};
struct PhaseEnd {
  std::uint64_t span = 0;
  bool operator==(const PhaseEnd&) const = default;
};
struct WaitBegin {
  std::uint64_t span = 0;
  std::string name;
  bool operator==(const WaitBegin&) const = default;
};
struct WaitEnd {
  std::uint64_t span = 0;
  bool operator==(const WaitEnd&) const = default;
};

// A step ended.
struct StepMark {
  std::optional<std::uint64_t> number;  // none: one more than the one before
  bool operator==(const StepMark&) const = default;
};

struct MetricMark {
  std::string name;
  double value = 0;  // in the job's own unit; may be no finite number
  std::optional<std::uint64_t> step;
  bool operator==(const MetricMark&) const = default;
};

struct TagMark {
  std::string key;
  std::string value;
  bool operator==(const TagMark&) const = default;
};

enum class CountUnit : std::uint8_t { tokens, samples, bytes };

// So many more.
struct CountMark {
  CountUnit unit = CountUnit::tokens;
  std::uint64_t amount = 0;
  bool operator==(const CountMark&) const = default;
};

enum class Precision : std::uint8_t { fp64, fp32, tf32, fp16, bf16, fp8, int8, fp4 };

// Of the task, whoever does it; or done a second time to save memory. Hardware does both.
enum class FlopsKind : std::uint8_t { model, recomputed };

struct FlopsMark {
  Precision precision = Precision::fp32;
  Flop amount = {};  // finite, not below 0
  FlopsKind kind = FlopsKind::model;
  bool operator==(const FlopsMark&) const = default;
};

struct Mark {
  Nanoseconds time = 0;  // CLOCK_MONOTONIC
  Lane lane;
  std::variant<ProcessBegin, ProcessEnd, PhaseBegin, PhaseEnd, WaitBegin, WaitEnd, StepMark, MetricMark, TagMark,
               CountMark, FlopsMark>
      what;
};

}  // namespace everywatt
