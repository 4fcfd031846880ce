// The median without sorting: of an even number of values the upper of the two in
// the middle.
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

}  // namespace everywatt
