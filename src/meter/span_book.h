// Each time that the main thread of a process was in a phase, with what was charged to the run meanwhile. Energy is
// added to the innermost span and counts for those around it. Kept are the first 2,000 of a path and 20,000 of a run:
// what is entered more often is known by its sums alone. A span is told when it has ended, and again when more was
// booked in it; one whose process ended before it did is not told.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/run.h"

namespace everywatt {

class SpanBook {
 public:
  using Number = std::uint32_t;  // from 1; 0 is none
  static constexpr std::size_t kMostOfPath = 2'000;
  static constexpr std::size_t kMost = 20'000;

  struct Begin {
    std::uint32_t process = 0;
    std::uint32_t path = 0;
    Number outer = 0;
    Nanoseconds time = 0;
  };
  // 0: it is one too many.
  Number begin(const Begin& begin);
  void end(Number span, Nanoseconds time);

  // Charged on a device while the process stood in that span.
  void add(Number span, const std::string& device, MicroJoules energy);
  // What a device had in all spans of a path is worth so many times as much.
  using Factor = std::function<double(std::uint32_t path)>;
  void scale(const std::string& device, const Factor& factor);

  // Spans that ended by `booked_until` and are news since the last call, with the energy of devices that count.
  using Counts = std::function<bool(const std::string& device)>;
  [[nodiscard]] std::vector<Span> take_news(Nanoseconds booked_until, const std::vector<std::string>& paths,
                                            const Counts& counts);

 private:
  struct Kept {
    Begin begun;
    std::optional<Nanoseconds> end = {};
    std::vector<MicroJoules> energy = {};  // by place in devices_
    bool is_news = true;
  };
  [[nodiscard]] Span told(Number number, const std::vector<std::string>& paths, const std::vector<bool>& counted) const;
  std::size_t place_of(const std::string& device);

  std::vector<Kept> kept_;  // the first is number 1
  std::map<std::uint32_t, std::size_t> of_path_;
  std::vector<std::string> devices_;
};

}  // namespace everywatt
