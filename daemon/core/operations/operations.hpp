#pragma once
/// What people and agents ask for, one source file each. The discipline of all of them:
///
///   - A start, a restart and a removal hold the lock of the process they change; a stop and a signal never wait for
///   it.
///   - After each wait the process is looked up again: it may have been removed, or given another command or label.
///   - A stop comes before a start and a restart by the user. One that comes in while they are on their way wins, and
///     they say so (conflict); a start or restart that comes in while a stop is on its way waits until that is
///     answered.
///   - What is asked for is recorded before it is done. What could not be recorded is as if it had never been asked,
///     except a stop: a full disk must not keep anybody from stopping a program.
///
/// One executor, one thread.
#include "common/ops/client_operations.hpp"
#include "common/ops/list_processes.hpp"
#include "common/ops/restart_process.hpp"
#include "common/ops/start_process.hpp"
#include "common/ops/stop_process.hpp"
#include "daemon/core/adoption.hpp"
#include "daemon/core/requests.hpp"
#include "daemon/core/sampler.hpp"

namespace persistproc::core {

class Operations {
public:
    /// References outlive it.
    Operations(run::RunWorld& world, Store& store, ProcessTable& table, Events& events, ProcessDriver& driver,
               Sampler& sampler, Adoption& adoption, const SupervisorOptions& options)
        : world_(world),
          store_(store),
          table_(table),
          events_(events),
          driver_(driver),
          sampler_(sampler),
          adoption_(adoption),
          options_(options),
          left_(world.executor) {}

    // `actor`: who asks, for the audit.
    Task<Result<ops::StartResponse>> start(ops::StartRequest request, std::string actor);
    /// Begins one that waits for that in its project (Planned::waiting), as it was defined there and for who asked for
    /// it last. Errors: also conflict (it does not wait any more, or it is not its turn: `is_due`).
    Task<Result<ops::StartResponse>> start_planned(ProcessId id, std::function<bool()> is_due);
    Task<Result<ProcessView>> stop(ops::StopRequest request, std::string actor);
    Task<Result<ops::RestartResponse>> restart(ops::RestartRequest request, std::string actor);
    Task<Result<ProcessView>> signal(ops::SignalRequest request, std::string actor);
    Task<Result<ProcessView>> remove(ops::RemoveRequest request, std::string actor);
    Task<Result<ProcessView>> rename(ops::RenameRequest request, std::string actor);
    Task<Result<ProcessView>> flush(ops::FlushRequest request, std::string actor);
    Task<Result<ops::ShutdownResponse>> leave(ops::ShutdownRequest request, std::string actor);
    Task<Result<std::vector<ProcessView>>> list(ops::ListRequest request);
    /// When the oldest of what views show of trees and logs was seen; nothing: some of it never was.
    std::optional<MonoTime> seen_since() const;
    Task<Result<ops::ProcessDetails>> describe(ops::DescribeRequest request);

    /// What is stopped does not wait to be begun any more (Planned::waiting). Its record is the caller's to commit.
    void withdraw(Process& process) const;

    Task<> left();
    bool has_left() const noexcept { return has_left_; }

private:
    /// A start, as far as it could be read before its process is known.
    struct Beginning;
    Task<Result<std::shared_ptr<const Beginning>>> read_start(ops::StartRequest request, std::string actor);
    Task<Result<ops::StartResponse>> start_meant(std::shared_ptr<const Beginning> beginning);
    Result<ProcessPtr> find_meant(const Beginning& beginning) const;
    Task<Result<ops::StartResponse>> start_locked(ProcessPtr process, std::shared_ptr<const Beginning> beginning);
    /// What a look tells of a run that is to begin; where others execute it, nobody looks at its program. Errors of
    /// that: exec_failed.
    Task<LaunchLook> look_before_launch(Definition definition, std::vector<std::string> environment);
    /// Whether it may begin, by such a look. Errors: io (no room), invalid (the working directory), exec_failed.
    Task<Result<void>> check_launch(Definition definition, std::vector<std::string> environment);
    /// What is wrong with a program that execve took for none (`was_refused` of RunDirectories).
    Task<Result<void>> check_refused(Definition definition, std::vector<std::string> environment);
    /// Of a start that came to nothing: with what the program's file tells of why it was taken for none.
    Task<Error> explained(Definition definition, std::vector<std::string> environment, Error failed);
    /// The same, before what runs is ended for it, or what has ended is begun anew. Errors: also those of still_wanted.
    Task<Result<void>> check_replacement(ProcessPtr process, Definition definition,
                                         std::vector<std::string> environment, std::uint64_t stops, const char* what);
    /// `is_as_defined`: with the definition and the environment that it has, whatever was asked for.
    Task<Result<ops::StartResponse>> begin(ProcessPtr process, std::shared_ptr<const Beginning> beginning,
                                           bool is_as_defined);
    static void release_number(Process& process, const Beginning& beginning);
    void redefine(Process& process, const Beginning& beginning, bool is_as_defined) const;
    Task<ops::StartResponse> with_ignored(ProcessPtr process, std::shared_ptr<const Beginning> beginning,
                                          ops::StartResponse answer);
    /// `grace`: of what is being ended, as far as whoever waits is patient.
    Task<Result<void>> come_to_rest(ProcessPtr process, std::chrono::nanoseconds grace);
    Task<bool> hear_of_end(ProcessPtr process);
    struct Replaced {  // a run that a restart is ending, to begin another
        std::uint32_t run = 0;
        std::int64_t pid = 0;
    };
    std::optional<Replaced> hasten_end(const ProcessPtr& process, const ops::RestartRequest& request);
    Task<Result<ops::RestartResponse>> join_restart(ProcessPtr process, std::string actor, bool force,
                                                    Replaced replaced, std::uint64_t stops);
    Task<Result<std::optional<std::vector<std::string>>>> prepare_restart(ProcessPtr process,
                                                                          ops::RestartRequest request,
                                                                          std::uint64_t stops);
    Task<Result<void>> commit_restart(ProcessPtr process, std::string actor, bool force,
                                      std::shared_ptr<Before> before);
    ProcessRecord want_down(Process& process, const std::string& actor) const;
    Task<> take_back(ProcessPtr process, std::shared_ptr<Before> before);
    Task<Result<ProcessView>> view(ProcessPtr process);
    /// Without a look at its tree or its log: what was seen of them last.
    ProcessView view_as_known(const Process& process) const;
    /// What an ended program has left running, as its view tells it. Nothing: it has left none, or has not ended.
    Task<std::optional<Cause>> left_running(ProcessPtr process);
    /// After a stop, that has ended `left`.
    Task<Result<ProcessView>> stopped_view(ProcessPtr process, std::optional<Cause> left);
    /// `left`: what ran before that was ended, unless it is still there.
    static void tell_ended(ProcessView& shown, std::optional<Cause> left);
    /// What another version keeps may have ended since it was looked at last.
    Task<> look_at_untouched(ProcessPtr process);
    /// Whether a stop was asked for since `stops` was read, or the process was removed.
    /// Errors: limit (another live process would be one too many, or there is no number for another run).
    Result<void> check_room(const Process& process) const;
    /// Of one whose keeper was suspended, which does what it is told when it goes on: nobody should wait for that.
    /// `what` comes of it, a part of a sentence. Nothing: it was not.
    std::optional<Error> suspended(const Process& process, std::string_view what) const;
    Result<void> still_wanted(const Process& process, std::uint64_t stops, const char* what) const;

    run::RunWorld& world_;
    Store& store_;
    ProcessTable& table_;
    Events& events_;
    ProcessDriver& driver_;
    Sampler& sampler_;
    Adoption& adoption_;
    const SupervisorOptions& options_;
    bool has_left_ = false;
    async::Notifier left_;
};

/// Views are at most so old; those of many, so that they are shown within the second.
inline constexpr auto view_age = std::chrono::milliseconds(250);
inline constexpr auto many_view_age = std::chrono::milliseconds(900);

/// Of a keeper that was suspended.
inline constexpr std::string_view replaced_later = "the program is replaced as soon as it goes on";

Error removed_meanwhile(const Process& process);
/// Of a restart.
Error silent_meanwhile(const Process& process);
Error not_touched(const Process& process);
/// Of one whose phase is unreachable; `so`: what follows.
Error not_reached(const Process& process, std::string_view so);

}  // namespace persistproc::core
