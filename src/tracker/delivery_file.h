// What was delivered of a run, and what hinders the rest: one small file a run
// in the folder `delivery` beside the ledger, replaced whole, so that a reader
// sees the old state or the new one. What stands in it is delivery.h's.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "tracker/delivery.h"

namespace everywatt {

// One process delivers a run at a time: whoever holds the lock.
class DeliveryFile {
 public:
  // None: another process is delivering this run.
  static Result<std::optional<DeliveryFile>> open(const std::filesystem::path& ledger, const std::string& run);
  // None: nothing was ever delivered.
  [[nodiscard]] Result<std::optional<Delivery>> read() const;
  [[nodiscard]] Result<void> write(const Delivery& delivery) const;
  void remove() const;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  DeliveryFile(Fd lock, std::filesystem::path path) : lock_{std::move(lock)}, path_{std::move(path)} {}
  Fd lock_;
  std::filesystem::path path_;
};

// Ids of the runs whose delivery has begun and is not complete; of a file that cannot be read too.
std::vector<std::string> undelivered_runs(const std::filesystem::path& ledger);

}  // namespace everywatt
