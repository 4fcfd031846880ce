#include "import/trace_device.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace everywatt {
namespace {

double seconds(Nanoseconds time) { return static_cast<double>(time) / static_cast<double>(kSecond); }

std::string_view reason_of(Silence::Kind kind) {
  switch (kind) {
    case Silence::Kind::before:
      return "unseen: the readings begin later; nothing booked";
    case Silence::Kind::bridged:
      return "bridged: no reading in between";
    case Silence::Kind::reset:
      return "unseen: the counter began again; nothing booked";
    case Silence::Kind::after:
      return "unseen: the readings end earlier; nothing booked";
  }
  return {};
}

bool is_edge(Silence::Kind kind) { return kind == Silence::Kind::before || kind == Silence::Kind::after; }

struct Words {
  const char* flag;
  const char* noun;
  const char* rest;
};

void tell(ImportedDevice& device, const Trace& trace, Silence::Kind kind, Words words,
          std::vector<std::string>& notices) {
  std::size_t count = 0;
  Nanoseconds sum = 0;
  Nanoseconds longest = 0;
  for (const Silence& silence : trace.silences) {
    if (silence.kind != kind) continue;
    ++count;
    sum += silence.span.length();
    longest = std::max(longest, silence.span.length());
  }
  if (count == 0) return;
  device.flags.emplace_back(words.flag);
  notices.push_back(fmt::format("{}: {} {}{} {}, {:.3f} s in all, the longest {:.3f} s", device.device.id, count,
                                words.noun, count == 1 ? "" : "s", words.rest, seconds(sum), seconds(longest)));
}

}  // namespace

void fill(ImportedDevice& device, Trace trace, Method method, double relative, std::vector<std::string>& notices) {
  const std::string& id = device.device.id;
  if (trace.duplicates > 0) {
    device.flags.emplace_back("duplicate-times");
    notices.push_back(fmt::format("{}: {} readings repeat the time of another: one of each time counts ({})", id,
                                  trace.duplicates, method == Method::counter ? "the highest" : "their mean"));
  }
  if (trace.out_of_order > 0) {
    device.flags.emplace_back("out-of-order");
    notices.push_back(fmt::format("{}: {} reading{} came after a later one: sorted", id, trace.out_of_order,
                                  trace.out_of_order == 1 ? "" : "s"));
  }
  if (trace.reason) {
    notices.push_back(fmt::format("{}: no figure: {}", id, *trace.reason));
    device.reason = std::move(trace.reason);
    return;
  }
  tell(device, trace, Silence::Kind::bridged, {"bridged-gap", "silence", "bridged"}, notices);
  tell(device, trace, Silence::Kind::reset, {"counter-reset", "reset", "of the counter"}, notices);
  for (const Silence& silence : trace.silences)
    device.gaps.push_back({id, silence.span.begin, silence.span.length(), std::string{reason_of(silence.kind)}});
  if (std::ranges::any_of(trace.silences, is_edge, &Silence::kind)) device.flags.emplace_back("edge-unseen");
  device.method = method;
  device.uncertainty_random = trace.random;
  device.uncertainty_systematic = std::llround(relative * static_cast<double>(trace.total()));
  device.curve = std::move(trace.curve);
}

std::string edge_notice(const std::vector<ImportedDevice>& devices, TimeSpan run) {
  std::size_t with_figure = 0;
  std::size_t short_of_it = 0;
  Nanoseconds shortest = run.length();
  Nanoseconds longest = 0;
  double sum = 0;  // seconds
  for (const ImportedDevice& device : devices) {
    if (!device.curve.empty()) ++with_figure;
    if (std::ranges::find(device.flags, "edge-unseen") == device.flags.end()) continue;
    ++short_of_it;
    for (const Gap& gap : device.gaps) {
      if (!gap.reason.starts_with("unseen: the readings")) continue;
      shortest = std::min(shortest, gap.length);
      longest = std::max(longest, gap.length);
      sum += seconds(gap.length);
    }
  }
  if (short_of_it == 0) return {};
  const double share = sum / seconds(run.length()) / static_cast<double>(with_figure);
  return fmt::format(
      "{} of {} devices are not seen up to the edges of the run: {:.3f} to {:.3f} s at an edge, "
      "{:.2f} % of the time in all; nothing is booked there",
      short_of_it, with_figure, seconds(shortest), seconds(longest), share * 100);
}

}  // namespace everywatt
