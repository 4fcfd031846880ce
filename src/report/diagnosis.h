// What doctor found on a machine, for people and as JSON ("everywatt.doctor/1").
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "model/calibration.h"
#include "model/device.h"
#include "model/run.h"
#include "report/style.h"

namespace everywatt {

struct Diagnosis {
  struct Source {
    std::string name;
    std::string help;
    std::string state;  // ok, absent, denied, broken
    std::string why = {};
  };
  struct Elected {
    Device device;
    bool counted = false;
    Channel channel = {};                         // of the elected sensor, as it is corrected
    std::string reason = {};                      // where there is none: why
    std::optional<Calibration> calibration = {};  // by which it is; of another sensor, where the two share a circuit
    std::vector<std::string> others = {};         // sensors that could stand in, best first
    std::optional<double> floor_watts = {};
    std::string floor_method = {};
    std::vector<QuantityChannel> quantities = {};
    // Of the last run that read several sensors of it, or another than this one.
    std::string last_sensor = {};         // that was elected there; empty: there was no such run
    std::vector<CrossCheck> checks = {};  // of others with that
  };
  struct Excluded {
    std::string what;
    std::string why;
  };
  std::string host;
  std::string cpu;
  std::string store;  // where runs are kept
  std::vector<Source> sources = {};
  std::vector<Elected> devices = {};
  std::vector<Excluded> excluded = {};
  std::vector<std::string> advice = {};
};

std::string diagnosis_text(const Diagnosis& diagnosis, const Style& style);
std::string diagnosis_json(const Diagnosis& diagnosis);

}  // namespace everywatt
