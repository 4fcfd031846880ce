// What a call of the stand-in does once it is clear what it is about: a reference to a lambda of the caller's, which
// std::function would copy to the heap at each of some hundred calls a second.
#pragma once
#include <memory>
#include <utility>

#include "sources/nvml_abi.h"

namespace everywatt::lab {

template <class... About>
class Answer {
 public:
  template <class Lambda>
  Answer(const Lambda& lambda)  // NOLINT(google-explicit-constructor): passed as it is written
      : lambda_{std::addressof(lambda)}, call_{[](const void* of, About... about) {
          return (*static_cast<const Lambda*>(of))(std::forward<About>(about)...);
        }} {}
  nvml::Return operator()(About... about) const { return call_(lambda_, std::forward<About>(about)...); }

 private:
  const void* lambda_;
  nvml::Return (*call_)(const void*, About...);
};

}  // namespace everywatt::lab
