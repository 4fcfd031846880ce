// One run on its way to MLflow: joined or made there, its points so far, and
// once it has ended its figures, tags and bill. Each call of deliver() sends what
// is missing and says what hindered it; it may be called again at any time, by
// any process, and neither loses nor doubles a point: after anything but a plain
// yes the server is asked what it has.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "account/bill.h"
#include "account/energy_ticks.h"
#include "tracker/delivery_file.h"
#include "tracker/mlflow_server.h"

namespace everywatt {

// The run as the ledger has it now.
struct Deliverable {
  Bill bill;
  std::string bill_json;  // needed once it has ended
  bool has_ended = false;
  // The ticks after a moment of the run.
  std::function<std::vector<EnergyTick>(Nanoseconds interval, Nanoseconds after)> ticks;
};

class MlflowDelivery {
 public:
  // What an earlier process delivered to the same server is gone on with.
  static Result<MlflowDelivery> open(MlflowServer& server, const MlflowTarget& target, const DeliveryFile& file,
                                     const std::string& our_run);

  // All of it is there. Errc::io: try again later; else: not before somebody has done something about it.
  Result<void> deliver(const Deliverable& run);

  // Writes down what went wrong. True: it is news.
  bool note_trouble(const std::string& line, Nanoseconds wall);

  [[nodiscard]] const Delivery& state() const { return state_; }

 private:
  MlflowDelivery(MlflowServer& server, const MlflowTarget& target, const DeliveryFile& file, Delivery state)
      : server_{server}, target_{target}, file_{file}, state_{std::move(state)} {}
  Result<void> follow_the_job(const Run& run);
  Result<void> find_or_make(const Run& run);
  Result<void> send(std::vector<MlflowMetric> metrics, const std::vector<MlflowTag>& tags);
  Result<void> send_points(const Deliverable& run);
  Result<void> remove_known(std::vector<MlflowMetric>& metrics);
  Result<void> conclude(const Deliverable& run);

  MlflowServer& server_;
  const MlflowTarget& target_;
  const DeliveryFile& file_;
  Delivery state_;
  MlflowRun remote_ = {};
  bool is_in_doubt_ = true;  // whether the server has more than we know of
};

}  // namespace everywatt
