#include "marks/mark_server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

namespace everywatt::marks {
namespace {

constexpr int kBacklog = 4096;                 // the kernel's own bound (somaxconn) since Linux 5.4
constexpr std::size_t kMostSpeakers = 1024;    // at a time; further ones wait in the backlog
constexpr std::size_t kMostCallers = 64;       // silent ones at a time
constexpr Nanoseconds kSilence = 5 * kSecond;  // after which a caller is sent away
constexpr std::uint64_t kSlotsPerLook = std::uint64_t{4} * kSlotCount;
constexpr std::uint64_t kSlotsKept =
    std::uint64_t{64} * 1024 / sizeof(Slot);  // of a ring in our memory after they were read
constexpr int kLastRounds = 16;               // of kMostSpeakers each: who still comes then comes in vain
constexpr std::size_t kMostLines = 16;

// EPERM is a process, too.
bool has_ended(std::int32_t pid) { return pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH; }

std::string named(const Introduction& who) {
  return "marks of process " + std::to_string(who.writer.process.pid) + " (" + who.begin.name + ")";
}

Mark of_process(const Introduction& who, Nanoseconds now, decltype(Mark::what) what) {
  const ProcessKey& process = who.writer.process;
  return {.time = now, .lane = {.process = process, .thread = process.pid}, .what = std::move(what)};
}

// Ten times a second the answer is no, and accept() makes a socket before it finds that nobody called.
bool someone_calls(const Fd& socket) {
  pollfd event{.fd = socket.get(), .events = POLLIN, .revents = 0};
  return ::poll(&event, 1, 0) > 0;
}

// Another descriptor can be had: a file that comes with a packet for which there is none would be lost.
bool has_room_for_file(const Fd& connection) { return bool{Fd{::dup(connection.get())}}; }

}  // namespace

Result<MarkServer> MarkServer::listen(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& text = path.native();
  if (text.size() >= sizeof address.sun_path) {
    return fail(Errc::misuse, text + ": a socket's path has at most " + std::to_string(sizeof address.sun_path - 1) +
                                  " bytes: choose a shorter folder");
  }
  std::memcpy(address.sun_path, text.c_str(), text.size() + 1);
  Fd socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!socket) return fail_errno(errno, "make a socket for marks");
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail_errno(errno, "listen for marks on " + text);
  }
  MarkServer server{path, std::move(socket)};
  if (::chmod(text.c_str(), 0600) != 0 || ::listen(server.socket_.get(), kBacklog) != 0) {
    return fail_errno(errno, "listen for marks on " + text);
  }
  return server;
}

MarkServer::MarkServer(MarkServer&& other) noexcept = default;

MarkServer::~MarkServer() {
  if (socket_) ::unlink(path_.c_str());
}

std::vector<std::string> MarkServer::accept_and_drain(Nanoseconds now, const MarkSink& sink) {
  hear_callers(now, sink);
  hear_speakers(now, Last::no, sink);
  return std::exchange(lines_, {});
}

std::vector<std::string> MarkServer::finish(Nanoseconds now, const MarkSink& sink) {
  for (int round = 0; round < kLastRounds; ++round) {
    const std::size_t came = hear_callers(now, sink);
    hear_speakers(now, Last::yes, sink);
    if (came == 0) break;
  }
  return std::exchange(lines_, {});
}

// One after the other: a thousand at once would be more files than we may open.
std::size_t MarkServer::hear_callers(Nanoseconds now, const MarkSink& sink) {
  std::erase_if(callers_, [&](const Caller& caller) {
    return hear_caller(caller.connection, now, sink) || now - caller.since >= kSilence;
  });
  std::size_t came = 0;
  while (came < kMostSpeakers && speakers_.size() < kMostSpeakers && callers_.size() < kMostCallers &&
         someone_calls(socket_)) {
    Fd connection{::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!connection) break;
    ++came;
    if (hear_caller(connection, now, sink)) continue;
    callers_.push_back({.connection = std::move(connection), .since = now});
  }
  return came;
}

bool MarkServer::hear_caller(const Fd& connection, Nanoseconds now, const MarkSink& sink) {
  if (!has_room_for_file(connection)) return false;
  const auto packet = take_packet(connection);
  if (!packet) return false;
  if (packet->bytes.empty()) return true;  // killed before it said a word
  const std::int32_t peer = peer_of(connection);
  if (const auto taken = take_in(*packet, peer, now, sink); !taken) {
    tell("marks of process " + std::to_string(peer) + " are not read: " + taken.error().what);
  }
  return true;
}

Result<void> MarkServer::take_in(const Packet& packet, std::int32_t peer, Nanoseconds now, const MarkSink& sink) {
  TRY(Introduction who, parse_greeting(packet.bytes, peer));
  if (packet.files.size() != 1) {
    return fail(Errc::malformed, "its greeting came with " + std::to_string(packet.files.size()) + " files, not one");
  }
  TRY(MappedRing memory, MappedRing::map(packet.files.front()));
  TRY(RingReader reader, RingReader::open(memory.ring(), who.writer));
  sink(of_process(who, now, who.begin));
  speakers_.push_back({.memory = std::move(memory), .reader = std::move(reader), .who = std::move(who)});
  return {};
}

void MarkServer::hear_speakers(Nanoseconds now, Last last, const MarkSink& sink) {
  std::uint64_t slots = kSlotsPerLook;
  const std::size_t count = speakers_.size();
  for (std::size_t i = 0; i < count && slots > 0; ++i) {
    if (last == Last::yes) slots = kSlotsPerLook;
    hear(speakers_[first_ % count], now, last, slots, sink);
    // Who was heard last is heard last again only when all others were.
    ++first_;
  }
  std::erase_if(speakers_, &Speaker::has_ended);
}

void MarkServer::hear(Speaker& speaker, Nanoseconds now, Last last, std::uint64_t& slots, const MarkSink& sink) {
  // Asked before the ring is read: all that an ended process committed is then there.
  const bool is_gone = last == Last::yes || has_ended(speaker.who.writer.process.pid);
  const bool is_closed = speaker.reader.is_closed();
  const auto read = speaker.reader.drain(now, is_gone ? Writers::gone : Writers::alive, slots, sink);
  if (!read) return end(speaker, now, read.error().what, sink);
  slots -= std::min(slots, *read);
  speaker.slots_in_memory += *read;
  if (speaker.slots_in_memory > kSlotsKept) {
    speaker.memory.forget_pages();
    speaker.slots_in_memory = 0;
  }
  if (last == Last::yes || ((is_gone || is_closed) && speaker.reader.is_drained())) end(speaker, now, {}, sink);
}

void MarkServer::end(Speaker& speaker, Nanoseconds now, std::optional<std::string> trouble, const MarkSink& sink) {
  const ProcessEnd end{.dropped = speaker.reader.dropped(), .torn = speaker.reader.torn(), .trouble = trouble};
  speaker.has_ended = true;
  of_the_ended_.dropped += end.dropped;
  of_the_ended_.torn += end.torn;
  if (trouble) tell(named(speaker.who) + " are read no further: " + *trouble);
  sink(of_process(speaker.who, now, end));
}

MarkLoss MarkServer::loss() const {
  MarkLoss loss = of_the_ended_;
  for (const Speaker& speaker : speakers_) {
    loss.dropped += speaker.reader.dropped();
    loss.torn += speaker.reader.torn();
  }
  return loss;
}

// A process that talks nonsense without end is told of some times.
void MarkServer::tell(std::string line) {
  if (lines_told_ == kMostLines) return;
  if (++lines_told_ == kMostLines) line += " (further lines of this kind are left out)";
  lines_.push_back(std::move(line));
}

}  // namespace everywatt::marks
