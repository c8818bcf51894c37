#include "daemon/core/local_run_directories.hpp"

#include <fmt/format.h>

#include <memory>
#include <tuple>

#include "common/async/offload.hpp"
#include "common/base/text.hpp"
#include "common/rundir/daemon_paths.hpp"
#include "common/rundir/paths.hpp"
#include "daemon/core/log_ends.hpp"
#include "daemon/core/probes.hpp"
#include "daemon/core/run_files.hpp"
#include "daemon/core/strays.hpp"

namespace persistproc::core {

namespace {

/// What `offload` takes for a value of functions that have none.
struct Done {};

constexpr int most_sweeps = 40;
constexpr auto first_sweep_pause = std::chrono::milliseconds(1);
constexpr auto longest_sweep_pause = std::chrono::milliseconds(100);

Error no_answer(const std::string& directory) {
    return Error{ErrorCode::timeout, fmt::format("working_directory: {} is on a file system that does not answer",
                                                 base::excerpt(directory))};
}

}  // namespace

/// For the thread that takes samples.
struct LocalRunDirectories::Samples {
    std::vector<Sample> take(const std::filesystem::path& data, const std::vector<SampleRequest>& requests);

    LogEnds ends;
    TreeSampler trees;
};

std::vector<Sample> LocalRunDirectories::Samples::take(const std::filesystem::path& data,
                                                       const std::vector<SampleRequest>& requests) {
    std::vector<TreeRoots> roots;
    roots.reserve(requests.size());
    for (const auto& each : requests) roots.push_back(each.roots);
    // The logs first: an end of the log that was read before the tree is never newer than the tree.
    std::vector<Sample> out;
    out.reserve(requests.size());
    const bool is_removed = !rundir::check_present(data);
    for (const auto& each : requests) {
        Sample& sample = out.emplace_back(Sample{.is_data_removed = is_removed});
        if (!each.is_of_log && !each.losses) continue;
        const auto log = rundir::process_paths(data, each.id).log;
        if (each.is_of_log)
            if (auto end = ends.find(each.id, log, base::wall_now())) sample.log_end = std::move(*end);
        if (!each.losses) continue;
        const auto losses = logstore::find_losses(log, each.run, *each.losses);
        sample.losses = losses ? *losses : *each.losses;
    }
    auto sampled = trees.sample(roots);
    for (std::size_t i = 0; i < out.size(); ++i) out[i].tree = std::move(sampled[i]);
    return out;
}

LocalRunDirectories::LocalRunDirectories(boost::asio::thread_pool& files, async::Clock& clock,
                                         std::filesystem::path data, std::size_t user_threads)
    : files_(files),
      samples_(std::make_shared<Samples>()),
      clock_(clock),
      user_files_(system_clock_, user_threads),
      data_(std::move(data)),
      boot_id_(base::current_boot_id()),
      writeback_(std::make_shared<Writeback>()) {}

Task<Result<ProcessDirectories>> LocalRunDirectories::list() {
    auto work = [data = data_] { return find_directories(data); };
    co_return co_await async::offload(files_, std::move(work));
}

Task<std::vector<FoundProcess>> LocalRunDirectories::find_processes(std::vector<ProcessQuestion> questions) {
    auto work = [data = data_, questions = std::move(questions), boot = boot_id_] {
        std::vector<FoundProcess> out;
        out.reserve(questions.size());
        for (const auto& each : questions) out.push_back(find_process(data, each.id, each.known_ended, boot));
        return out;
    };
    co_return co_await async::offload(files_, std::move(work));
}

Task<Result<FoundRun>> LocalRunDirectories::find_run(RunId id) {
    auto work = [data = data_, id, boot = boot_id_] { return core::find_run(data, id, boot); };
    co_return co_await async::offload(files_, std::move(work));
}

Task<Result<rundir::RunSpec>> LocalRunDirectories::load_spec(RunId id) {
    auto work = [data = data_, id] { return core::load_spec(data, id); };
    co_return co_await async::offload(files_, std::move(work));
}

Task<Result<void>> LocalRunDirectories::prepare(rundir::RunSpec spec) {
    std::string directory = spec.working_directory;
    auto look = [spec] { return std::pair(find_program_file(spec), find_argument_files(spec)); };
    auto files = co_await user_files_.look(std::move(directory), std::move(look));
    // Without them it is not told how they have changed since; its shim meets what hangs.
    if (files) std::tie(spec.program_file, spec.argument_files) = std::move(*files);
    auto work = [data = data_, spec = std::move(spec), boot = boot_id_,
                 writeback = writeback_]() mutable -> Result<void> {
        auto unsynced = prepare_run(data, std::move(spec), boot);
        if (!unsynced) return unsynced.error();
        writeback->add(std::move(*unsynced));
        return boost::system::in_place_value;
    };
    co_return co_await async::offload(files_, std::move(work));
}

Task<Result<void>> LocalRunDirectories::remove_run(RunId id) {
    auto work = [data = data_, id] { return remove_run_files(data, id); };
    co_return co_await async::offload(files_, std::move(work));
}

Task<Result<void>> LocalRunDirectories::remove_process(ProcessId id) {
    auto work = [data = data_, id] { return remove_process_files(data, id); };
    co_return co_await async::offload(files_, std::move(work));
}

Task<Result<void>> LocalRunDirectories::begin_removal(ProcessId id) {
    auto work = [data = data_, id] { return core::begin_removal(data, id); };
    co_return co_await async::offload(files_, std::move(work));
}

Task<> LocalRunDirectories::end_removal(ProcessId id) {
    auto work = [data = data_, id] {
        core::end_removal(data, id);
        return Done{};
    };
    co_await async::offload(files_, std::move(work));
}

Task<> LocalRunDirectories::collect_garbage(std::size_t keep_runs, std::uint64_t bound_bytes, Starters starters) {
    auto work = [data = data_, keep_runs, bound_bytes, starters = std::move(starters)] {
        core::collect_garbage(data, keep_runs, bound_bytes, starters);
        return Done{};
    };
    co_await async::offload(files_, std::move(work));
}

Task<bool> LocalRunDirectories::kill_strays(StrayRoots roots) {
    // Shared: a walk that has begun goes on when the one who waits for it is cancelled.
    const auto sweep = std::make_shared<StraySweep>(roots);
    auto pause = std::chrono::nanoseconds(first_sweep_pause);
    auto left = StraySweep::Left::living;
    for (int walk = 0; walk < most_sweeps; ++walk) {
        auto work = [sweep] { return sweep->walk(); };
        left = co_await async::offload(files_, std::move(work));
        if (left == StraySweep::Left::nothing) break;
        const MonoTime next = clock_.now() + pause;
        co_await clock_.sleep_until(next);
        pause = std::min<std::chrono::nanoseconds>(pause * 2, longest_sweep_pause);
    }
    co_return left != StraySweep::Left::living;
}

Task<bool> LocalRunDirectories::has_strays(StrayRoots roots) {
    auto work = [roots] {
        const auto found = find_strays({&roots, 1});
        return !found || !found->front().empty();
    };
    co_return co_await async::offload(files_, std::move(work));
}

bool LocalRunDirectories::is_suspended(PidIdentity process) const { return base::is_suspended(process); }
bool LocalRunDirectories::is_zombie(PidIdentity process) const { return base::is_zombie(process); }

Task<Result<void>> LocalRunDirectories::clear_output(ProcessId id) {
    auto work = [data = data_, id] { return core::clear_output(data, id); };
    co_return co_await async::offload(files_, std::move(work));
}

Task<Result<void>> LocalRunDirectories::check_program(std::string program, std::string path, std::string directory,
                                                      bool was_refused) {
    auto look = [program = std::move(program), path = std::move(path), directory, was_refused] {
        return core::check_program(program, path, directory, was_refused);
    };
    auto checked = co_await user_files_.look(directory, std::move(look));
    if (!checked) co_return no_answer(directory);
    co_return std::move(*checked);
}

Task<Result<std::string>> LocalRunDirectories::canonical_directory(std::string path) {
    auto look = [path] { return core::canonical_directory(path); };
    auto canonical = co_await user_files_.look(path, std::move(look));
    if (!canonical) co_return no_answer(path);
    co_return std::move(*canonical);
}

Task<LaunchLook> LocalRunDirectories::look_before_launch(std::string program, std::string path, std::string directory) {
    auto look = [data = data_, program = std::move(program), path = std::move(path), directory] {
        LaunchLook out{core::check_room(data), core::canonical_directory(directory), boost::system::in_place_value};
        constexpr bool was_refused = false;
        if (out.directory) out.program = core::check_program(program, path, *out.directory, was_refused);
        return out;
    };
    auto looked = co_await user_files_.look(directory, std::move(look));
    if (looked) co_return std::move(*looked);
    co_return LaunchLook{boost::system::in_place_value, no_answer(directory), boost::system::in_place_value};
}

Task<std::vector<Sample>> LocalRunDirectories::sample(std::vector<SampleRequest> requests) {
    // Shared: a walk that has begun goes on when the one who waits for it is cancelled.
    auto work = [data = data_, samples = samples_, requests = std::move(requests)] {
        return samples->take(data, requests);
    };
    co_return co_await async::offload(sampling_, std::move(work));
}

}  // namespace persistproc::core
