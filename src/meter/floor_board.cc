#include "meter/floor_board.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace everywatt {
namespace {

constexpr double kWorthProposing = 0.02;  // a floor that moved by less is the same floor
constexpr Nanoseconds kBetweenProposals = 10 * kSecond;
constexpr std::size_t kKept = 4;  // of each device: windows close within seconds

}  // namespace

std::optional<Power> FloorBoard::agreed(std::string_view device, Nanoseconds at) const {
  std::optional<Power> floor;
  for (const Proposal& proposal : proposals_) {
    if (proposal.device == device && proposal.from <= at) floor = proposal.watts * watt;
  }
  return floor;
}

bool FloorBoard::is_news(std::string_view device, Power floor, Nanoseconds now, Company company) const {
  const double watts = floor / watt;
  const auto last = std::ranges::find(proposals_.rbegin(), proposals_.rend(), device, &Proposal::device);
  if (last == proposals_.rend()) return true;
  if (std::abs(watts - last->watts) <= kWorthProposing * last->watts) return false;
  return company == Company::alone || now >= last->from + kBetweenProposals;
}

bool FloorBoard::propose(std::string_view device, Power floor, Nanoseconds now, Company company) {
  if (!is_news(device, floor, now, company)) return false;
  const double watts = floor / watt;
  const auto is_ours = [&](const Proposal& p) { return p.device == device; };
  const bool shared = company == Company::shared;
  if (!shared) std::erase_if(proposals_, is_ours);  // no window is left that they could be asked for
  proposals_.push_back({std::string{device}, shared ? next_on_grid(now, kSecond) : now, watts});
  if (static_cast<std::size_t>(std::ranges::count_if(proposals_, is_ours)) > kKept) {
    proposals_.erase(std::ranges::find_if(proposals_, is_ours));
  }
  return true;
}

std::string FloorBoard::format() const {
  std::string text;
  for (const Proposal& p : proposals_)
    text += p.device + " " + std::to_string(p.from) + " " + std::to_string(p.watts) + "\n";
  return text;
}

FloorBoard FloorBoard::parse(std::string_view text) {
  FloorBoard board;
  for (const std::string_view line : split(text, '\n')) {
    const auto fields = words(line);
    if (fields.size() != 3) continue;
    const auto from = parse_i64(fields[1]);
    const auto watts = parse_double(fields[2]);
    if (from && watts && *watts >= 0) board.proposals_.push_back({std::string{fields[0]}, *from, *watts});
  }
  return board;
}

}  // namespace everywatt
