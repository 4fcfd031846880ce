// Device ids and phase paths stand once a run in the table `name`; other rows
// hold their numbers. All of a run's are read when it is first asked for one, and
// remembered: they only grow, and the key of a run that was removed is never given to another.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"
#include "store/sqlite.h"

namespace everywatt {

class NameNumbers {
 public:
  // The number of a name within a run, made where there is none.
  Result<std::int64_t> number(Connection& db, std::int64_t run, std::string_view name);
  // After a transaction that was rolled back: what it made is gone.
  void forget() { runs_.clear(); }

 private:
  struct OfRun {
    std::map<std::string, std::int64_t, std::less<>> numbers = {};
    std::int64_t last = 0;
  };
  static Result<void> read(Connection& db, std::int64_t run, OfRun& names);

  std::map<std::int64_t, OfRun> runs_;  // by key
};

}  // namespace everywatt
