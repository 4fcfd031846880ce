// The seeded scenarios of bench/accuracy: what a GPU draws, by what sensors it is seen, and what befalls them. Families
// are drawn from what was observed on real boards (arXiv 2312.02741 and its data, zeus issue 181), not from what the
// meter believes of them.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>

namespace everywatt {

class Chance {
 public:
  explicit Chance(std::uint64_t seed) : engine_{seed} {}
  double between(double low, double high) { return std::uniform_real_distribution{low, high}(engine_); }
  std::size_t below(std::size_t count) { return std::uniform_int_distribution<std::size_t>{0, count - 1}(engine_); }

 private:
  std::mt19937_64 engine_;
};

// What all sensors of a board have in common: shown = gain × seen + offset.
struct Board {
  double gain = 1;
  double offset = 0;  // W
};
// One of those that were held against a meter of their own.
Board published_board(Chance& chance);

// What a scenario is made of.
struct Draw {
  double idle = 80;
  std::string watts;        // a shape in TOML, above and with idle
  std::string utilisation;  // the same, 0 or 1
  std::string sensors;      // lines of TOML
  std::string name = "NVIDIA H100 80GB HBM3";
  std::string defects = {};  // tables of TOML
  std::string kind = {};     // where a family holds several
  double aliasing = 0;       // share of the truth by which a part-time sensor can be off at the worst phase
  double step = 0;           // ms: the job marks its steps, which end with each period of the load; 0: it is silent
};
std::string toml_of(const Draw& draw, std::int64_t pid);

using Make = std::function<Draw(Chance&, double seconds, Board)>;
// By name, of boards that read right.
const std::map<std::string, Make>& families();
// One of them, on a board that was published.
Draw any_kind(Chance& chance, double seconds);
// The three kinds of sensor that see all of the time, the same.
Draw any_sound_kind(Chance& chance, double seconds);

}  // namespace everywatt
