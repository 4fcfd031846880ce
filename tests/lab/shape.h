// A quantity of the lab over time, from before the scenario's start to for ever:
// pieces that are level or linear, played once or again and again, and sines, in
// sum. The unit is the holder's: watts, a fraction, bytes per second. Values,
// integrals and the response of a slow sensor are exact, in closed form.
//
//   Shape load = Shape::square({.low = 80, .high = 400, .period = kSecond}) + Shape::constant(5);
//   load.integral(0, 10 * kSecond);  // unit × s
//
// Times count from the scenario's start and may be negative.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"

namespace everywatt::lab {

class Shape {
 public:
  struct Point {
    Nanoseconds at;
    double value;
  };
  struct Square {
    double low = 0;
    double high = 0;
    Nanoseconds period = kSecond;
    double duty = 0.5;      // share of the period that is high, at its start
    Nanoseconds phase = 0;  // when a period begins
  };
  struct Sine {
    double mean = 0;
    double amplitude = 0;
    Nanoseconds period = kSecond;
    Nanoseconds phase = 0;  // when it rises through its mean
  };
  // One burst in each slot, of a height up to `peak` and at a place that the seed
  // gives; the same again after `cycle`.
  struct Bursts {
    std::uint64_t seed = 1;
    double peak = 0;
    Nanoseconds slot = 50 * kMillisecond;
    Nanoseconds cycle = 16 * kSecond;
  };

  Shape() = default;  // 0 for ever
  static Shape constant(double value);
  // Each value holds until the next point; the first holds before it too. With `repeat`,
  // which no point may reach, the whole begins anew each time.
  static Shape steps(const std::vector<Point>& points, Nanoseconds repeat = 0);
  // The same with straight lines between the points.
  static Shape lines(const std::vector<Point>& points, Nanoseconds repeat = 0);
  static Shape square(const Square& square);
  static Shape sine(const Sine& sine);
  static Shape bursts(const Bursts& bursts);

  Shape& operator+=(const Shape& other);
  friend Shape operator+(Shape a, const Shape& b) { return a += b; }

  Shape scaled(double factor) const;

  double at(Nanoseconds time) const;
  double integral(Nanoseconds from, Nanoseconds to) const;
  // Over no time at all: the value.
  double mean(Nanoseconds from, Nanoseconds to) const;
  // What a sensor shows that follows with an exponential of this time constant.
  double followed(Nanoseconds time, Nanoseconds time_constant) const;
  // No value is below it; it need not be reached where parts are summed.
  double least() const;

 private:
  // Value at `begin`, and its change per second until the next piece.
  struct Piece {
    Nanoseconds begin;
    double value;
    double slope;
    double before = 0;  // integral from the first piece's begin
  };
  struct Pattern {
    std::vector<Piece> pieces;  // at least one
    Nanoseconds phase = 0;
    Nanoseconds cycle = 0;  // 0: once
    double whole = 0;       // integral over a cycle
    // Where to look for a time's piece: by slots of equal length from the first piece on, the last piece that had
    // begun.
    Nanoseconds slot = 0;
    std::vector<std::uint32_t> begun = {};

    void close();
    void index();
    const Piece& piece_at(Nanoseconds time) const;
    double at(Nanoseconds time) const;
    double antiderivative(Nanoseconds time) const;
    double antiderivative_in_cycle(Nanoseconds time) const;
    double followed(Nanoseconds time, double time_constant) const;
    double weighted(Nanoseconds from, Nanoseconds to, double time_constant) const;
  };

  static Shape of(Pattern pattern);

  std::vector<std::shared_ptr<const Pattern>> patterns_;  // never changed: the GPUs of a node are alike
  std::vector<Sine> sines_;
};

}  // namespace everywatt::lab
