// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/run_vm.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "hypervisor/errno_status.h"
#include "vmm/api/server.h"
#include "vmm/base/event_loop.h"
#include "vmm/base/message.h"
#include "vmm/console/console_file.h"
#include "vmm/console/console_input.h"
#include "vmm/console/console_output.h"
#include "vmm/console/terminal.h"
#include "vmm/file_uses.h"
#include "vmm/host_probe.h"
#include "vmm/hypervisor_choice.h"
#include "vmm/instruction_stops.h"
#include "vmm/load_request.h"
#include "vmm/machine/entropy.h"
#include "vmm/machine/machine.h"
#include "vmm/machine/stats.h"
#include "vmm/outcome.h"
#include "vmm/signals.h"
#include "vmm/vm_control.h"

namespace firn {
namespace {

void PrintPhase(const WalkedPhase& phase) { PrintMessage(phase.ToString()); }

// One run, over all reboots. Members are destroyed from the last to the first.
class Session {
 public:
  Session(const VmConfig& config, const RunOptions& options, Timeline& timeline)
      : config_(config), options_(options), timeline_(timeline) {}

  // The first machine comes from a snapshot.
  Session(const VmConfig& config, const Snapshot& snapshot, const RestoreOptions& options,
          Timeline& timeline)
      : config_(config),
        options_(options.run),
        timeline_(timeline),
        snapshot_(&snapshot),
        restore_(options) {}

  // The first machine comes from a snapshot that a client of the control API names.
  Session(const RunOptions& options, std::function<absl::Status(VmConfig&)> apply,
          Timeline& timeline)
      : options_(options), timeline_(timeline), apply_(std::move(apply)) {}

  int Run() {
    absl::Status status = Prepare();
    if (status.ok()) status = apply_ == nullptr ? MakeMachine() : AwaitSnapshot();
    if (status.ok() && apply_ == nullptr) status = OpenApi();
    if (status.ok() && machine_ != nullptr) status = OpenConsoleInput();
    if (!status.ok()) {
      PrintError(status);
      return kExitError;
    }
    if (machine_ == nullptr) return Finish(*std::exchange(outcome_, std::nullopt));
    Outcome outcome = RunMachine();
    while (outcome.exit_status == kExitGuestReboot && config_.on_reboot == OnReboot::kRestart) {
      Note("the guest reboots");
      ++stats_.reboots;
      outcome = Restart();
    }
    return Finish(outcome);
  }

 private:
  // What can fail without a trace: nothing on the host has changed when it does.
  absl::Status Prepare() {
    if (options_.stats_path) {
      absl::Status status = CheckFileCanBeWritten(*options_.stats_path);
      if (!status.ok()) return Annotate(status, "--stats");
    }
    absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
    if (!loop.ok()) return loop.status();
    loop_ = *std::move(loop);
    absl::StatusOr<Signals> signals = Signals::Install();
    if (!signals.ok()) return signals.status();
    signals_ = std::make_unique<Signals>(*std::move(signals));
    return loop_->AddMonitor(signals_->fd(), [this] {
      loop_->RemoveMonitor(signals_->fd());
      End(OutcomeOfSignal(signals_->received()));
    });
  }

  absl::Status CheckFiles() const {
    std::vector<FileUse> inputs = InputsOf(config_), outputs = OutputsOf(config_);
    if (options_.config_path) inputs.push_back({"the configuration", *options_.config_path});
    if (snapshot_ != nullptr) {
      for (const SnapshotLayer& layer : snapshot_->layers()) {
        inputs.push_back({"the snapshot", layer.paths.state});
        inputs.push_back({"the snapshot", layer.paths.memory});
      }
    }
    if (options_.stats_path) outputs.push_back({"--stats", *options_.stats_path});
    return CheckFilesAreApart(inputs, outputs);
  }

  absl::Status MakeMachine() {
    absl::Status status = CheckFiles();
    if (status.ok()) status = OpenHost();
    if (status.ok()) status = CreateMachine();
    if (status.ok()) Note(stats_.interrupt_controller);
    return status;
  }

  absl::Status AwaitSnapshot() {
    absl::Status status = OpenApi();
    if (!status.ok()) return status;
    control_->SetLoader([this](const api::LoadSnapshot& request) { return Load(request); });
    Note(absl::StrCat("waiting for PUT /snapshot/load on ", *options_.api_sock));
    while (status.ok() && machine_ == nullptr && !outcome_) status = loop_->Run();
    return status;
  }

  // After an error a client may try again.
  absl::Status Load(const api::LoadSnapshot& request) {
    absl::StatusOr<LoadedSnapshot> loaded = OpenSnapshotToLoad(request, apply_);
    if (!loaded.ok()) return loaded.status();
    if (!loaded->note.empty()) Note(loaded->note);
    config_ = std::move(loaded->config);
    restore_.request = std::move(loaded->request);
    restore_.paused = !request.resume_vm;
    // Only the restore needs it.
    snapshot_ = loaded->snapshot.get();
    absl::Status status = MakeMachine();
    snapshot_ = nullptr;
    if (status.ok()) {
      loop_->Stop();
      return status;
    }
    if (output_ != nullptr) output_->FinishWithin(ConsoleOutput::kGrace);
    output_.reset();
    console_file_.reset();
    entropy_.reset();
    hypervisor_.reset();
    config_ = {};
    return status;
  }

  // What the machine is made with.
  absl::Status OpenHost() {
    absl::StatusOr<OpenedHypervisor> opened = OpenHypervisor(config_, KvmHost::ThisMachine());
    if (!opened.ok()) return opened.status();
    hypervisor_ = std::move(opened->hypervisor);
    Note(absl::StrCat(hypervisor_->name(), " hypervisor",
                      opened->reason.empty() ? "" : absl::StrCat(" (", opened->reason, ")")));
    timeline_.Mark("hypervisor opened");
    entropy_ = std::make_unique<HostEntropy>();
    if (hypervisor_->is_deterministic()) {
      // No two copies are alike.
      const uint64_t seed = snapshot_ == nullptr ? kDefaultSeed : Draw<uint64_t>(*entropy_);
      entropy_ = std::make_unique<SeededEntropy>(config_.software.seed.value_or(seed));
    }
    stops_.emplace(options_.saves, config_.software.stop_at,
                   [this](std::string_view message) { Note(message); });
    return OpenConsole();
  }

  absl::Status OpenConsole() {
    int fd = STDOUT_FILENO;
    switch (config_.console.output) {
      case ConsoleConfig::Output::kOff:
        return absl::OkStatus();
      case ConsoleConfig::Output::kFile: {
        absl::StatusOr<ConsoleFile> file = ConsoleFile::Open(config_.console.path);
        if (!file.ok()) return file.status();
        console_file_ = std::make_unique<ConsoleFile>(*std::move(file));
        fd = console_file_->fd();
        break;
      }
      case ConsoleConfig::Output::kStdio:
        break;
    }
    absl::StatusOr<std::unique_ptr<ConsoleOutput>> output =
        ConsoleOutput::Start(fd, signals_->fd(), [this](const absl::Status& error) {
          loop_->Post([this, error] { OnConsoleError(error); });
        });
    if (!output.ok()) return output.status();
    output_ = *std::move(output);
    return absl::OkStatus();
  }

  // The machine stands still at --save-at or --stop-at.
  void OnInstructionLimit() {
    const absl::StatusOr<bool> is_over = stops_->OnReached(*machine_);
    if (!is_over.ok()) {
      End({"error", kExitError, std::string(is_over.status().message())});
    } else if (*is_over) {
      End(OutcomeOf({MachineEnd::Kind::kInstructionLimit, ""}));
    }
  }

  void OnConsoleError(const absl::Status& error) {
    // Nobody reads any more: as for any program in a pipe, that is the end. A full disk is not.
    if (GetErrno(error) == EPIPE) {
      End({"console-closed", kExitError, "nobody reads the console any more: stdout was closed"});
    } else {
      PrintError(Annotate(error, "console output is lost from here on"));
    }
  }

  absl::Status CreateMachine() {
    const MachineHost host = {.hypervisor = *hypervisor_,
                              .loop = *loop_,
                              .timeline = timeline_,
                              .entropy = *entropy_,
                              .output = output_.get(),
                              .output_room = output_ ? &output_->room_event() : nullptr,
                              .trace = options_.trace ? &PrintPhase : PhaseObserver(),
                              .end_fd = signals_->fd()};
    const auto on_end = [this](const MachineEnd& end) {
      loop_->Post([this, end] {
        if (end.kind == MachineEnd::Kind::kInstructionLimit) {
          OnInstructionLimit();
        } else {
          End(OutcomeOf(end));
        }
      });
    };
    const Snapshot* const snapshot = std::exchange(snapshot_, nullptr);
    absl::StatusOr<std::unique_ptr<Machine>> machine =
        snapshot == nullptr ? Machine::Create(config_, host, on_end)
                            : Machine::Restore(config_, host, *snapshot, restore_.request, on_end);
    if (!machine.ok()) return machine.status();
    machine_ = *std::move(machine);
    if (!machine_->restore_note().empty()) Note(machine_->restore_note());
    if (absl::Status status = stops_->Arm(*machine_); !status.ok()) return status;
    stats_.interrupt_controller = machine_->interrupt_controller();
    control_->SetMachine(machine_.get());
    machine_->SetInputRoomCallback([this] {
      if (input_ != nullptr) input_->Resume();
    });
    return absl::OkStatus();
  }

  // The last steps before the guest runs, those that the host sees.
  absl::Status OpenApi() {
    if (!options_.api_sock) return absl::OkStatus();
    absl::StatusOr<std::unique_ptr<api::Server>> server =
        api::Server::Start(*loop_, *control_, *options_.api_sock);
    if (!server.ok()) return Annotate(server.status(), "--api-sock");
    api_server_ = *std::move(server);
    return absl::OkStatus();
  }

  absl::Status OpenConsoleInput() {
    if (console_file_ != nullptr) {
      absl::Status status = console_file_->Keep();
      if (!status.ok()) return status;
    }
    if (config_.console.output != ConsoleConfig::Output::kStdio) return absl::OkStatus();
    const bool is_terminal = isatty(STDIN_FILENO) != 0;
    absl::StatusOr<std::optional<RawTerminal>> raw = RawTerminal::Enter(STDIN_FILENO);
    if (!raw.ok()) return Annotate(raw.status(), "terminal");
    // A job in the background must not read from its terminal.
    if (is_terminal && !raw->has_value()) return absl::OkStatus();
    if (raw->has_value()) {
      terminal_ = std::make_unique<RawTerminal>(*std::move(*raw));
      Note("Ctrl-A x quits, Ctrl-A h helps");
    }
    input_ = std::make_unique<ConsoleInput>(
        *loop_,
        ConsoleInput::Options{
            .fd = STDIN_FILENO,
            .has_escapes = terminal_ != nullptr,
            .deliver = [this](absl::Span<const std::byte> data) { return machine_->Input(data); },
            .on_quit =
                [this] {
                  End({"quit", kExitSignalBase + SIGINT, "quit by Ctrl-A x"});
                },
            .on_help =
                [this] {
                  const std::string help = absl::StrCat("\n", kEscapeHelp);
                  if (output_ != nullptr) {
                    // As much as the one who reads leaves room for.
                    output_->Offer(absl::MakeConstSpan(
                        reinterpret_cast<const std::byte*>(help.data()), help.size()));
                  }
                }});
    return absl::OkStatus();
  }

  // Ends RunMachine. The first reason counts, but a reboot gives way to a reason to end.
  void End(Outcome outcome) {
    if (!outcome_ || outcome_->exit_status == kExitGuestReboot) outcome_ = std::move(outcome);
    loop_->Stop();
  }

  // Something may have ended it already, while a client loaded it: a signal, or a page fault
  // handler that died.
  Outcome RunMachine() {
    if (!std::exchange(restore_.paused, false) && !outcome_) {
      absl::Status status = machine_->Start();
      if (!status.ok()) return {"error", kExitError, std::string(status.message())};
    }
    // A Stop may be left from the machine before.
    while (!outcome_) {
      absl::Status status = loop_->Run();
      if (!status.ok()) outcome_ = Outcome{"error", kExitError, std::string(status.message())};
    }
    // A vCPU may wait for a reader that stalls.
    machine_->RequestStop();
    if (output_ != nullptr && outcome_->exit_status >= kExitSignalBase) {
      output_->FinishWithin(ConsoleOutput::kGrace);
    }
    machine_->Stop();
    if (outcome_->exit_status < kExitSignalBase) machine_->FinishConsole();
    stats_.machines.Add(machine_->stats());
    const absl::Status recorded = machine_->FinishRecording();
    if (!recorded.ok()) PrintError(recorded);
    return *std::move(outcome_);
  }

  // VGICv5 cannot be reset: a reboot is another machine of the same configuration.
  Outcome Restart() {
    outcome_.reset();
    control_->SetMachine(nullptr);
    machine_.reset();
    absl::Status status = CreateMachine();
    if (!status.ok()) {
      return {"error", kExitError, absl::StrCat("after a reboot: ", status.message())};
    }
    // Input that the former machine did not take goes to this one.
    if (input_ != nullptr) input_->Resume();
    return RunMachine();
  }

  int Finish(const Outcome& outcome) {
    stats_.outcome = outcome.name;
    stats_.exit_status = outcome.exit_status;
    if (hypervisor_ != nullptr) {
      stats_.hypervisor = hypervisor_->name();
      stats_.is_deterministic = hypervisor_->is_deterministic();
    }
    stats_.timeline = timeline_.milestones();
    ReadHostMemory(stats_);
    stats_.end = timeline_.Now();
    api_server_.reset();
    control_->SetMachine(nullptr);
    machine_.reset();
    input_.reset();
    output_.reset();  // writes the rest
    terminal_.reset();
    if (outcome.exit_status == kExitError || outcome.exit_status == kExitGuestCrash) {
      PrintError(outcome.message);
    } else {
      Note(outcome.message);
    }
    if (!options_.stats_path) return outcome.exit_status;
    const absl::Status status = WriteFileAtomically(*options_.stats_path, StatsJson(stats_));
    if (status.ok()) return outcome.exit_status;
    PrintError(Annotate(status, "--stats"));
    return outcome.exit_status == kExitPowerOff ? kExitError : outcome.exit_status;
  }

  void Note(std::string_view message) const {
    if (!options_.quiet) PrintMessage(message);
  }

  VmConfig config_;
  const RunOptions options_;
  Timeline& timeline_;
  RunStats stats_;
  std::optional<Outcome> outcome_;
  std::unique_ptr<Hypervisor> hypervisor_;
  std::unique_ptr<Entropy> entropy_;
  std::unique_ptr<Signals> signals_;
  std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<ConsoleFile> console_file_;
  std::unique_ptr<ConsoleOutput> output_;
  std::unique_ptr<RawTerminal> terminal_;
  std::unique_ptr<ConsoleInput> input_;
  std::unique_ptr<Machine> machine_;
  const Snapshot* snapshot_ = nullptr;  // the next machine's
  const std::function<absl::Status(VmConfig&)> apply_ = nullptr;
  RestoreOptions restore_ = {};
  std::optional<InstructionStops> stops_;
  std::unique_ptr<VmControl> control_ = std::make_unique<VmControl>(config_);
  std::unique_ptr<api::Server> api_server_;
};

}  // namespace

int RunVm(const VmConfig& config, const RunOptions& options, Timeline& timeline) {
  return Session(config, options, timeline).Run();
}

int ServeVm(const RunOptions& options, std::function<absl::Status(VmConfig&)> apply,
            Timeline& timeline) {
  return Session(options, std::move(apply), timeline).Run();
}

int RestoreVm(const VmConfig& config, const Snapshot& snapshot, const RestoreOptions& options,
              Timeline& timeline) {
  return Session(config, snapshot, options, timeline).Run();
}

}  // namespace firn
