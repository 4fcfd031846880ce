// Processes that hand over something else than a ring: each is left out with a
// line that says why, and the others are heard as before.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include "marks/delivery.h"
#include "marks/marks_under_test.h"

namespace everywatt::marks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Hostile : public testing::Marks {
 protected:
  void SetUp() override {
    Marks::SetUp();
    listen();
  }

  Fd connect() const {
    Fd socket{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return socket;
  }

  static Greeting greeting() {
    Greeting greeting{};
    greeting.magic = kGreetingMagic;
    greeting.version = kVersion;
    greeting.pid = static_cast<std::uint32_t>(::getpid());
    return greeting;
  }

  static void send(const Fd& socket, const void* data, std::size_t size, const std::vector<int>& files) {
    iovec part{.iov_base = const_cast<void*>(data), .iov_len = size};
    std::vector<char> control(CMSG_SPACE(files.size() * sizeof(int)));
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!files.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(files.size() * sizeof(int));
      std::memcpy(CMSG_DATA(rights), files.data(), files.size() * sizeof(int));
    }
    EXPECT_EQ(::sendmsg(socket.get(), &message, 0), static_cast<ssize_t>(size));
  }

  // What a look says of a process that sends this.
  std::vector<std::string> said_of(const Greeting& greeting, const std::vector<int>& files) {
    send(connect(), &greeting, sizeof greeting, files);
    lines_.clear();
    look();
    return lines_;
  }

  // A process like any other is heard.
  void TearDown() override {
    heard_.clear();
    EXPECT_EQ(run([] { everywatt_step(4711); }), 0);
    look();
    EXPECT_THAT(all<StepMark>(), ElementsAre(StepMark{.number = 4711}));
    Marks::TearDown();
  }
};

Fd memory_of(std::size_t bytes, int seals) {
  Fd file{::memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  EXPECT_EQ(::ftruncate(file.get(), static_cast<off_t>(bytes)), 0);
  EXPECT_EQ(::fcntl(file.get(), F_ADD_SEALS, seals), 0);
  return file;
}

constexpr int kSealed = F_SEAL_SHRINK | F_SEAL_GROW;

TEST_F(Hostile, AFileThatMayShrinkIsNotMapped) {
  const Fd file = memory_of(sizeof(Ring), F_SEAL_GROW);
  EXPECT_THAT(said_of(greeting(), {file.get()}), ElementsAre(HasSubstr("sealed against shrinking")));
}

TEST_F(Hostile, AFileThatIsNoMemoryIsNotMapped) {
  const Fd file{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  EXPECT_THAT(said_of(greeting(), {file.get()}), ElementsAre(HasSubstr("no memory")));
}

TEST_F(Hostile, AFileOfAnotherSizeIsNotMapped) {
  const Fd file = memory_of(4096, kSealed);
  EXPECT_THAT(said_of(greeting(), {file.get()}), ElementsAre(HasSubstr("has 4096 bytes")));
}

TEST_F(Hostile, AFileThatCannotBeWrittenIsNotMapped) {
  const Fd file = memory_of(sizeof(Ring), kSealed | F_SEAL_WRITE);
  EXPECT_THAT(said_of(greeting(), {file.get()}), ElementsAre(HasSubstr("map the ring")));
}

TEST_F(Hostile, EmptyMemoryIsNoRing) {
  const Fd file = memory_of(sizeof(Ring), kSealed);
  EXPECT_THAT(said_of(greeting(), {file.get()}), ElementsAre(HasSubstr("no ring of marks")));
}

TEST_F(Hostile, OneFileIsExpected) {
  const Fd file = memory_of(sizeof(Ring), kSealed);
  EXPECT_THAT(said_of(greeting(), {}), ElementsAre(HasSubstr("0 files")));
  EXPECT_THAT(said_of(greeting(), {file.get(), file.get()}), ElementsAre(HasSubstr("2 files")));
}

TEST_F(Hostile, FilesWithoutUseAreClosed) {
  const Fd file = memory_of(4096, kSealed);
  const auto next_free = [&] { return Fd{::dup(file.get())}.get(); };
  const int before = next_free();
  said_of(greeting(), std::vector<int>(100, file.get()));
  EXPECT_EQ(next_free(), before);
}

TEST_F(Hostile, AnotherGreetingIsRefused) {
  Greeting other = greeting();
  other.magic = 1;
  EXPECT_THAT(said_of(other, {}), ElementsAre(HasSubstr("none of libeverywatt's")));
  other = greeting();
  other.version = 9;
  EXPECT_THAT(said_of(other, {}), ElementsAre(HasSubstr("marks of version 9")));
  send(connect(), "hello", 5, {});
  lines_.clear();
  look();
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("a greeting of 5 bytes")));
}

TEST_F(Hostile, ACallerMayHesitateButNotForEver) {
  const Fd silent = connect();
  const Fd slow = connect();
  look();
  EXPECT_THAT(lines_, IsEmpty());
  OwnFile file;
  Ring* ring = make_ring(0, file);
  const Greeting hello = greeting();
  send(slow, &hello, sizeof hello, {file.fd});
  look();
  EXPECT_THAT(all<ProcessBegin>(), SizeIs(1));
  server_->accept_and_drain(now() + 6 * kSecond, sink_);
  EXPECT_EQ(::send(silent.get(), "x", 1, MSG_NOSIGNAL), -1) << "it was sent away";
  ::munmap(ring, sizeof(Ring));
  file.close();
}

TEST_F(Hostile, ACallerThatGoesWithoutAWordIsNoTrouble) {
  connect();
  look();
  EXPECT_THAT(lines_, IsEmpty());
}

TEST_F(Hostile, MoreProcessesThanThereAreFilesForAreAllHeard) {
  for (int i = 0; i < 100; ++i) EXPECT_EQ(run([i] { everywatt_step(i); }), 0);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit few{.rlim_cur = 32, .rlim_max = before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &few);
  look();
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_THAT(lines_, IsEmpty());
  EXPECT_THAT(all<StepMark>(), SizeIs(100));
}

TEST_F(Hostile, WhereNoFileCanBeHadACallerWaits) {
  EXPECT_EQ(run([] { everywatt_step(1); }), 0);
  const Nanoseconds before_limit = now();  // UBSan opens files to look at virtual calls: none under the limit
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  // Room for the connection, and none for what comes with it.
  const rlimit none{.rlim_cur = static_cast<rlim_t>(Fd{::dup(0)}.get() + 1), .rlim_max = before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  server_->accept_and_drain(before_limit, sink_);
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_THAT(heard_, IsEmpty());
  look();
  EXPECT_THAT(lines_, IsEmpty());
  EXPECT_THAT(all<StepMark>(), SizeIs(1));
}

TEST_F(Hostile, ARingThatIsDamagedLaterIsReadNoFurther) {
  OwnFile file;
  Ring* ring = make_ring(0, file);
  EXPECT_THAT(said_of(greeting(), {file.fd}), IsEmpty());
  ring->header.head = 1'000'000;
  look();
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("are read no further: the ring's head")));
  EXPECT_THAT(*only_end().trouble, HasSubstr("head"));
  look();
  EXPECT_THAT(lines_, SizeIs(1));
  ::munmap(ring, sizeof(Ring));
  file.close();
}

TEST_F(Hostile, ClaimsToBeFullOfNothingTakeNoTime) {
  // Rings that say they are full and hold nothing.
  std::vector<std::pair<Ring*, OwnFile>> rings(40);
  for (auto& [ring, file] : rings) {
    ring = make_ring(0, file);
    ring->header.head = kSlotCount;
    said_of(greeting(), {file.fd});
  }
  const Nanoseconds begin = now();
  for (int i = 0; i < 25; ++i) server_->accept_and_drain(begin + i * 6 * kSecond, sink_);
  EXPECT_LT(now() - begin, 2 * kSecond);
  for (auto& [ring, file] : rings) {
    ::munmap(ring, sizeof(Ring));
    file.close();
  }
}

TEST_F(Hostile, NonsenseWithoutEndIsToldOfSixteenTimes) {
  std::size_t told = 0;
  for (int i = 0; i < 40; ++i) told += said_of(greeting(), {}).size();
  EXPECT_EQ(told, 16u);
}

TEST_F(Hostile, ARingThatIsFullIsReadOverSeveralLooks) {
  std::vector<pid_t> jobs;
  for (int i = 0; i < 6; ++i) {
    jobs.push_back(start([] {
      for (std::uint32_t number = 0; number < kSlotCount; ++number) everywatt_step(number);
    }));
  }
  for (const pid_t job : jobs) EXPECT_EQ(end_of(job), 0);
  look();
  EXPECT_EQ(all<StepMark>().size(), 4 * kSlotCount);
  look();
  EXPECT_EQ(all<StepMark>().size(), 6 * kSlotCount);
  EXPECT_THAT(all<ProcessEnd>(), SizeIs(6));
}

TEST_F(Hostile, ASocketThatIsThereIsNotTaken) {
  const auto second = MarkServer::listen(path_);
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().what, HasSubstr("listen for marks on " + path_.string()));
  EXPECT_TRUE(std::filesystem::exists(path_));
}

}  // namespace
}  // namespace everywatt::marks
