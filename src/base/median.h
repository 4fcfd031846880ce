// The median without sorting: of an even number of values the upper of the two in
// the middle; and the value up to which half of all weight lies.
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

namespace everywatt {

template <class Value>
Value upper_median(std::vector<Value> values) {  // of one value at least
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

struct Weighed {
  double value = 0;
  double weight = 1;
};

inline double weighted_median(std::vector<Weighed> values) {  // of one value at least
  const auto weight_of = [](auto begin, auto end) {
    double sum = 0;
    for (; begin != end; ++begin) sum += begin->weight;
    return sum;
  };
  auto begin = values.begin(), end = values.end();  // it lies within
  double left = weight_of(begin, end) / 2;          // that is to be passed from `begin` on
  while (end - begin > 1) {
    const auto middle = begin + (end - begin) / 2;
    std::ranges::nth_element(begin, middle, end, {}, &Weighed::value);
    if (const double lower = weight_of(begin, middle); lower >= left) {
      end = middle;
    } else {
      left -= lower;
      begin = middle;
    }
  }
  return begin->value;
}

}  // namespace everywatt
