// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <functional>

#include "hypervisor/file_descriptor.h"

namespace firn {
namespace {

class TerminalTest : public ::testing::Test {
 protected:
  TerminalTest() {
    int controller, terminal;
    EXPECT_EQ(openpty(&controller, &terminal, nullptr, nullptr, nullptr), 0);
    controller_.Reset(controller);
    terminal_.Reset(terminal);
  }
  bool IsRaw() const {
    struct termios settings;
    EXPECT_EQ(tcgetattr(terminal_.get(), &settings), 0);
    return (settings.c_lflag & ICANON) == 0;
  }
  // Runs `body` in a child process and returns its wait status.
  int InChild(const std::function<void()>& body) {
    const pid_t child = fork();
    if (child == 0) {
      body();
      _exit(99);
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return status;
  }

  FileDescriptor controller_, terminal_;
};

TEST_F(TerminalTest, IsRawAsLongAsItLives) {
  ASSERT_FALSE(IsRaw());
  {
    auto raw = RawTerminal::Enter(terminal_.get());
    ASSERT_TRUE(raw.ok() && raw->has_value());
    EXPECT_TRUE(IsRaw());
    struct termios settings;
    ASSERT_EQ(tcgetattr(terminal_.get(), &settings), 0);
    EXPECT_NE(settings.c_oflag & OPOST, 0u);
  }
  EXPECT_FALSE(IsRaw());
}

TEST_F(TerminalTest, RestoreMayComeFirstAndTwice) {
  RestoreTerminal();
  auto raw = RawTerminal::Enter(terminal_.get());
  ASSERT_TRUE(raw.ok() && raw->has_value());
  RestoreTerminal();
  EXPECT_FALSE(IsRaw());
  RestoreTerminal();
}

TEST_F(TerminalTest, OtherFilesAreLeftAlone) {
  FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  auto raw = RawTerminal::Enter(null.get());
  ASSERT_TRUE(raw.ok());
  EXPECT_FALSE(raw->has_value());
}

TEST_F(TerminalTest, IsPutBackAtExit) {
  const int status = InChild([&] {
    auto raw = RawTerminal::Enter(terminal_.get());
    exit(IsRaw() ? 7 : 8);
  });
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_FALSE(IsRaw());
}

class DeadlySignalTest : public TerminalTest, public ::testing::WithParamInterface<int> {};

TEST_P(DeadlySignalTest, PutsTheTerminalBackAndStillKills) {
  const int status = InChild([&] {
    signal(GetParam(), SIG_DFL);  // sanitizers have their own handlers
    auto raw = RawTerminal::Enter(terminal_.get());
    if (!IsRaw()) _exit(8);
    raise(GetParam());
  });
  EXPECT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), GetParam());
  EXPECT_FALSE(IsRaw());
}

INSTANTIATE_TEST_SUITE_P(All, DeadlySignalTest,
                         ::testing::Values(SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS,
                                           SIGTRAP, SIGXCPU, SIGXFSZ, SIGALRM, SIGPROF, SIGPOLL,
                                           SIGPWR, SIGVTALRM, SIGSTKFLT, SIGUSR1, SIGUSR2));

TEST(EscapeParserTest, PassesWhatIsTyped) {
  EscapeParser parser;
  const auto result = parser.Parse("ls -l\r\x03\x04");
  EXPECT_EQ(result.input, "ls -l\r\x03\x04");
  EXPECT_FALSE(result.quit);
}

TEST(EscapeParserTest, QuitsAlsoAcrossReads) {
  EscapeParser parser;
  EXPECT_EQ(parser.Parse("a\x01").input, "a");
  const auto result = parser.Parse("xb");
  EXPECT_TRUE(result.quit);
  EXPECT_EQ(result.input, "");
}

TEST(EscapeParserTest, HelpsAndGoesOn) {
  EscapeParser parser;
  const auto result = parser.Parse("a\x01hb");
  EXPECT_TRUE(result.help);
  EXPECT_EQ(result.input, "ab");
}

TEST(EscapeParserTest, DoubledIsOne) {
  EscapeParser parser;
  EXPECT_EQ(parser.Parse("\x01\x01x").input, "\x01x");
}

TEST(EscapeParserTest, OtherKeysPassWithTheirPrefix) {
  EscapeParser parser;
  EXPECT_EQ(parser.Parse("\x01q").input, "\x01q");
}

}  // namespace
}  // namespace firn
