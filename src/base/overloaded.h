// One visitor of a variant from several lambdas: std::visit(Overloaded{[](int) {}, [](const auto&) {}}, value).
#pragma once

namespace everywatt {

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

}  // namespace everywatt
