#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include "cli/command.h"

namespace {

// Where a stream was closed by whoever started us, its number must not become a
// file of ours: the job would read or write there. Held by one that closes at exec.
void hold_closed_streams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (::fcntl(stream, F_GETFD) < 0) (void)::open("/dev/null", O_RDWR | O_CLOEXEC);
  }
}

// What a second of measuring takes and gives back again, the next one takes again:
// the heap neither shrinks nor grows by small steps in between, and no piece of a
// kilobyte lets malloc look through all small ones that lie free.
void keep_heap() {
  (void)::mallopt(M_TRIM_THRESHOLD, 4 << 20);
  (void)::mallopt(M_TOP_PAD, 256 << 10);
  (void)::mallopt(M_MXFAST, 0);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace everywatt;
  hold_closed_streams();
  keep_heap();
  try {
    const std::vector<std::string> args(argv + 1, argv + argc);
    RealClock clock;
    Context context{.out = std::cout,
                    .err = std::cerr,
                    .clock = clock,
                    .roots = Roots::from_environment(),
                    .out_style = Style::for_stream(STDOUT_FILENO),
                    .err_style = Style::for_stream(STDERR_FILENO)};
    const int status = dispatch(all_commands(), context, args);
    std::cout.flush();
    if (!std::cout) std::cerr << "everywatt: standard output could not be written (is the disk full?)\n";
    const bool is_lost = !std::cout && status == 0;
    std::cerr.flush();
    // A vendor library that hangs in a thread of its own would hold up an orderly exit.
    ::_exit(is_lost ? 1 : status);
  } catch (const std::exception& error) {
    std::cerr << "everywatt: this is our own bug, please report it: " << error.what() << '\n';
    return 70;
  }
}
