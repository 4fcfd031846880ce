#include "meter/side_reader.h"

#include <signal.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include "base/bell.h"

namespace everywatt {
namespace {

// Drivers answer within milliseconds, the slowest within tens; longer is stuck. The loop, which appoints another
// reader, looks twice a second, and each tick while one is held up: with the tick before and the register's own period
// that is less than the second from which on a counter's silence is a gap.
constexpr Nanoseconds kHeldUp = 20 * kMillisecond;
constexpr Nanoseconds kStuck = 150 * kMillisecond;
// A device is opened by many calls.
constexpr Nanoseconds kStuckOpening = 250 * kMillisecond;
constexpr Nanoseconds kAskAgain = kSecond;  // a device that refused
// Calls for each source that nobody took: the loop was stopped. The oldest go.
constexpr std::size_t kMostWaiting = 64;

}  // namespace

struct SideReader::State : std::enable_shared_from_this<SideReader::State> {
  // A register that is read until it shows another value; the first time until it has done so twice, which tells how
  // often it does (meter/tick_period.h).
  struct Hunted {
    std::uint32_t channel = 0;
    std::uint64_t raw = 0;
    int renewals = 0;
  };
  struct Slot {
    std::unique_ptr<Source> source;
    int wanted = 0;         // readings
    bool is_asked = false;  // for one of all that there is, not by the pace
    std::optional<Nanoseconds> reading_since = {};
    std::vector<Hunted> hunted = {};  // registers, in the order in which they are read
    int enough = 2;                   // renewals of each, in this hunt
  };

  // A device that has not come up.
  struct Coming {
    std::size_t family = 0;
    SlowDevice device;
    std::optional<Nanoseconds> opening_since = {};
    Nanoseconds due = 0;
    std::optional<Error> refusal = {};  // the last
  };

  std::mutex mutex;
  Bell work;                     // for the readers
  std::condition_variable done;  // for the loop
  bool is_over = false;
  std::vector<std::unique_ptr<Slot>> slots;
  Batch batch;  // that nobody took
  std::vector<Opened> opened;
  std::vector<std::size_t> starting;            // families whose library has not answered
  std::vector<std::unique_ptr<Coming>> coming;  // in the order in which they are opened
  std::size_t openers = 0;
  std::size_t readers = 0;
  Nanoseconds period = 0;    // 0: reads when asked
  Nanoseconds next_due = 0;  // by the period
  Nanoseconds tick = 0;      // of its grid, the last that was due

  // Signals are the loop's: a thread beside it takes none.
  template <class Work>
  void start_thread(Work run) {
    sigset_t all, before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread{[state = shared_from_this(), run = std::move(run)] { run(*state); }}.detach();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  [[nodiscard]] static bool is_reading_longer_than(Nanoseconds time, const Slot& slot, Nanoseconds now) {
    return slot.reading_since && now - *slot.reading_since > time;
  }
  [[nodiscard]] static bool is_stuck(const Slot& slot, Nanoseconds now) {
    return is_reading_longer_than(kStuck, slot, now);
  }

  // Stuck ones do not count.
  [[nodiscard]] bool has_reader(Nanoseconds now) const {
    const auto stuck = std::ranges::count_if(slots, [&](const auto& slot) { return is_stuck(*slot, now); });
    return readers > static_cast<std::size_t>(stuck);
  }

  // Of those that are wanted the one that is wanted most often: so a hunt goes round all of them.
  [[nodiscard]] Slot* next_slot() const {
    Slot* next = nullptr;
    for (const auto& slot : slots) {
      if (slot->wanted > 0 && !slot->reading_since && (!next || slot->wanted > next->wanted)) next = slot.get();
    }
    return next;
  }

  // One that is being read by the pace is not read once more by it.
  enum class Why { pace, asked };
  void want(int readings, Nanoseconds now, Why why) {
    for (const auto& slot : slots) {
      const bool is_free = why == Why::asked ? !is_stuck(*slot, now) : !slot->reading_since || slot->wanted > 0;
      if (is_free) slot->wanted = std::max(slot->wanted, readings);
    }
  }

  void have_reader(Nanoseconds now) {
    if (slots.empty() || has_reader(now)) return;
    ++readers;
    start_thread([](State& state) { state.read_all(); });
  }

  // Until there is something to read, or nothing any more.
  void wait_for_work(std::unique_lock<std::mutex>& lock) {
    while (!is_over && !next_slot()) {
      if (period == 0) {
        work.wait(lock);
        continue;
      }
      const Nanoseconds now = RealClock::steady();
      if (now >= next_due) {
        want(1, now, Why::pace);
        tick = now / period;
        next_due = next_on_grid(now, period);
        if (next_slot()) return;
      }
      work.wait(lock, next_due);
    }
  }

  void read_all() {
    std::unique_lock lock{mutex};
    std::vector<Reading> readings;
    int round = 0;
    for (;;) {
      wait_for_work(lock);
      if (is_over) break;
      if (const int wanted = next_slot()->wanted; wanted < std::exchange(round, wanted)) {
        for (const Nanoseconds end = RealClock::steady() + kHuntPause; !is_over && RealClock::steady() < end;)
          work.wait(lock, end);
        continue;
      }
      if (read(*next_slot(), readings, lock) > kStuck && readers > 1)
        break;  // another has taken over: one reader is enough
    }
    --readers;
  }

  // Whether each register has been renewed often enough since the hunt began. What is left out of a reading has been,
  // or is not there.
  static bool has_seen_all(Slot& slot, std::span<const Reading> readings) {
    auto& hunted = slot.hunted;
    if (hunted.empty()) {
      for (const Reading& reading : readings) hunted.push_back({reading.channel, reading.raw});
      return false;
    }
    for (const Reading& reading : readings) {
      const auto known = std::ranges::find(hunted, reading.channel, &Hunted::channel);
      if (known != hunted.end()) known->renewals += std::exchange(known->raw, reading.raw) != reading.raw;
    }
    return std::ranges::all_of(hunted, [&](const Hunted& one) { return one.renewals >= slot.enough; });
  }

  // How long the call took. `readings`: the reader's memory for what it gives.
  Nanoseconds read(Slot& slot, std::vector<Reading>& readings, std::unique_lock<std::mutex>& lock) {
    const bool is_one_of_many = --slot.wanted > 0;
    const bool is_whole = !is_one_of_many && std::exchange(slot.is_asked, false);
    const auto now_tick = static_cast<std::uint64_t>(tick);
    readings.clear();
    Stamp stamp;
    stamp.before = RealClock::steady();
    slot.reading_since = stamp.before;
    lock.unlock();
    auto outcome = is_one_of_many ? slot.source->sample_in_hunt(readings)
                   : is_whole     ? slot.source->sample(readings)
                                  : slot.source->sample_on_pace(now_tick, readings);
    stamp.after = RealClock::steady();
    lock.lock();
    if (!is_one_of_many && !slot.hunted.empty()) {
      slot.hunted.clear();
      slot.enough = 1;
    }
    if (is_one_of_many && has_seen_all(slot, readings)) slot.wanted = std::min(slot.wanted, 1);
    slot.reading_since.reset();
    keep({.source = slot.source.get(), .stamp = stamp, .readings = readings.size(), .outcome = std::move(outcome)},
         readings);
    done.notify_all();
    return stamp.after - stamp.before;
  }

  void keep(Call call, std::span<const Reading> readings) {
    if (batch.calls.size() >= kMostWaiting * slots.size()) {
      const auto oldest = static_cast<std::ptrdiff_t>(batch.calls.front().readings);
      batch.readings.erase(batch.readings.begin(), batch.readings.begin() + oldest);
      batch.calls.erase(batch.calls.begin());
    }
    batch.readings.insert(batch.readings.end(), readings.begin(), readings.end());
    batch.calls.push_back(std::move(call));
  }

  void open_family(std::size_t family, const SlowOpen& open) {
    auto devices = open();
    std::unique_lock lock{mutex};
    std::erase(starting, family);
    if (devices) {
      opened.push_back({.family = family, .source = nullptr});
      for (SlowDevice& device : *devices)
        coming.push_back(std::make_unique<Coming>(Coming{.family = family, .device = std::move(device)}));
      ++openers;
      open_devices(lock);
    } else {
      opened.push_back({.family = family, .source = std::unexpected{std::move(devices).error()}});
    }
    done.notify_all();
  }

  static bool is_stuck(const Coming& device, Nanoseconds now) {
    return device.opening_since && now - *device.opening_since > kStuckOpening;
  }

  [[nodiscard]] Coming* next_to_open(Nanoseconds now) const {
    const auto next =
        std::ranges::find_if(coming, [&](const auto& device) { return !device->opening_since && device->due <= now; });
    return next == coming.end() ? nullptr : next->get();
  }

  // Stuck ones do not count.
  void have_opener(Nanoseconds now) {
    const auto stuck = std::ranges::count_if(coming, [&](const auto& device) { return is_stuck(*device, now); });
    if (openers > static_cast<std::size_t>(stuck) || !next_to_open(now)) return;
    ++openers;
    start_thread([](State& state) {
      std::unique_lock lock{state.mutex};
      state.open_devices(lock);
    });
  }

  void open_devices(std::unique_lock<std::mutex>& lock) {
    for (;;) {
      const Nanoseconds begun = RealClock::steady();
      Coming* const device = is_over ? nullptr : next_to_open(begun);
      if (!device) break;
      device->opening_since = begun;
      lock.unlock();
      auto source = device->device.open();
      lock.lock();
      take_device(*device, std::move(source));
      done.notify_all();
      if (RealClock::steady() - begun > kStuckOpening && openers > 1)
        break;  // another has taken over: one opener is enough
    }
    --openers;
  }

  void take_device(Coming& device, Result<std::unique_ptr<Source>> source) {
    device.opening_since.reset();
    if (!source) {
      device.due = RealClock::steady() + kAskAgain;
      if (!device.refusal)
        opened.push_back(
            {.family = device.family, .device = device.device.name, .source = std::unexpected{source.error()}});
      device.refusal = std::move(source).error();
      return;
    }
    opened.push_back({.family = device.family, .device = device.device.name, .source = source->get()});
    slots.push_back(std::make_unique<Slot>(Slot{.source = *std::move(source)}));
    std::erase_if(coming, [&](const auto& one) { return one.get() == &device; });
  }

  // All but what refused or is stuck.
  [[nodiscard]] bool is_opening(Nanoseconds now) const {
    return !starting.empty() ||
           std::ranges::any_of(coming, [&](const auto& one) { return !one->refusal && !is_stuck(*one, now); });
  }
};

SideReader::SideReader() : state_{std::make_shared<State>()} {}

SideReader::~SideReader() {
  const std::lock_guard lock{state_->mutex};
  state_->is_over = true;
  state_->work.ring();
}

void SideReader::open(std::size_t family, SlowOpen open) {
  {
    const std::lock_guard lock{state_->mutex};
    state_->starting.push_back(family);
  }
  state_->start_thread([family, open = std::move(open)](State& state) { state.open_family(family, open); });
}

std::vector<SideReader::Opened> SideReader::take_opened() {
  const std::lock_guard lock{state_->mutex};
  state_->have_opener(RealClock::steady());
  return std::exchange(state_->opened, {});
}

std::vector<SideReader::Missing> SideReader::missing() const {
  const std::lock_guard lock{state_->mutex};
  std::vector<Missing> all;
  for (const std::size_t family : state_->starting) all.push_back({.family = family});
  for (const auto& one : state_->coming)
    all.push_back({.family = one->family, .device = one->device.name, .refusal = one->refusal});
  return all;
}

bool SideReader::is_opening() const {
  const std::lock_guard lock{state_->mutex};
  return state_->is_opening(RealClock::steady());
}

void SideReader::request(Look look) {
  const std::lock_guard lock{state_->mutex};
  if (state_->slots.empty()) return;
  const Nanoseconds now = RealClock::steady();
  state_->want(look == Look::hunt ? kHuntReads : 1, now, State::Why::asked);
  if (look == Look::once) {
    for (const auto& slot : state_->slots) slot->is_asked = true;
  }
  state_->have_reader(now);
  state_->work.ring();
}

void SideReader::keep_pace(Nanoseconds period) {
  const std::lock_guard lock{state_->mutex};
  const Nanoseconds now = RealClock::steady();
  if (state_->period != period) {
    state_->period = period;
    state_->next_due = now;
    state_->work.ring();
  }
  if (period > 0) state_->have_reader(now);
}

bool SideReader::is_held_up() const {
  const std::lock_guard lock{state_->mutex};
  const Nanoseconds now = RealClock::steady();
  return std::ranges::any_of(state_->slots, [&](const auto& slot) {
    return State::is_reading_longer_than(kHeldUp, *slot, now) && !State::is_stuck(*slot, now);
  });
}

void SideReader::take(Batch& into) {
  into.calls.clear();
  into.readings.clear();
  const std::lock_guard lock{state_->mutex};
  std::swap(into, state_->batch);
}

bool SideReader::wait(For what, Nanoseconds deadline) {
  std::unique_lock lock{state_->mutex};
  for (const auto& slot : state_->slots) slot->wanted = std::min(slot->wanted, 1);  // no hunt holds up who waits
  const auto is_done = [&] {
    const Nanoseconds now = RealClock::steady();
    if (what == For::openings)
      return state_->starting.empty() &&
             std::ranges::all_of(state_->coming, [](const auto& device) { return device->refusal.has_value(); });
    return std::ranges::none_of(state_->slots, [&](const auto& slot) {
      return (slot->wanted > 0 || slot->reading_since) && !state_->is_stuck(*slot, now);
    });
  };
  while (!is_done()) {
    const Nanoseconds now = RealClock::steady(), left = deadline - now;
    if (left <= 0) return false;
    state_->have_reader(now);  // the one that there is may have got stuck since
    state_->have_opener(now);
    state_->done.wait_for(lock, std::chrono::nanoseconds{std::min(left, 20 * kMillisecond)});
  }
  return true;
}

}  // namespace everywatt
