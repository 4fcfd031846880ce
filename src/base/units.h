// Physical and money quantities. A Quantity knows its dimension, so joules
// cannot be added to watts, and grams per kilowatt-hour times joules is grams.
//
// A bare number goes in and comes out only through a unit:
//   auto spent = 42.0 * kilowatt_hour;   double kwh = spent / kilowatt_hour;
#pragma once
#include <compare>

namespace everywatt {

struct Dim {
  int energy = 0, time = 0, carbon = 0, money = 0, flop = 0, mac = 0, data = 0;
  bool operator==(const Dim&) const = default;
};

template <Dim D>
class Quantity {
 public:
  constexpr Quantity() = default;
  auto operator<=>(const Quantity&) const = default;

  friend constexpr Quantity operator+(Quantity a, Quantity b) { return Quantity{a.si_ + b.si_}; }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return Quantity{a.si_ - b.si_}; }
  friend constexpr Quantity operator*(double k, Quantity a) { return Quantity{k * a.si_}; }
  constexpr Quantity& operator+=(Quantity b) {
    si_ += b.si_;
    return *this;
  }

 private:
  template <Dim A, Dim B>
  friend constexpr auto operator*(Quantity<A>, Quantity<B>);
  template <Dim A, Dim B>
  friend constexpr auto operator/(Quantity<A>, Quantity<B>);
  template <Dim A>
  friend consteval Quantity<A> base_unit();
  constexpr explicit Quantity(double si) : si_{si} {}
  double si_ = 0;
};

constexpr Dim operator+(Dim a, Dim b) {
  return {a.energy + b.energy, a.time + b.time, a.carbon + b.carbon, a.money + b.money,
          a.flop + b.flop,     a.mac + b.mac,   a.data + b.data};
}
constexpr Dim operator-(Dim a, Dim b) {
  return {a.energy - b.energy, a.time - b.time, a.carbon - b.carbon, a.money - b.money,
          a.flop - b.flop,     a.mac - b.mac,   a.data - b.data};
}

template <Dim A, Dim B>
constexpr auto operator*(Quantity<A> a, Quantity<B> b) {
  if constexpr (A + B == Dim{})
    return a.si_ * b.si_;
  else
    return Quantity<A + B>{a.si_ * b.si_};
}
template <Dim A, Dim B>
constexpr auto operator/(Quantity<A> a, Quantity<B> b) {
  if constexpr (A == B)
    return a.si_ / b.si_;  // a plain number, e.g. joules per joule
  else
    return Quantity<A - B>{a.si_ / b.si_};
}
template <Dim D>
consteval Quantity<D> base_unit() {
  return Quantity<D>{1.0};
}

inline constexpr auto joule = base_unit<Dim{.energy = 1}>();
inline constexpr auto second = base_unit<Dim{.time = 1}>();
inline constexpr auto gram_co2e = base_unit<Dim{.carbon = 1}>();
inline constexpr auto flop = base_unit<Dim{.flop = 1}>();
inline constexpr auto mac = base_unit<Dim{.mac = 1}>();        // one multiplication with its addition
inline constexpr auto gigabyte = base_unit<Dim{.data = 1}>();  // 10⁹ bytes, as vendors count
inline constexpr auto watt = joule / second;
inline constexpr auto microjoule = 1e-6 * joule;
inline constexpr auto kilowatt_hour = 3.6e6 * joule;

using Energy = Quantity<Dim{.energy = 1}>;
using Duration = Quantity<Dim{.time = 1}>;
using Power = Quantity<Dim{.energy = 1, .time = -1}>;
using Carbon = Quantity<Dim{.carbon = 1}>;
using Flop = Quantity<Dim{.flop = 1}>;
using Mac = Quantity<Dim{.mac = 1}>;
using FlopRate = Quantity<Dim{.time = -1, .flop = 1}>;
using FlopPerEnergy = Quantity<Dim{.energy = -1, .flop = 1}>;
using DataSize = Quantity<Dim{.data = 1}>;
using Bandwidth = Quantity<Dim{.time = -1, .data = 1}>;
using CarbonIntensity = Quantity<Dim{.energy = -1, .carbon = 1}>;

// Many tools print MACs and call them FLOPs: the two meet here and nowhere else.
constexpr Flop flops_of(Mac macs) { return 2.0 * (macs / mac) * flop; }

constexpr Carbon emissions(Energy spent, CarbonIntensity grid) { return spent * grid; }

}  // namespace everywatt
