#pragma once
/// Looks at files of users, outside of the data directory. The file system they lie on may not answer (NFS, FUSE), for
/// as long as it likes: such a look keeps its thread, so that these are threads of their own, which come as they are
/// needed, and nobody waits for one longer than a bound. Where one hangs no other is begun until it has come back. One
/// executor, one thread.
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "common/async/clock.hpp"

namespace persistproc::core {

class UserFiles {
public:
    static constexpr auto bound = std::chrono::seconds(5);
    static constexpr std::size_t usual_threads = 16;  // at most; more directories that hang at once are like one

    /// `clock` outlives it.
    explicit UserFiles(async::Clock& clock, std::size_t most_threads = usual_threads);
    /// Waits for what is under way, but not for what hangs: its thread ends with it, or with this process.
    ~UserFiles();
    UserFiles(const UserFiles&) = delete;
    UserFiles& operator=(const UserFiles&) = delete;

    /// What `work`, which owns all it touches, returns; `directory`: where it looks. Nothing: it has not come back
    /// within the bound, or an earlier one there has not. Cancelling abandons the wait.
    template <class Work>
    Task<std::optional<std::invoke_result_t<Work>>> look(std::string directory, Work work) {
        const auto value = std::make_shared<std::optional<std::invoke_result_t<Work>>>();
        std::function<void()> job = [value, work = std::move(work)]() mutable { value->emplace(work()); };
        const bool is_done = co_await perform(std::move(directory), std::move(job));
        if (!is_done) co_return std::nullopt;
        co_return std::move(*value);
    }

private:
    struct Look;
    struct Shared;
    Task<bool> perform(std::string directory, std::function<void()> job);

    async::Clock& clock_;
    std::shared_ptr<Shared> shared_;
};

}  // namespace persistproc::core
