#include "daemon/core/run/run_driver.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

#include "common/base/diagnostics.hpp"
#include "common/base/kill_point.hpp"

namespace persistproc::core::run {

using rundir::ControlMessage;
using rundir::MessageType;

namespace {

constexpr auto answer_bound = std::chrono::seconds(5);

}  // namespace

RunDriver::RunDriver(RunWorld& world, RunOwner& owner, RunId id)
    : world_(world), owner_(owner), id_(id), machine_(world.bounds), timers_(world.executor), moved_(world.executor) {}

RunDriver::RunDriver(RunWorld& world, RunOwner& owner, const FoundRun& found)
    : world_(world),
      owner_(owner),
      id_(found.id),
      machine_(world.bounds, found.state),
      nonce_(found.spec ? found.spec->nonce : found.state.nonce),
      timers_(world.executor),
      moved_(world.executor) {}

void RunDriver::start(rundir::RunSpec spec) {
    nonce_ = spec.nonce;
    world_.tasks.spawn("start of " + to_string(id_), start_shim(std::move(spec)));
}

void RunDriver::fail(Error error) { feed(CannotStart{std::move(error)}); }

void RunDriver::take_over() {
    const auto self = shared_from_this();
    for (const auto& each : machine_.begin_found()) perform(each);
}

void RunDriver::stop(StopOrder order) { feed(StopOrdered{order}); }

Task<bool> RunDriver::over(MonoTime until) {
    const auto self = shared_from_this();
    while (!is_over()) {
        const bool woken = co_await moved_.wait_until(until, world_.clock);
        if (!woken) co_return is_over();
    }
    co_return true;
}

/// One event at a time: what an action brings about at once comes after the action's own event is done with.
void RunDriver::feed(Event event) {
    const auto self = shared_from_this();
    waiting_.push_back(std::move(event));
    if (is_feeding_) return;
    is_feeding_ = true;
    while (!waiting_.empty()) {
        const Event next = std::move(waiting_.front());
        waiting_.pop_front();
        for (const auto& action : machine_.on(next, world_.clock.wall())) perform(action);
    }
    is_feeding_ = false;
    if (is_over()) {
        spares_ = {};
        link_.reset();
    }
    moved_.notify_all();
    owner_.changed(*this);
}

struct RunDriver::Performer {
    RunDriver& run;

    void operator()(const StartReplacement&) { spawn("successor of ", run.start_replacement()); }
    void operator()(const Connect&) { spawn("connection to ", run.connect()); }
    void operator()(const Look&) { spawn("look at ", run.look()); }
    void operator()(const Sweep&) { spawn("sweep of ", run.sweep()); }
    void operator()(const Wake& a) {
        run.timers_.notify_all();
        spawn("timer of ", run.wake(run.world_.clock.now() + a.after, ++run.timer_));
    }
    void operator()(const Rest&) {
        ++run.timer_;
        run.timers_.notify_all();
    }
    void operator()(const SendCommit&) {
        base::kill_point("daemon.start.ready");
        run.send(run.message(MessageType::commit));
        base::kill_point("daemon.start.committed");
    }
    void operator()(const SendHello&) {
        run.send(run.message(MessageType::hello));
        base::kill_point("daemon.adopt.greeted");
    }
    void operator()(const SendStop& a) {
        ControlMessage message = run.message(MessageType::stop);
        message.signal = a.order.signal;
        message.grace_ms =
            static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(a.order.grace).count());
        message.force = a.order.force;
        run.send(message);
        base::kill_point("daemon.stop.sent");
    }
    void operator()(const SendEnd& a) {
        ControlMessage message = run.message(MessageType::ended);
        message.end = a.end;
        run.send(message);
    }
    void operator()(const HandOver&) {
        const ControlMessage message = run.message(MessageType::commit);
        const auto handed = run.link_ ? run.link_->hand_over(message, run.spares_)
                                      : Result<void>(Error{ErrorCode::unavailable, "its shim is gone"});
        base::kill_point("daemon.takeover.committed");
        // One that cannot be reached hangs up, or its deadline comes.
        if (!handed)
            base::report(base::Severity::debug, "{}: hand over: {}", to_string(run.id_), handed.error().message);
    }
    void operator()(const HangUp&) {
        if (run.link_) run.link_->close();
        run.link_.reset();
    }
    void operator()(const DropSpares& a) {
        if (a.report) run.spares_.report.reset();
        if (a.child) run.spares_.child.reset();
        if (a.child) run.spares_.input.reset();  // what the program has left may wait for its end
        if (a.all) run.spares_ = {};
    }
    void operator()(const WatchProgram&) {
        const auto& child = run.spares_.child;
        if (!child || run.watched_.lock() == child) return;
        run.watched_ = child;
        spawn("program of ", run.watch_program(child));
    }
    void operator()(const TellStarted& a) { run.owner_.hear(run, a); }
    void operator()(const TellFailed& a) { run.owner_.hear(run, a); }
    void operator()(const TellEnded& a) { run.owner_.hear(run, a); }
    void operator()(const TellEmptied& a) { run.owner_.hear(run, a); }
    void operator()(const TellSilent& a) { run.owner_.hear(run, a); }
    void operator()(const Warn& a) {
        base::report(base::Severity::warning, "{}: its shim was killed, and no other could take over yet: {}",
                     to_string(run.id_), a.error.message);
    }

    void spawn(const char* what, Task<> task) { run.world_.tasks.spawn(what + to_string(run.id_), std::move(task)); }
};

void RunDriver::perform(const Action& action) { std::visit(Performer{*this}, action); }

ControlMessage RunDriver::message(MessageType type) {
    ControlMessage out;
    out.type = type;
    out.epoch = world_.epoch;
    out.nonce = nonce_;
    out.request = world_.next_request++;
    return out;
}

void RunDriver::send(const ControlMessage& message) {
    if (!link_) return;
    // A shim that has just left needs no word; its end is heard of on the same connection.
    if (auto sent = link_->send(message); !sent)
        base::report(base::Severity::debug, "{}: {}", to_string(id_), sent.error().message);
}

/// The event first: what the shim has already said is heard after it.
void RunDriver::take_link(std::unique_ptr<ShimLink> link, Event event) {
    const std::shared_ptr<ShimLink> taken(std::move(link));
    link_ = taken;
    feed(std::move(event));
    if (link_ == taken) world_.tasks.spawn("shim of " + to_string(id_), listen(taken));
}

Task<> RunDriver::listen(std::shared_ptr<ShimLink> link) {
    const auto self = shared_from_this();
    for (;;) {
        auto received = co_await link->receive();
        if (!received) break;
        if (link_ != link) co_return;
        spares_.merge(link->take_spares());
        switch (received->type) {
            case MessageType::ready: feed(ShimReady{}); break;
            case MessageType::state:
            case MessageType::tree_empty: feed(ShimSays{received->state}); break;
            case MessageType::refused:
                base::report(base::Severity::warning, "the shim of {} refuses message {}: {} ({})", to_string(id_),
                             received->refused_type, rundir::refusal_name(received->refusal),
                             std::strerror(received->error));
                [[fallthrough]];
            case MessageType::done:
                // Who no longer waits for it is not told.
                if (const auto asked = asked_.find(received->request); asked != asked_.end()) {
                    asked->second = received->error;
                    moved_.notify_all();
                }
                break;
            default: break;
        }
    }
    // A connection that was replaced says nothing about the shim.
    if (link_ != link) co_return;
    link_.reset();
    feed(ShimGone{.can_replace = spares_.can_continue()});
}

Task<> RunDriver::start_shim(rundir::RunSpec spec) {
    const auto self = shared_from_this();
    auto prepared = co_await world_.directories.prepare(std::move(spec));
    if (!prepared) {
        feed(CannotStart{prepared.error()});
        co_return;
    }
    base::kill_point("daemon.start.prepared");
    auto link = co_await world_.shims.spawn(id_);
    if (!link) {
        feed(CannotStart{link.error()});
        co_return;
    }
    base::kill_point("daemon.start.spawned");
    take_link(std::move(*link), ShimStarted{});
}

Task<> RunDriver::start_replacement() {
    const auto self = shared_from_this();
    auto link = co_await world_.shims.take_over(id_);
    if (!link) {
        feed(CannotStart{link.error()});
        co_return;
    }
    base::kill_point("daemon.takeover.spawned");
    take_link(std::move(*link), ShimStarted{});
}

Task<> RunDriver::connect() {
    const auto self = shared_from_this();
    auto link = co_await world_.shims.connect(id_);
    if (!link) {
        feed(CannotConnect{});
        co_return;
    }
    base::kill_point("daemon.adopt.connected");
    take_link(std::move(*link), Connected{});
}

Task<> RunDriver::look() {
    const auto self = shared_from_this();
    auto found = co_await world_.directories.find_run(id_);
    if (!found) {
        // Said once where it was found; it is asked for again and again.
        base::report(base::Severity::debug, "{}: {}", to_string(id_), found.error().message);
        feed(CannotLook{});
        co_return;
    }
    if (found->spec)
        nonce_ = found->spec->nonce;
    else if (nonce_ == rundir::Nonce{})
        nonce_ = found->state.nonce;
    Looked looked;
    looked.can_replace = spares_.can_continue();
    looked.is_wanted = owner_.is_wanted(*this);
    looked.same_boot = found->state.boot_id == world_.directories.boot_id();
    looked.found = std::move(*found);
    feed(std::move(looked));
}

Task<> RunDriver::sweep() {
    const auto self = shared_from_this();
    // A directory that was never read tells no mark, and without one nothing is proved.
    const StrayRoots strays{nonce_, {state().pid, state().start_ticks}};
    if (!strays.is_none()) co_await world_.directories.kill_strays(strays);
    feed(Swept{});
}

Task<> RunDriver::wake(MonoTime at, std::uint64_t timer) {
    const auto self = shared_from_this();
    while (timer == timer_) {
        const bool woken = co_await timers_.wait_until(at, world_.clock);
        if (!woken) break;
    }
    if (timer == timer_) feed(Elapsed{});
}

/// This process is the parent of a program whose shim was killed; the shim that took over hears from it how it ended.
Task<> RunDriver::watch_program(std::shared_ptr<ChildHold> child) {
    const auto self = shared_from_this();
    const auto end = co_await child->ended();
    feed(ProgramSeenEnding{end});
}

/// Nothing: the run ended before the answer.
Task<Result<std::optional<int>>> RunDriver::ask(ControlMessage message, const char* what) {
    struct Asking {
        std::map<std::uint64_t, std::optional<int>>& asked;
        std::uint64_t request;
        ~Asking() { asked.erase(request); }
    };
    const auto self = shared_from_this();
    const std::uint64_t request = message.request;
    asked_.emplace(request, std::nullopt);
    const Asking asking{asked_, request};
    if (auto sent = link_->send(message); !sent) co_return sent.error();
    const MonoTime until = world_.clock.now() + answer_bound;
    while (!asked_[request]) {
        if (!link_) co_return std::optional<int>();
        const bool woken = co_await moved_.wait_until(until, world_.clock);
        if (!woken && !asked_[request])
            co_return Error{ErrorCode::timeout, fmt::format("its shim did not confirm {}", what)};
    }
    co_return asked_[request];
}

Task<Result<void>> RunDriver::signal(int number) {
    if (!link_) co_return Error{ErrorCode::unavailable, "it cannot be reached: no signal was sent"};
    ControlMessage message = this->message(MessageType::signal);
    message.signal = number;
    const auto failed = co_await ask(std::move(message), "the signal");
    if (!failed) co_return failed.error();
    if (!*failed || **failed == ESRCH) co_return Error{ErrorCode::conflict, "it ended before the signal reached it"};
    if (**failed != 0) co_return base::os_failure("signal", **failed);
    co_return boost::system::in_place_value;
}

Task<Result<void>> RunDriver::flush() {
    if (!link_) co_return Error{ErrorCode::unavailable, "its keeper cannot be reached: its output stays"};
    ControlMessage message = this->message(MessageType::flush);
    const auto failed = co_await ask(std::move(message), "the removal of its output");
    if (!failed) co_return failed.error();
    if (!*failed) co_return Error{ErrorCode::conflict, "it ended meanwhile; ask again"};
    if (**failed == EPROTO)
        co_return Error{ErrorCode::unsupported,
                        "its keeper is of an older release, which cannot do that; restart it first"};
    if (**failed != 0) co_return base::os_failure("its output", **failed);
    co_return boost::system::in_place_value;
}

}  // namespace persistproc::core::run
