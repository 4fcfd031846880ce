// everywatt baseline set | show | check: the gold standard of a model, and a run against it.
#include <algorithm>

#include "base/text.h"
#include "cli/baseline_folder.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/ledger.h"

namespace everywatt {
namespace {

constexpr int kWorse = 1, kInconclusive = 3;

Result<BaselineFolder> baseline_folder() {
  TRY(const StorePlace place, default_store_place());
  return BaselineFolder{place.path.parent_path() / "baselines"};
}

Result<Bill> ended_bill(Context& context, const std::string& reference) {
  TRY(const auto store, open_ledger(context, Create::no));
  TRY(Bill bill, read_bill(*store, reference));
  if (bill.run.status == RunStatus::running)
    return fail(Errc::misuse, "run " + bill.run.id + " is still being measured: wait for its end");
  return bill;
}

Result<int> baseline_set(Context& context, Args args) {
  std::string reference, phase = "epoch";
  Flags flags{
      "baseline set", "[--phase P] RUN",
      "Makes a run the gold standard of its model (of its name, where it was given no model) on its hardware: what "
      "one time of a phase takes, how far the times lie apart, the whole run, and what was around it. Kept in a file "
      "beside the ledger; one that is there already is replaced."};
  flags.positional("RUN", reference, "the run; it has ended");
  flags.option("--phase P", phase, "the phase whose times are compared (epoch): a path, or the end of one");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  TRY(const Bill bill, ended_bill(context, reference));
  TRY(Profile profile, profile_of(bill, phase));
  TRY(const BaselineFolder folder, baseline_folder());
  const Baseline baseline{.set = iso_time(context.clock.now().wall), .profile = std::move(profile)};
  CHECK(folder.write(baseline));
  context.out << baseline_text(baseline, context.out_style);
  return 0;
}

Result<int> baseline_show(Context& context, Args args) {
  std::vector<std::string> models;
  bool json = false;
  Flags flags{"baseline show", "[--json] [MODEL]", "Shows the baselines of a model, or of all."};
  flags.positional("MODEL", models, "all where none is given");
  flags.flag("--json", json, "as JSON, one document a baseline (schema everywatt.baseline/1)");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  if (models.size() > 1) return fail(Errc::misuse, "expected one MODEL, not " + std::to_string(models.size()));
  TRY(const BaselineFolder folder, baseline_folder());
  TRY(const auto all, folder.all_of(models.empty() ? "" : models.front()));
  if (all.empty())
    return fail(Errc::absent, "no baseline" + (models.empty() ? std::string{} : " of '" + models.front() + "'") +
                                  " yet: everywatt baseline set RUN makes one");
  for (const Baseline& baseline : all)
    context.out << (json ? baseline_json(baseline) : baseline_text(baseline, context.out_style));
  return 0;
}

// The one of the same hardware, else the last that was set: whether that will do is for check_comparable().
Result<Baseline> baseline_for(const Bill& bill) {
  const std::string model = bill.run.model.empty() ? bill.run.name : bill.run.model;
  TRY(const BaselineFolder folder, baseline_folder());
  TRY(auto all, folder.all_of(model));
  if (all.empty())
    return fail(Errc::absent, "no baseline of '" + model + "' yet: everywatt baseline set RUN makes one");
  const std::string hardware = hardware_of(bill);
  const auto same = std::ranges::find_if(all, [&](const Baseline& b) { return b.profile.hardware == hardware; });
  return same != all.end() ? *same : *std::ranges::max_element(all, {}, &Baseline::set);
}

// "1.5%" and "1.5" alike.
Result<double> tolerance_of(const std::optional<std::string>& text) {
  if (!text) return CompareOptions{}.tolerance;
  std::string_view number = *text;
  if (number.ends_with('%')) number.remove_suffix(1);
  const auto percent = parse_double(trim(number));
  if (!percent || *percent < 0 || *percent > 100)
    return fail(Errc::misuse, "--tolerance expects a percentage from 0 to 100, not '" + *text + "'");
  return *percent / 100;
}

Result<int> baseline_check(Context& context, Args args) {
  std::string reference;
  std::optional<std::string> tolerance_text;
  bool json = false, other_hardware = false;
  Flags flags{
      "baseline check", "[OPTION…] RUN",
      "Says what changed around a run against the baseline of its model, then what changed in its figures, and whether "
      "that is more than the spread over epochs. Ends with 0: no worse; 1: worse; 3: inconclusive, fewer than three "
      "epochs on one side or a spread too wide to rule out an increase of 5 %."};
  flags.positional("RUN", reference, "the run; it has ended");
  flags.option("--tolerance PERCENT", tolerance_text,
               "an increase that is let pass (1): whole runs of the same thing differ too");
  flags.flag("--other-hardware", other_hardware, "compare although hardware or boundary is another");
  flags.flag("--json", json, "as JSON (schema everywatt.baseline-check/1)");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  TRY(const double tolerance, tolerance_of(tolerance_text));
  TRY(const Bill bill, ended_bill(context, reference));
  TRY(const Baseline baseline, baseline_for(bill));
  TRY(const Profile run, profile_of(bill, baseline.profile.phase));
  CHECK(check_comparable(baseline.profile, run, other_hardware ? Allow::other_hardware : Allow::nothing));
  const Comparison comparison = compare(baseline.profile, run, {.tolerance = tolerance});
  context.out << (json ? comparison_json(baseline, run, comparison)
                       : comparison_text(baseline, run, comparison, context.out_style));
  if (comparison.verdict == Comparison::Verdict::worse) return kWorse;
  return comparison.verdict == Comparison::Verdict::no_worse ? 0 : kInconclusive;
}

}  // namespace

Result<int> baseline_command(Context& context, Args args) {
  constexpr std::string_view kUsage =
      "usage: everywatt baseline set | show | check  [OPTION…]\n\n"
      "  set       make a run the gold standard of its model\n"
      "  show      the baselines that there are\n"
      "  check     a run against the baseline of its model\n\n"
      "Each explains itself: everywatt baseline check --help\n";
  if (!args.empty() && (args.front() == "--help" || args.front() == "-h")) {
    context.out << kUsage;
    return 0;
  }
  if (args.empty()) return fail(Errc::misuse, "expected what to do: set, show or check");
  if (args.front() == "set") return baseline_set(context, args.subspan(1));
  if (args.front() == "show") return baseline_show(context, args.subspan(1));
  if (args.front() == "check") return baseline_check(context, args.subspan(1));
  return fail(Errc::misuse, "no 'baseline " + args.front() + "'; expected set, show or check");
}

}  // namespace everywatt
