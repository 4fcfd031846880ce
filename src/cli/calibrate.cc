// everywatt calibrate: what must be known of a machine's sensors to read them
// right. Floors (what a device draws when nobody works) and update periods;
// gain and offset against a meter one trusts are calibrate_gain.cc's.
#include <time.h>

#include <algorithm>
#include <array>
#include <map>

#include "base/text.h"
#include "cli/calibrate_gain.h"
#include "cli/command.h"
#include "cli/flags.h"
#include "cli/ledger.h"
#include "cli/recording.h"
#include "meter/meter.h"
#include "meter/sampler.h"
#include "report/format.h"
#include "sources/all_sources.h"

namespace everywatt {
namespace {

constexpr Nanoseconds kTick = 100 * kMillisecond;
constexpr std::size_t kDeviceColumn = 22;  // characters at least

void sleep_until(Nanoseconds steady) {
  const timespec when{.tv_sec = steady / kSecond, .tv_nsec = steady % kSecond};
  ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr);
}

Result<double> seconds_of(const std::optional<std::string>& text, double otherwise) {
  if (!text) return otherwise;
  const auto seconds = parse_double(*text);
  if (!seconds || *seconds < 1 || *seconds > 3600) {
    return fail(Errc::misuse, "--seconds expects a number from 1 to 3600, not '" + *text + "'");
  }
  return *seconds;
}

// A quiet machine watched for a while, with no job. What takes its time to start is waited for.
std::map<std::string, Floor> watch(Context& context, double seconds) {
  Sampler sampler{all_sources(), context.roots, Sampler::Slow::here};
  const auto inventories = sampler.inventories();
  Meter meter{inventories, {.run = "calibrate", .tick = kTick}};
  sampler.sample_edge(context.clock, meter);
  const Instant start = context.clock.now();
  meter.begin(start);
  const std::vector<Tenant> tenants{{.run = "calibrate", .from = start.steady}};
  Instant now = start;
  for (int tick = 1; now.steady - start.steady < static_cast<Nanoseconds>(seconds * 1e9); ++tick) {
    sleep_until(next_on_grid(now.steady, kTick));
    now = context.clock.now();
    if (tick % 10 != 0) {
      sampler.sample_tick(context.clock);
      continue;
    }
    sampler.sample_edge(context.clock, meter);
    (void)meter.close_window({.until = now, .tenants = tenants});
  }
  sampler.sample_edge(context.clock, meter);
  (void)meter.finish({.until = context.clock.now(), .tenants = tenants});
  return meter.learnt_floors();
}

Result<int> calibrate_floors(Context& context, Args args) {
  std::optional<std::string> seconds_text;
  Flags flags{"calibrate floors", "[--seconds N]",
              "Watches the machine while nothing runs and remembers what each device draws then. Runs learn the same "
              "while they are measured; this makes the first one right from its start."};
  flags.option("--seconds N", seconds_text, "how long to watch (10)");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  TRY(const double seconds, seconds_of(seconds_text, 10));
  TRY(const auto store, open_ledger(context, Create::yes));
  const auto floors = watch(context, seconds);
  const std::string host = ledger_host(environment_of(context.roots)["host"], context.roots);
  std::size_t column = kDeviceColumn;
  for (const auto& [device, floor] : floors) column = std::max(column, device.size() + 2);
  for (const auto& [device, floor] : floors) {
    context.out << pad_right(device, column) << show_watts(floor.power / watt) << "  (" << to_string(floor.method)
                << ", " << floor.windows << (floor.windows == 1 ? " observation)\n" : " observations)\n");
    CHECK(store->put_floor({.host = host,
                            .device = device,
                            .watts = floor.power / watt,
                            .method = std::string{to_string(floor.method)},
                            .windows = floor.windows,
                            .learnt_wall = context.clock.now().wall}));
  }
  if (floors.empty()) {
    return fail(Errc::absent,
                "no floor could be learnt: no sensor whose device was quiet (everywatt doctor lists the "
                "sensors; a modelled device has its floor from the model)");
  }
  CHECK(store->commit());
  return 0;
}

// The times between changes of one counter, polled as fast as it goes.
struct Changes {
  std::uint64_t last = 0;
  Nanoseconds changed = 0;
  std::vector<Nanoseconds> gaps = {};
};

bool is_sensor(const Channel& channel) {
  return channel.kind == ChannelKind::energy || channel.kind == ChannelKind::power;
}

// Those that take their time to start too: here one waits for them.
std::vector<std::unique_ptr<Source>> every_source(const Roots& roots) {
  std::vector<std::unique_ptr<Source>> sources;
  for (const SourceKind& kind : all_sources()) {
    if (kind.open) {
      if (auto source = kind.open(roots)) sources.push_back(*std::move(source));
    } else if (const auto open = kind.find(roots)) {
      const auto devices = (*open)();
      for (const SlowDevice& device : devices ? *devices : std::vector<SlowDevice>{}) {
        if (auto source = device.open()) sources.push_back(*std::move(source));
      }
    }
  }
  return sources;
}

void poll(Context& context, Source& source, double seconds, std::map<std::uint32_t, Changes>& changes) {
  const auto& channels = source.inventory().channels;
  std::vector<Reading> readings;
  const Nanoseconds until = context.clock.now().steady + static_cast<Nanoseconds>(seconds * 1e9);
  for (Nanoseconds now = 0; now < until;) {
    readings.clear();
    (void)source.sample_quickly(readings);
    now = context.clock.now().steady;
    for (const Reading& reading : readings) {
      if (reading.channel >= channels.size() || !is_sensor(channels[reading.channel])) continue;
      Changes& counter = changes[reading.channel];
      if (counter.changed != 0 && reading.raw == counter.last) continue;
      if (counter.changed != 0) counter.gaps.push_back(now - counter.changed);
      counter.changed = now;
      counter.last = reading.raw;
    }
  }
}

Result<int> calibrate_periods(Context& context, Args args) {
  std::optional<std::string> seconds_text;
  Flags flags{"calibrate periods", "[--seconds N]",
              "Polls each energy and power sensor and says how often it has something new."};
  flags.option("--seconds N", seconds_text, "how long to poll each family of sensors (2)");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  TRY(const double seconds, seconds_of(seconds_text, 2));
  std::size_t told = 0;
  const auto sources = every_source(context.roots);
  std::size_t column = kDeviceColumn;
  for (const auto& source : sources) {
    for (const Channel& channel : source->inventory().channels) {
      if (is_sensor(channel)) column = std::max(column, channel.device.size() + 2);
    }
  }
  for (const auto& source : sources) {
    const auto& channels = source->inventory().channels;
    if (std::ranges::none_of(channels, is_sensor)) continue;
    std::map<std::uint32_t, Changes> changes;
    poll(context, *source, seconds, changes);
    for (auto& [channel, counter] : changes) {
      context.out << pad_right(channels[channel].device, column) << pad_right(channels[channel].sensor, 18);
      if (counter.gaps.empty()) {
        context.out << "nothing new in " << show_duration(static_cast<Nanoseconds>(seconds * 1e9)) << '\n';
      } else {
        std::ranges::nth_element(counter.gaps,
                                 counter.gaps.begin() + static_cast<std::ptrdiff_t>(counter.gaps.size() / 2));
        context.out << "every " << show_duration(counter.gaps[counter.gaps.size() / 2]) << " (median of "
                    << counter.gaps.size() << " changes)\n";
      }
      ++told;
    }
  }
  if (told == 0) return fail(Errc::absent, "no energy or power sensor here may be read (everywatt doctor says why)");
  return 0;
}

}  // namespace

Result<int> calibrate_command(Context& context, Args args) {
  struct Part {
    std::string_view name;
    std::string_view help;
    Result<int> (*run)(Context&, Args);
  };
  constexpr std::array<Part, 5> kParts = {{{"floors", "what each device draws when nothing runs", calibrate_floors},
                                           {"periods", "how often each sensor has something new", calibrate_periods},
                                           {"gain", "a sensor against a meter one trusts", calibrate_gain},
                                           {"list", "what sensors were held against", calibrate_list},
                                           {"forget", "a device's gain and offset", calibrate_forget}}};
  if (!args.empty() && (args.front() == "--help" || args.front() == "-h")) {
    context.out << "usage: everywatt calibrate floors | periods | gain | list | forget  [OPTION…]\n\n";
    for (const Part& part : kParts) context.out << "  " << pad_right(part.name, 10) << part.help << '\n';
    context.out << "\nEach explains itself: everywatt calibrate gain --help\n";
    return 0;
  }
  if (args.empty()) return fail(Errc::misuse, "expected what to calibrate: floors, periods, gain, list or forget");
  const auto part = std::ranges::find(kParts, args.front(), &Part::name);
  if (part != kParts.end()) return part->run(context, args.subspan(1));
  return fail(Errc::misuse, "cannot calibrate '" + args.front() + "'; expected floors, periods, gain, list or forget");
}

}  // namespace everywatt
