#include "analysis/stragglers.h"

#include <algorithm>

namespace everywatt {
namespace {

constexpr std::uint64_t kFewestSteps = 20;
constexpr double kBehind = 0.05;
constexpr double kOften = 0.05;
constexpr double kMoreOften = 3;
constexpr double kByChance = 0.01;  // of the steps anyone is late

double late_share_in_the_middle(const std::vector<RankRecord>& ranks, const RankRecord& but) {
  std::vector<double> shares;
  for (const RankRecord& rank : ranks) {
    if (&rank != &but) shares.push_back(rank.late_share);
  }
  std::ranges::sort(shares);
  return shares[shares.size() / 2];
}

}  // namespace

std::vector<Straggler> stragglers(const std::vector<RankRecord>& ranks) {
  std::vector<Straggler> found;
  // One that died early has made fewer.
  const auto most = std::ranges::max_element(ranks, {}, &RankRecord::steps);
  if (ranks.size() < 2 || most->steps < kFewestSteps) return found;
  MicroJoules waited = 0;
  for (const RankRecord& rank : ranks) waited += rank.energy_waited;
  for (const RankRecord& rank : ranks) {
    const double usual = std::max(late_share_in_the_middle(ranks, rank), kByChance);
    const bool is_always = rank.lateness > kBehind;
    const bool is_often = rank.late_share >= kOften && rank.late_share > kMoreOften * usual;
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
