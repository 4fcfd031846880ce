// The least that a sampler can do: bare_loop TIMES [FILE…] sleeps 100 ms and reads
// each FILE, TIMES times over, and prints its own CPU seconds per second. What a
// meter takes beyond this is its own doing.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: bare_loop TIMES [FILE…]\n", stderr);
    return 2;
  }
  const long times = std::strtol(argv[1], nullptr, 10);
  std::vector<int> files;
  for (int i = 2; i < argc; ++i) files.push_back(::open(argv[i], O_RDONLY | O_CLOEXEC));
  char buffer[4096];
  const timespec period{.tv_sec = 0, .tv_nsec = 100'000'000};
  for (long i = 0; i < times; ++i) {
    (void)::ppoll(nullptr, 0, &period, nullptr);
    for (const int file : files) {
      if (::pread(file, buffer, sizeof buffer, 0) <= 0) return 1;
    }
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const double cpu = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  std::printf("%.9f\n", cpu / (0.1 * static_cast<double>(times)));
}
