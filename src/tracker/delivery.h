// How far a run has come on its way to another system, and what hinders the
// rest, as values and as JSON (docs/formats/delivery.md).
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace everywatt {

struct Delivery {
  std::string run;                       // ours
  std::string url;                       // of the server
  std::string remote_run = {};           // the server's name of it; empty: none yet
  bool made_here = false;                // the remote run is ours to end
  Nanoseconds interval = 10 * kSecond;   // between points, as it was when the delivery began
  Nanoseconds points_until = 0;          // since the run's start: what the server has confirmed
  bool complete = false;                 // final figures and bill too
  std::optional<std::string> bill = {};  // how the artifact went: "delivered", or why not
  struct Trouble {
    std::string time;  // ISO 8601
    std::string line;
    bool operator==(const Trouble&) const = default;
  };
  std::optional<Trouble> trouble = {};  // the last that went wrong; none once a delivery succeeded
  bool operator==(const Delivery&) const = default;
};

std::string delivery_json(const Delivery& delivery);
// Errc::malformed: what is wrong with it.
Result<Delivery> parse_delivery(std::string_view text);

}  // namespace everywatt
