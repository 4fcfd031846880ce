#include "analysis/stragglers.h"

#include <algorithm>
#include <cmath>

namespace everywatt {
namespace {

constexpr std::uint64_t kFewestSteps = 20;
constexpr double kBehind = 0.05;
constexpr double kOften = 0.05;
constexpr double kMoreOften = 3;
constexpr double kByChance = 0.01;      // of the steps anyone is late
constexpr double kFalseAlarms = 0.001;  // of jobs whose ranks are late by chance, in which one is named for it

double late_share_in_the_middle(const std::vector<RankRecord>& ranks, const RankRecord& but) {
  std::vector<double> shares;
  for (const RankRecord& rank : ranks) {
    if (&rank != &but) shares.push_back(rank.late_share);
  }
  std::ranges::sort(shares);
  return shares[shares.size() / 2];
}

// Of so many things that fall on anyone of some ranks alike: that so many and more fall on a given one (binomial).
double chance_of(double own, double all, double ranks) {
  double sum = 0;
  for (double k = own; k <= all; ++k) {
    const double ways = std::lgamma(all + 1) - std::lgamma(k + 1) - std::lgamma(all - k + 1);
    const double part = std::exp(ways - k * std::log(ranks) + (all - k) * std::log1p(-1 / ranks));
    sum += part;
    if (part < 1e-9 * sum) break;
  }
  return sum;
}

// Of those whose lateness is kept (meter/rank_watch).
double late_steps(const RankRecord& rank) {
  constexpr std::uint64_t kMostSampled = 4096;
  return std::round(rank.late_share * static_cast<double>(std::min(rank.steps, kMostSampled)));
}

}  // namespace

std::vector<Straggler> stragglers(const std::vector<RankRecord>& ranks) {
  std::vector<Straggler> found;
  // One that died early has made fewer.
  const auto most = std::ranges::max_element(ranks, {}, &RankRecord::steps);
  if (ranks.size() < 2 || most->steps < kFewestSteps) return found;
  MicroJoules waited = 0;
  double all_late = 0;
  for (const RankRecord& rank : ranks) {
    waited += rank.energy_waited;
    all_late += late_steps(rank);
  }
  const auto count = static_cast<double>(ranks.size());
  for (const RankRecord& rank : ranks) {
    const double usual = std::max(late_share_in_the_middle(ranks, rank), kByChance);
    const bool is_always = rank.lateness > kBehind;
    const bool is_often = rank.late_share >= kOften && rank.late_share > kMoreOften * usual &&
                          chance_of(late_steps(rank), all_late, count) < kFalseAlarms / count;
    if (!is_always && !is_often) continue;
    found.push_back({.rank = rank.rank,
                     .steps = is_always ? std::max(rank.late_share, 0.5) : rank.late_share,
                     .behind = rank.lateness,
                     .caused = waited > 0 ? static_cast<double>(rank.energy_caused) / static_cast<double>(waited) : 0});
  }
  std::ranges::sort(found, std::ranges::greater{}, &Straggler::caused);
  return found;
}

}  // namespace everywatt
