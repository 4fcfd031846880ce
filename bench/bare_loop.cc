// The least that a sampler can do: bare_loop TIMES [FILE] sleeps 100 ms and reads
// FILE, TIMES times over, and prints its own CPU seconds per second. What a
// meter takes beyond this is its own doing.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: bare_loop TIMES [FILE]\n", stderr);
    return 2;
  }
  const long times = std::strtol(argv[1], nullptr, 10);
  const int file = argc > 2 ? ::open(argv[2], O_RDONLY | O_CLOEXEC) : -1;
  char buffer[4096];
  const timespec period{.tv_sec = 0, .tv_nsec = 100'000'000};
  for (long i = 0; i < times; ++i) {
    (void)::ppoll(nullptr, 0, &period, nullptr);
    if (file >= 0 && ::pread(file, buffer, sizeof buffer, 0) <= 0) return 1;
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const double cpu = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  std::printf("%.9f\n", cpu / (0.1 * static_cast<double>(times)));
}
