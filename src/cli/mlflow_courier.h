// A run of the ledger brought to MLflow: again and again while it is measured,
// or once. What both have in common: reading the run, trying again what failed,
// writing down what hinders.
#pragma once
#include <functional>
#include <string>

#include "cli/command.h"
#include "cli/config.h"
#include "net/retry.h"
#include "store/store.h"
#include "tracker/mlflow_delivery.h"

namespace everywatt {

class MlflowCourier {
 public:
  // `is_measured`: whether somebody measures the run still, asked before each look at it. `wait`: sleeps so long, or
  // less where there is news.
  struct Surroundings {
    std::function<bool()> is_measured;
    std::function<void(Nanoseconds)> wait;
  };
  MlflowCourier(Context& context, Store& store, const Config& config, Surroundings surroundings)
      : context_{context}, store_{store}, site_{config.site()}, around_{std::move(surroundings)} {}

  enum class Until { ended, now };  // follow the run to its end, or deliver what is there
  // Tries for so long, counted from the run's end or from now. The error is the last that hindered.
  Result<void> bring(MlflowServer& server, MlflowDelivery& delivery, const std::string& run, Until until,
                     Nanoseconds patience);

 private:
  Result<Deliverable> look(const std::string& run);

  Context& context_;
  Store& store_;
  Site site_;
  Surroundings around_;
};

}  // namespace everywatt
