// Where each of a run's processes stands among the phases that it names: from its marks to a path at every moment, the
// names of the innermost open phase of its main thread and of those around it. Other threads' phases get counts and
// time only. A wait is a phase too, of the name "wait:…". Nothing that a job says is an error: what makes no sense is
// left out and told once.
#pragma once
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "meter/span_book.h"
#include "model/mark.h"
#include "model/run.h"

namespace everywatt {

// What a wait is called within a path.
inline constexpr std::string_view kWait = "wait:";
// A wait of this name is for a rank's own input, not for other ranks.
inline constexpr std::string_view kData = "data";

class PhaseTracker {
 public:
  // In the order of time within a thread.
  void take(const Mark& mark);

  // Processes that have spoken, in the order of their first mark.
  [[nodiscard]] const std::vector<ProcessKey>& processes() const { return processes_; }

  // Those of them that have not ended.
  [[nodiscard]] const std::set<ProcessKey>& living() const { return living_; }

  // A stretch in which one process stood at one path.
  struct Piece {
    Nanoseconds begin = 0;
    Nanoseconds end = 0;
    std::uint32_t path = 0;   // of paths()
    SpanBook::Number in = 0;  // the innermost span that is kept
  };
  // Of [from, to], without a gap. `process`: its place in processes().
  [[nodiscard]] std::vector<Piece> pieces(std::size_t process, Nanoseconds from, Nanoseconds to) const;
  [[nodiscard]] const std::vector<std::string>& paths() const { return paths_; }  // the first is ""
  // The path that it lies within; the first where that is none.
  [[nodiscard]] std::uint32_t outer_of(std::uint32_t path) const { return outers_[path]; }

  // Each time that a main thread was in a phase, of phases that are not too many.
  [[nodiscard]] SpanBook& spans() { return spans_; }

  // Nobody asks for pieces before it any more.
  void forget_before(Nanoseconds time);
  // Of all paths but "", those that are open as of now.
  [[nodiscard]] std::vector<PhaseStat> stats(Nanoseconds now) const;
  // What a reader of the bill must know, one line each.
  [[nodiscard]] const std::vector<std::string>& notices() const { return notices_; }

 private:
  struct Open {
    std::uint64_t span = 0;
    std::uint32_t path = 0;
    Nanoseconds begin = 0;
    SpanBook::Number kept = 0;  // 0: not kept
  };
  struct Place {
    std::uint32_t path = 0;
    SpanBook::Number in = 0;
    bool operator==(const Place&) const = default;
  };
  struct Change {
    Nanoseconds time = 0;
    Place place = {};
  };
  struct Track {
    std::uint32_t number = 0;                              // in processes_
    std::map<std::int32_t, std::vector<Open>> lanes = {};  // open phases by thread, the outermost first
    std::deque<Change> changes = {};                       // of the main thread
    Place before = {};                                     // where it stood before the first of them
  };
  struct Stat {
    std::uint64_t count = 0;
    Nanoseconds duration = 0;
    std::map<std::string, double> work = {};
  };
  Track& track_of(const ProcessKey& process);
  std::uint32_t path_within(std::uint32_t outer, std::string_view name);
  void add_work(const Lane& lane, std::string what, double amount);
  void begin(const Mark& mark, std::uint64_t span, std::string_view name);
  void end(const Mark& mark, std::uint64_t span);
  void end_all(const Mark& mark);
  enum class Ending { said, cut_off };
  void close(std::vector<Open>& lane, Nanoseconds time, Ending ending);
  [[nodiscard]] static Place place_in(const std::vector<Open>& lane);
  void note_change(const Mark& mark, Track& track);
  void note(std::string line);

  std::vector<ProcessKey> processes_;
  std::set<ProcessKey> living_;
  std::map<ProcessKey, Track> tracks_;
  std::vector<std::string> paths_ = {""};
  std::vector<std::uint32_t> outers_ = {0};
  std::map<std::pair<std::uint32_t, std::string>, std::uint32_t, std::less<>> numbers_;  // by what it lies within
  std::vector<Stat> stats_ = {{}};
  SpanBook spans_;
  std::vector<std::string> notices_;
};

}  // namespace everywatt
