#include "report/baseline_text.h"

#include <fmt/format.h>

#include "account/spread.h"
#include "report/format.h"
#include "report/paragraph.h"

namespace everywatt {
namespace {

std::string line(std::string_view label, std::string_view text) { return paragraph(14, label, text); }

std::optional<double> share_of(std::optional<MicroJoules> part, std::optional<MicroJoules> whole) {
  if (!part || !whole || *whole <= 0) return std::nullopt;
  return static_cast<double>(*part) / static_cast<double>(*whole);
}

std::string shown_share(std::optional<double> share) { return share ? show_percent(*share) : "—"; }

std::string tenths(double share) { return fmt::format("{:.1f} %", 100 * share); }

MicroJoules median_energy(const Profile& profile) {
  const auto spread = spread_of(profile.times);
  return spread ? static_cast<MicroJoules>(spread->median) : 0;
}

Nanoseconds median_length(const Profile& profile) {
  std::vector<double> lengths;
  for (const PhaseTime& time : profile.times) lengths.push_back(static_cast<double>(time.end - time.begin));
  return static_cast<Nanoseconds>(median_of(std::move(lengths)));
}

std::string row(std::string_view what, std::string_view before, std::string_view after, std::string_view more) {
  return "  " + pad_right(what, 14) + pad_left(before, 14) + pad_left(after, 14) + "   " + std::string{more} + "\n";
}

std::string shown_ratio(const std::optional<Ratio>& ratio, const Style& style) {
  if (!ratio) return "";
  const std::string text = fmt::format("{:+.1f} % ({:+.1f} to {:+.1f} %)", 100 * (ratio->value - 1),
                                       100 * (ratio->low - 1), 100 * (ratio->high - 1));
  if (ratio->outcome == Outcome::worse) return style.warning(text + " more");
  return ratio->outcome == Outcome::better ? style.good(text + " less") : text;
}

std::string shown_flops(const Profile& profile) { return profile.flops ? show_flops(*profile.flops) : "—"; }

std::string changes(const Comparison& comparison) {
  if (comparison.changes.empty()) return line("changed", "nothing around it that is known");
  std::string out;
  for (const Change& change : comparison.changes) {
    const std::string what = fit(change.what, 40) + ": " + fit(change.before.value_or("(not told)"), 60) + " → " +
                             fit(change.after.value_or("(not told)"), 60);
    out += line(out.empty() ? "changed" : "", what);
  }
  return out;
}

std::string verdict(const Comparison& comparison, const Style& style) {
  if (comparison.verdict == Comparison::Verdict::inconclusive)
    return line("verdict", "inconclusive: " + comparison.reason);
  const std::string seen =
      "; increases from " + tenths(comparison.energy->detectable) + " on are seen nine times of ten";
  if (comparison.verdict == Comparison::Verdict::worse)
    return line("verdict", style.warning("worse: more than the spread over epochs and the tolerance" + seen));
  return line("verdict", "no worse" + seen);
}

}  // namespace

std::string baseline_text(const Baseline& baseline, const Style& style) {
  const Profile& profile = baseline.profile;
  std::string out =
      style.strong(fit(profile.model, 40)) + "  baseline: run " + profile.run + ", set " + fit(baseline.set, 24) + "\n";
  out += line("hardware", profile.hardware + " (" + profile.boundary + ")");
  out += line("run", (profile.energy ? show_energy(*profile.energy) : "no figure") + " in " +
                         show_duration(profile.duration) + "; idle " +
                         shown_share(share_of(profile.idle, profile.energy)) + ", waits " +
                         shown_share(share_of(profile.waits, profile.energy)) + "; " + shown_flops(profile));
  const auto spread = spread_of(profile.times);
  if (!spread) return out + line(profile.phase, "no time of it that ended is kept: nothing to compare epochs with");
  std::string one = show_energy(median_energy(profile)) + " and " + show_duration(median_length(profile)) +
                    " (medians of " + std::to_string(spread->count) + "; " +
                    show_energy(static_cast<MicroJoules>(spread->least)) + " to " +
                    show_energy(static_cast<MicroJoules>(spread->most)) + ")";
  if (const auto least = detectable_increase(profile))
    one += "; of a run with as many, increases from " + tenths(*least) + " on are seen nine times of ten";
  return out + line(profile.phase, one);
}

std::string comparison_text(const Baseline& baseline, const Profile& run, const Comparison& comparison,
                            const Style& style) {
  const Profile& before = baseline.profile;
  std::string out =
      style.strong(fit(run.model, 40)) + "  run " + run.run + " against its baseline, run " + before.run + "\n";
  out += changes(comparison) + "\n";
  out += style.faint(row("one " + fit(before.phase, 10), "baseline", "run", "change (interval)"));
  out += row("energy", show_energy(median_energy(before)), show_energy(median_energy(run)),
             shown_ratio(comparison.energy, style));
  out += row("time", show_duration(median_length(before)), show_duration(median_length(run)),
             shown_ratio(comparison.time, style));
  out += style.faint(row("the whole run", "", "", ""));
  out += row("times", std::to_string(before.times.size()), std::to_string(run.times.size()), "");
  out +=
      row("energy", before.energy ? show_energy(*before.energy) : "—", run.energy ? show_energy(*run.energy) : "—", "");
  out += row("time", show_duration(before.duration), show_duration(run.duration), "");
  out +=
      row("idle", shown_share(share_of(before.idle, before.energy)), shown_share(share_of(run.idle, run.energy)), "");
  out += row("waits", shown_share(share_of(before.waits, before.energy)), shown_share(share_of(run.waits, run.energy)),
             "");
  out += row("work", shown_flops(before), shown_flops(run), "");
  return out + "\n" + verdict(comparison, style);
}

}  // namespace everywatt
