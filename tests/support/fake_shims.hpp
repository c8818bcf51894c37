#pragma once
/// Shims that are no processes: they obey like the real one by default, and a test may make them slow, deaf or dead.
#include <fcntl.h>

#include <algorithm>
#include <deque>
#include <map>

#include "common/async/notifier.hpp"
#include "daemon/core/shim_host.hpp"

namespace persistproc::tests {

class FakeShims final : public core::ShimHost {
public:
    explicit FakeShims(boost::asio::any_io_executor executor) : executor_(std::move(executor)) {}

    struct Shim {
        explicit Shim(boost::asio::any_io_executor executor) : grown(executor) {}
        rundir::RunState state;
        std::deque<rundir::ControlMessage> outbox;  // to the daemon
        std::vector<rundir::ControlMessage> heard;  // from the daemon
        async::Notifier grown;
        bool gone = false;

        void push(rundir::MessageType type, std::uint64_t request = 0, int error = 0) {
            rundir::ControlMessage message;
            message.type = type;
            message.request = request;
            message.error = error;
            message.state = state;
            outbox.push_back(message);
            grown.notify_all();
        }
        void leave() {
            gone = true;
            grown.notify_all();
        }
        /// The program ends by itself; `leftovers`: descendants stay.
        void end(int exit_value, bool killed = false, bool leftovers = false) {
            state.phase = rundir::Phase::exited;
            state.exit_value = exit_value;
            state.killed = killed ? 1 : 0;
            if (state.ended_wall_ns == 0) state.ended_wall_ns = base::to_ns(base::wall_now());
            push(rundir::MessageType::state);
            if (!leftovers) empty();
        }
        void empty(std::uint64_t request = 0) {
            state.tree_empty = 1;
            push(rundir::MessageType::state);
            if (request != 0) push(rundir::MessageType::tree_empty, request);
            leave();
        }
    };
    using ShimPtr = std::shared_ptr<Shim>;

    // What the next shims do.
    bool obeys_stop = true;
    std::optional<std::pair<rundir::Stage, int>> exec_failure;
    std::optional<Error> spawn_failure;
    bool silent_after_spawn = false;
    bool silent_after_commit = false;
    bool silent_after_hello = false;
    bool hangs_up = false;    // ends every connection at once
    bool hands_over = false;  // with its state, what another shim needs to take over
    std::size_t refused = 0;  // so many replacements cannot be started
    std::size_t replacements = 0;
    std::size_t connections = 0;
    std::vector<std::vector<std::string>> commands;  // that were run beside runs
    bool holds_commands = false;                     // they do not end
    bool executes = false;                           // programs: what cannot be executed is refused
    bool holds_reservations = false;                 // of room for the next shims
    std::size_t reserving = 0;

    ShimPtr find(RunId run) const {
        const auto found = shims_.find(run);
        return found == shims_.end() ? nullptr : found->second;
    }
    /// The shim of a run that another daemon started.
    ShimPtr add_running(RunId run) {
        auto shim = std::make_shared<Shim>(executor_);
        shim->state.phase = rundir::Phase::started;
        shim->state.exec_confirmed = 1;
        shim->state.pid = next_pid_++;
        shims_[run] = shim;
        return shim;
    }
    std::size_t spawned() const { return shims_.size(); }
    std::size_t living() const {
        return static_cast<std::size_t>(
            std::count_if(shims_.begin(), shims_.end(), [](const auto& each) { return !each.second->gone; }));
    }

    Task<Result<std::unique_ptr<core::ShimLink>>> spawn(RunId run) override {
        if (spawn_failure) co_return *spawn_failure;
        auto shim = std::make_shared<Shim>(executor_);
        shims_[run] = shim;
        shim->state.phase = rundir::Phase::prepared;
        if (!silent_after_spawn) shim->push(rundir::MessageType::ready);
        co_return std::make_unique<Link>(*this, shim);
    }
    void release_commands() {
        holds_commands = false;
        released_.notify_all();
    }
    bool executes_here() const override { return executes; }
    void release_reservations() {
        holds_reservations = false;
        released_.notify_all();
    }
    Task<Result<void>> reserve() override {
        ++reserving;
        while (holds_reservations) co_await released_.wait();
        --reserving;
        co_return boost::system::in_place_value;
    }
    Task<Result<core::CommandEnd>> run_command(core::CommandOrder order) override {
        commands.push_back(std::move(order.command));
        while (holds_commands) co_await released_.wait();
        co_return core::CommandEnd{};
    }
    Task<Result<std::unique_ptr<core::ShimLink>>> take_over(RunId run) override {
        if (refused > 0) {
            --refused;
            co_return Error{ErrorCode::unavailable, "its lock is held"};
        }
        ++replacements;
        auto shim = std::make_shared<Shim>(executor_);
        shim->state = shims_.at(run)->state;
        shims_[run] = shim;
        shim->push(rundir::MessageType::ready);
        co_return std::make_unique<Link>(*this, shim);
    }
    Task<Result<std::unique_ptr<core::ShimLink>>> connect(RunId run) override {
        ++connections;
        auto shim = find(run);
        if (hangs_up) {
            auto link = std::make_unique<Link>(*this, std::make_shared<Shim>(executor_));
            link->close();
            co_return link;
        }
        if (!shim || shim->gone) co_return Error{ErrorCode::unavailable, "nobody listens"};
        co_return std::make_unique<Link>(*this, shim);
    }

private:
    class Link final : public core::ShimLink {
    public:
        Link(FakeShims& host, ShimPtr shim) : host_(host), shim_(std::move(shim)) {}
        Result<void> send(const rundir::ControlMessage& message) override {
            if (shim_->gone) return Error{ErrorCode::unavailable, "gone"};
            shim_->heard.push_back(message);
            host_.obey(*shim_, message);
            return boost::system::in_place_value;
        }
        Result<void> hand_over(const rundir::ControlMessage& message, const core::Spares&) override {
            if (shim_->gone) return Error{ErrorCode::unavailable, "gone"};
            shim_->heard.push_back(message);
            ++shim_->state.successors;
            shim_->push(rundir::MessageType::state);
            return boost::system::in_place_value;
        }
        core::Spares take_spares() override {
            core::Spares out;
            if (host_.hands_over && shim_->state.phase == rundir::Phase::started)
                out.out = base::UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
            return out;
        }
        Task<Result<rundir::ControlMessage>> receive() override {
            auto shim = shim_;
            auto closed = closed_;
            while (shim->outbox.empty() || *closed) {
                if (shim->gone || *closed) co_return Error{ErrorCode::unavailable, "closed"};
                co_await shim->grown.wait();
            }
            const rundir::ControlMessage message = shim->outbox.front();
            shim->outbox.pop_front();
            co_return message;
        }
        void close() override {
            *closed_ = true;
            if (shim_->state.phase == rundir::Phase::prepared) {
                shim_->state.phase = rundir::Phase::aborted;
                shim_->gone = true;
            }
            shim_->grown.notify_all();
        }

    private:
        FakeShims& host_;
        ShimPtr shim_;
        std::shared_ptr<bool> closed_ = std::make_shared<bool>(false);
    };

    void obey(Shim& shim, const rundir::ControlMessage& message) {
        switch (message.type) {
            case rundir::MessageType::commit:
                if (silent_after_commit) {
                    shim.state.phase = rundir::Phase::started;
                    return;
                }
                if (exec_failure) {
                    shim.state.phase = rundir::Phase::exec_failed;
                    shim.state.stage = exec_failure->first;
                    shim.state.os_error = exec_failure->second;
                    shim.push(rundir::MessageType::state);
                    shim.leave();
                    return;
                }
                shim.state.phase = rundir::Phase::started;
                shim.state.exec_confirmed = 1;
                shim.state.pid = next_pid_++;
                shim.state.started_wall_ns = base::to_ns(base::wall_now());
                shim.push(rundir::MessageType::state);
                return;
            case rundir::MessageType::hello:
                if (!silent_after_hello) shim.push(rundir::MessageType::state);
                return;
            case rundir::MessageType::signal: shim.push(rundir::MessageType::done, message.request, 0); return;
            case rundir::MessageType::stop:
                if (shim.state.phase == rundir::Phase::started) shim.state.stop_requested = 1;
                if (!obeys_stop && !message.force) return;
                if (shim.state.phase == rundir::Phase::started) shim.end(message.force ? 9 : 15, true, true);
                shim.empty(message.request);
                return;
            default: return;
        }
    }

    boost::asio::any_io_executor executor_;
    async::Notifier released_{executor_};
    std::map<RunId, ShimPtr> shims_;
    std::int32_t next_pid_ = 1001;
};

}  // namespace persistproc::tests
