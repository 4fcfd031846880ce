#include "sources/proc_stat.h"

namespace everywatt {
namespace {

// Order of the columns: proc_stat(5). guest and guest_nice are already inside
// user and nice, so they are not added; idle, iowait and steal are no work.
constexpr unsigned kSoftirq = 6;
constexpr bool kIsWork[] = {true /*user*/, true /*nice*/, true /*system*/, false /*idle*/, false /*iowait*/,
                            true /*irq*/,  true /*softirq*/};
// Every processor has at least user, nice, system and idle (Linux 2.4).
constexpr unsigned kFewestColumns = 4;
// 10^18 ticks are 300 million years; more digits are no tick count.
constexpr unsigned kMostDigits = 18;

// NR_CPUS of any kernel is far below.
constexpr std::uint64_t kLastCpu = 65535;

class Scanner {
 public:
  explicit Scanner(std::string_view text) : at_{text.data()}, end_{text.data() + text.size()} {}

  [[nodiscard]] bool at_end() const { return at_ == end_; }
  [[nodiscard]] bool at_digit() const { return !at_end() && *at_ >= '0' && *at_ <= '9'; }

  bool take(std::string_view word) {
    if (!std::string_view{at_, end_}.starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  bool take_number(std::uint64_t& value) {
    const char* first = at_;
    value = 0;
    for (; at_digit(); ++at_) value = value * 10 + static_cast<std::uint64_t>(*at_ - '0');
    return at_ != first && at_ - first <= static_cast<std::ptrdiff_t>(kMostDigits);
  }

  void skip_blanks() {
    while (!at_end() && *at_ == ' ') ++at_;
  }

  // False where the text ends within the line.
  bool skip_line() {
    while (!at_end() && *at_ != '\n') ++at_;
    if (at_end()) return false;
    ++at_;
    return true;
  }

 private:
  const char* at_;
  const char* end_;
};

// The columns after "cpuN".
bool take_columns(Scanner& scan, std::uint64_t& worked) {
  for (unsigned column = 0; column <= kSoftirq; ++column) {
    scan.skip_blanks();
    if (!scan.at_digit()) return column >= kFewestColumns;
    std::uint64_t ticks = 0;
    if (!scan.take_number(ticks)) return false;
    if (kIsWork[column]) worked += ticks;
  }
  return true;
}

}  // namespace

CpuLines scan_cpu_lines(std::string_view text, std::vector<CpuTicks>& out) {
  out.clear();
  Scanner scan{text};
  while (scan.take("cpu")) {
    std::uint64_t cpu = 0;
    std::uint64_t worked = 0;
    const bool is_one_cpu = scan.at_digit();
    if (is_one_cpu && (!scan.take_number(cpu) || cpu > kLastCpu || !take_columns(scan, worked))) {
      const bool was_cut_off = !scan.skip_line();
      return was_cut_off ? CpuLines::cut_off : CpuLines::malformed;
    }
    if (!scan.skip_line()) return CpuLines::cut_off;
    if (is_one_cpu) out.push_back({static_cast<unsigned>(cpu), worked});
  }
  if (out.empty()) return scan.at_end() && !text.empty() ? CpuLines::cut_off : CpuLines::malformed;
  return CpuLines::complete;
}

}  // namespace everywatt
