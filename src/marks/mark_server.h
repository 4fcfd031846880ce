// The supervisor's ear: listens where the job's processes hand over their rings,
// and reads all rings. It never waits, and nothing that a process does can make
// it fail: a process that talks nonsense is left out, with a line that says why.
//
//   TRY(auto server, MarkServer::listen(path));   // EVERYWATT_SOCKET=path for the job
//   server.accept_and_drain(now, sink);           // ten times a second
//   server.finish(now, sink);                     // once, when the job has ended
//
// A ring that was handed over outlives its process: what was committed before a
// SIGKILL is read at the next look. Rings go when their process has ended or
// closed them. One thread owns a server.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "marks/greeting.h"
#include "marks/mapped_ring.h"
#include "marks/ring_reader.h"
#include "model/mark.h"

namespace everywatt::marks {

struct MarkLoss {
  std::uint64_t dropped = 0;  // marks that found no room
  std::uint64_t torn = 0;     // places that were taken and never filled
};

class MarkServer {
 public:
  // Makes the socket, for this user alone. Refused where something is at that path or where it is longer than 107
  // bytes.
  static Result<MarkServer> listen(const std::filesystem::path& path);
  MarkServer(MarkServer&& other) noexcept;
  MarkServer& operator=(MarkServer&&) = delete;
  ~MarkServer();  // removes the socket

  const std::filesystem::path& path() const { return path_; }

  // Takes in who has come and hands over what was said since the last call, at most about a million slots of all rings
  // together (tens of milliseconds); the rest stands in the rings until the next call. `now` is CLOCK_MONOTONIC.
  // The sink gets each process's marks between its ProcessBegin and its ProcessEnd, those of one thread in the order of
  // time. Returns what a person should know, one line each; mostly nothing.
  std::vector<std::string> accept_and_drain(Nanoseconds now, const MarkSink& sink);

  // The same without that bound, and then each process ends: what is being written in this moment counts as torn.
  std::vector<std::string> finish(Nanoseconds now, const MarkSink& sink);

  // Readable when a process calls; it stays so until it is accepted.
  int callers_fd() const { return socket_.get(); }
  // Whether one is connected that has not said who it is.
  bool has_callers() const { return !callers_.empty(); }

  // Of all processes so far.
  MarkLoss loss() const;

 private:
  struct Speaker {
    MappedRing memory;
    RingReader reader;
    Introduction who;
    std::uint64_t slots_in_memory = 0;  // ours, of those that were read
    bool has_ended = false;
  };
  struct Caller {  // connected, and silent so far
    Fd connection;
    Nanoseconds since;
  };
  enum class Last { no, yes };

  MarkServer(std::filesystem::path path, Fd socket) : path_{std::move(path)}, socket_{std::move(socket)} {}
  std::size_t hear_callers(Nanoseconds now, const MarkSink& sink);  // how many came
  // Whether all was heard that it has to say.
  bool hear_caller(const Fd& connection, Nanoseconds now, const MarkSink& sink);
  Result<void> take_in(const Packet& packet, std::int32_t peer, Nanoseconds now, const MarkSink& sink);
  void hear_speakers(Nanoseconds now, Last last, const MarkSink& sink);
  void hear(Speaker& speaker, Nanoseconds now, Last last, std::uint64_t& slots, const MarkSink& sink);
  void end(Speaker& speaker, Nanoseconds now, std::optional<std::string> trouble, const MarkSink& sink);
  void tell(std::string line);

  std::filesystem::path path_;
  Fd socket_;
  std::vector<Caller> callers_;
  std::vector<Speaker> speakers_;
  std::size_t first_ = 0;  // whose turn it is when there is too much for one call
  MarkLoss of_the_ended_;
  std::vector<std::string> lines_;
  std::size_t lines_told_ = 0;
};

}  // namespace everywatt::marks
