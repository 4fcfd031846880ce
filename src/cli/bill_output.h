// Where the bill of a run goes when it ends: to standard error for people and,
// where asked, to a file as JSON.
#pragma once
#include <optional>
#include <string>

#include "account/bill.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/recording.h"

namespace everywatt {

class BillOutput {
 public:
  void add_options(Flags& flags);
  // Errc::misuse: the file cannot be written. Asked before anything is started.
  [[nodiscard]] Result<void> check() const;
  Result<void> write(Context& context, const Recording& recording, const Bill& bill) const;

 private:
  std::optional<std::string> json_;
  bool quiet_ = false;
};

}  // namespace everywatt
