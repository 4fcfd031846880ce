#include "sources/nvml_meaning.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace everywatt::nvml {
namespace {

constexpr PowerMeaning known(int window_ms, int period_ms) {
  return {.window = window_ms * kMillisecond, .period = period_ms * kMillisecond, .is_known = true};
}

constexpr PowerMeaning kPartTime = known(25, 100);
constexpr PowerMeaning kFifth = known(20, 100);  // Quadro RTX 8000
constexpr PowerMeaning kTenth = known(100, 100);
constexpr PowerMeaning kSecondMean = known(1000, 100);
constexpr PowerMeaning kFast = known(10, 20);  // Pascal, Volta
// Kepler's and Maxwell's registers follow power as a capacitor does, by some 50 ms: as old as a mean over twice that.
// The first Keplers' are renewed every 15 ms, which does not make them quicker.
constexpr PowerMeaning kFollowing = {
    .window = 100 * kMillisecond, .period = 100 * kMillisecond, .is_known = true, .follows = true};

bool is_ga100(std::string_view name) {
  for (const std::string_view chip : {"A100", "A30", "A800", "CMP 170HX"}) {
    const auto at = name.find(chip);
    // "A30" and not "A3000".
    if (at != name.npos && name.substr(at + chip.size()).find_first_of("0123456789") != 0) return true;
  }
  return false;
}

// Whole words: "80GB" names no Grace Blackwell.
bool has_word(std::string_view name, std::string_view word) {
  const auto is_letter_or_digit = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
  for (auto at = name.find(word); at != name.npos; at = name.find(word, at + 1)) {
    const auto end = at + word.size();
    if ((at == 0 || !is_letter_or_digit(name[at - 1])) && (end == name.size() || !is_letter_or_digit(name[end])))
      return true;
  }
  return false;
}

PowerMeaning instant_of(Architecture architecture, std::string_view name) {
  switch (architecture) {
    case Architecture::kepler:
    case Architecture::maxwell:
      return kFollowing;
    case Architecture::pascal:
    case Architecture::volta:
      return kFast;
    case Architecture::hopper:
      return kPartTime;
    case Architecture::ampere:
      return is_ga100(name) ? kPartTime : kTenth;
    case Architecture::turing:
      return name.find("RTX 8000") != name.npos ? kFifth : kTenth;
    case Architecture::ada:
      return kTenth;
    default:
      return {.window = kTenth.window, .period = kTenth.period, .is_known = false};
  }
}

}  // namespace

PowerMeaning meaning_of(PowerCall call, Architecture architecture, std::string_view name, unsigned driver_major) {
  const bool averages = architecture == Architecture::ada || architecture == Architecture::hopper ||
                        (architecture == Architecture::ampere && !is_ga100(name));
  switch (call) {
    case PowerCall::instant:
      return instant_of(architecture, name);
    case PowerCall::average:
      return {.window = kSecondMean.window, .period = kSecondMean.period, .is_known = averages};
    case PowerCall::usage:
      // Driver 530 alone gave Ada and GA10x the last 100 ms.
      if (averages) return driver_major == 530 ? kTenth : kSecondMean;
      if (architecture >= Architecture::blackwell) return {.window = kSecondMean.window, .period = kSecondMean.period};
      return instant_of(architecture, name);
  }
  return {};
}

bool is_superchip(std::string_view name) {
  constexpr std::array<std::string_view, 4> kSuperchips = {"GH200", "GB200", "GB300", "GB10"};
  return std::ranges::any_of(kSuperchips, [&](std::string_view chip) { return has_word(name, chip); });
}

Nanoseconds counter_period(Architecture architecture) {
  return architecture == Architecture::volta ? 20 * kMillisecond : 100 * kMillisecond;
}

std::string_view name_of(Architecture architecture) {
  switch (architecture) {
    case Architecture::kepler:
      return "Kepler";
    case Architecture::maxwell:
      return "Maxwell";
    case Architecture::pascal:
      return "Pascal";
    case Architecture::volta:
      return "Volta";
    case Architecture::turing:
      return "Turing";
    case Architecture::ampere:
      return "Ampere";
    case Architecture::ada:
      return "Ada";
    case Architecture::hopper:
      return "Hopper";
    case Architecture::blackwell:
      return "Blackwell";
    default:
      return "an architecture that is not known";
  }
}

Architecture architecture_of(int major, int minor) {
  switch (major) {
    case 3:
      return Architecture::kepler;
    case 5:
      return Architecture::maxwell;
    case 6:
      return Architecture::pascal;
    case 7:
      return minor >= 5 ? Architecture::turing : Architecture::volta;
    case 8:
      return minor >= 9 ? Architecture::ada : Architecture::ampere;
    case 9:
      return Architecture::hopper;
    case 10:
    case 12:
      return Architecture::blackwell;
    default:
      return Architecture::unknown;
  }
}

}  // namespace everywatt::nvml
