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
  std::ranges::sort(values, {}, &Weighed::value);
  double all = 0;
  for (const Weighed& weighed : values) all += weighed.weight;
  double so_far = 0;
  for (const Weighed& weighed : values) {
    so_far += weighed.weight;
    if (so_far >= all / 2) return weighed.value;
  }
  return values.back().value;
}

}  // namespace everywatt
