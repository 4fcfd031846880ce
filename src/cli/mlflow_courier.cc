#include "cli/mlflow_courier.h"

#include <ctime>

#include <algorithm>
#include <memory>
#include <random>

#include "cli/ledger.h"
#include "report/bill_json.h"

namespace everywatt {
namespace {

// A look at a long run reads all of its series: at most a fiftieth of one core goes into it.
constexpr Nanoseconds kRestPerWork = 50;

Nanoseconds own_cpu_time() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return t.tv_sec * kSecond + t.tv_nsec;
}

// One that cannot be read is taken for one without: its energy is spread evenly.
EnergyCurves curves_of(Store& store, const RunRecord& record) {
  EnergyCurves curves;
  for (const DeviceRecord& device : record.devices) {
    if (!device.counted) continue;
    if (auto points = store.series(record.run.id, device.device.id, Track::energy))
      curves[device.device.id] = *std::move(points);
  }
  return curves;
}

}  // namespace

Result<Deliverable> MlflowCourier::look(const std::string& run) {
  // Asked first: a run that ends in between is seen as ended, or once more.
  const bool is_measured = around_.is_measured();
  TRY(RunRecord record, store_.read(run));
  if (!is_measured) settle(store_, record.run);
  const auto shared = std::make_shared<RunRecord>(record);
  Deliverable out{.bill = bill_of(std::move(record)),
                  .bill_json = {},
                  .has_ended = shared->run.status != RunStatus::running,
                  .ticks = [this, shared](Nanoseconds interval, Nanoseconds after) {
                    return energy_ticks(*shared, curves_of(store_, *shared), interval, after);
                  }};
  out.bill.facility = facility_of(out.bill, site_);
  if (out.has_ended) out.bill_json = bill_json(out.bill);
  return out;
}

Result<void> MlflowCourier::bring(MlflowServer& server, MlflowDelivery& delivery, const std::string& run, Until until,
                                  Nanoseconds patience) {
  Backoff backoff{std::random_device{}()};
  std::optional<Nanoseconds> patient_from;
  for (;;) {
    const Nanoseconds worked_before = own_cpu_time();
    TRY(const Deliverable seen, look(run));
    auto delivered = delivery.deliver(seen);
    if (delivered && (seen.has_ended || until == Until::now)) return {};
    Nanoseconds wait = delivery.state().interval;
    if (delivered) {
      backoff.succeeded();
    } else {
      const Instant now = context_.clock.now();
      delivery.note_trouble(delivered.error().what, now.wall);
      if (delivered.error().code != Errc::io) return delivered;
      wait = backoff.failed(server.asked_to_wait());
      if (seen.has_ended || until == Until::now) {
        patient_from = patient_from.value_or(now.steady);
        if (now.steady + wait > *patient_from + patience) return delivered;
      }
    }
    around_.wait(std::max(wait, kRestPerWork * (own_cpu_time() - worked_before)));
  }
}

}  // namespace everywatt
