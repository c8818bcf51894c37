#include "tests/simulation/clients.hpp"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>

#include "tests/simulation/project.hpp"
#include "tests/simulation/world.hpp"

namespace persistproc::simulation {

namespace {

template <class T>
std::optional<Error> failure_of(const Result<T>& result) {
    if (result) return std::nullopt;
    return result.error();
}

}  // namespace

const char* to_text(Asking what) {
    switch (what) {
        case Asking::start: return "start";
        case Asking::stop: return "stop";
        case Asking::restart: return "restart";
        case Asking::signal: return "signal";
        case Asking::remove: return "remove";
        case Asking::list: return "list";
        case Asking::wait: return "wait";
        case Asking::leave: return "leave";
        case Asking::up: return "up";
        case Asking::down: return "down";
    }
    return "";
}

bool Request::covers(MonoTime at) const {
    if (at < asked) return false;
    // What a daemon's death cut off may be carried through by the next one, once.
    if (state != State::answered || at <= ended) return true;
    // "It is stopped as soon as its shim answers", "it is still starting".
    return state == State::answered && !ok && (code == ErrorCode::timeout || code == ErrorCode::unavailable);
}

std::string Request::text() const {
    std::string out = fmt::format("c{} {}", serial, to_text(what));
    if (what == Asking::start) {
        out += fmt::format(" {}", start.definition.command.front());
        if (start.definition.label_given) out += " as " + start.definition.label;
        if (start.if_running != ops::IfRunning::keep)
            out += start.if_running == ops::IfRunning::restart ? " if_running=restart" : " if_running=refuse";
        if (start.definition.restart != domain::RestartPolicy::never)
            out += fmt::format(" restart={}", schema::enum_name(start.definition.restart));
        if (start.request_key) out += " key " + *start.request_key;
    } else if (what == Asking::up || what == Asking::down) {
        if (what == Asking::up) out += fmt::format(" version {}", version);
        for (const auto& name : names) out += " " + name;
    } else if (what != Asking::list && what != Asking::leave) {
        out += " " + to_string(target);
    }
    if (force) out += what == Asking::leave ? " keep" : " force";
    if (what == Asking::wait) out += fmt::format(" run {}", run);
    return out;
}

std::optional<ProcessId> Clients::any_process() {
    const auto& known = world_.disk.all();
    if (known.empty()) return std::nullopt;
    auto place = known.begin();
    std::advance(place, static_cast<std::ptrdiff_t>(world_.random.below(known.size())));
    return place->first;
}

RequestPtr Clients::make(Asking what) {
    auto request = std::make_shared<Request>();
    request->serial = ++asked_;
    request->what = what;
    return request;
}

void Clients::ask_something() {
    Random& random = world_.random;
    const std::uint64_t dice = random.below(100);
    const auto target = any_process();
    if (random.percent(world_.mood.projects)) return ask_about_project();
    if (dice < 40 || !target) {
        auto request = make(Asking::start);
        ops::StartRequest& start = request->start;
        static constexpr const char* commands[] = {"u", "v", "w"};
        static constexpr const char* labels[] = {"a", "b", "c"};
        start.definition.command = {commands[random.below(3)]};
        if (random.percent(50)) {
            start.definition.label = labels[random.below(3)];
            start.definition.label_given = true;
        }
        start.definition.working_directory = "/";
        start.definition.grace_seconds = random.percent(50) ? 1 : 10;
        if (random.percent(30))
            start.definition.restart =
                random.percent(50) ? domain::RestartPolicy::always : domain::RestartPolicy::on_failure;
        if (random.percent(30))
            start.if_running = random.percent(60) ? ops::IfRunning::restart : ops::IfRunning::refuse;
        // Some bring a key, and ask again with it if they lose their daemon.
        if (random.percent(30)) {
            start.request_key = "k" + std::to_string(request->serial);
            for (const auto& each : all_)
                if (each->what == Asking::start && each->state == Request::State::cut_off && each->start.request_key &&
                    random.percent(50)) {
                    start = each->start;
                    break;
                }
        }
        return ask(request);
    }
    const Asking what = dice < 60   ? Asking::stop
                        : dice < 74 ? Asking::restart
                        : dice < 79 ? Asking::signal
                        : dice < 84 ? Asking::remove
                        : dice < 90 ? Asking::list
                                    : Asking::wait;
    auto request = make(what);
    request->target = *target;
    request->force = random.percent(20);
    if (random.percent(30)) request->grace = static_cast<double>(random.below(30)) / 10;
    ask(request);
}

void Clients::ask_about_project() {
    Random& random = world_.random;
    auto request = make(random.percent(70) ? Asking::up : Asking::down);
    request->force = random.percent(10);
    // Edits are seldom.
    if (random.percent(15)) version_ = static_cast<unsigned>(random.below(project_versions));
    request->version = version_;
    const auto& names = project_names();
    if (random.percent(30)) request->names.insert(names[random.below(names.size())]);
    ask(request);
}

void Clients::ask_to_stop(ProcessId id) {
    auto request = make(Asking::stop);
    request->target = id;
    ask(request);
}

void Clients::ask_to_remove(ProcessId id) {
    auto request = make(Asking::remove);
    request->target = id;
    ask(request);
}

void Clients::ask_to_leave(bool keep) {
    auto request = make(Asking::leave);
    request->force = keep;
    ask(request);
}

void Clients::ask(const RequestPtr& request) {
    if (!world_.daemon) return;
    request->daemon = world_.daemon->incarnation();
    request->asked = world_.time.now();
    if (const auto found = world_.daemon->core().find(request->target)) request->run = found->run;
    world_.record.note("{}", request->text());
    if (all_.size() > 200) forget_old(all_, world_.time.now());
    all_.push_back(request);
    world_.judge.asked(*request);
    boost::asio::co_spawn(
        world_.daemon->io(), perform(request),
        boost::asio::bind_cancellation_slot(request->cancel.slot(), [this, request](std::exception_ptr failed) {
            if (failed && request->state == Request::State::pending)
                world_.record.violate("{} ended by an exception", request->text());
        }));
}

/// Those that can have no effect any more.
void Clients::forget_old(std::vector<RequestPtr>& all, MonoTime now) {
    std::erase_if(all, [now](const RequestPtr& each) {
        return each->state != Request::State::pending && each->state != Request::State::given_up &&
               each->ended + 1h < now;
    });
}

Task<> Clients::perform(RequestPtr request) {
    core::Supervisor& core = world_.daemon->core();
    const std::string name = to_string(request->target);
    const std::string actor = request->actor();
    ops::RestartRequest target;
    target.process = name;
    target.force = request->force;
    target.grace_seconds = request->grace;
    switch (request->what) {
        case Asking::start: {
            ops::StartRequest start = request->start;
            auto result = co_await core.start(std::move(start), actor);
            answer(request, failure_of(result));
            if (result) world_.judge.started(*request, *result);
            break;
        }
        case Asking::stop: {
            auto result = co_await core.stop(std::move(target), actor);
            answer(request, failure_of(result));
            if (result) world_.judge.has_stopped(*request, *result);
            break;
        }
        case Asking::restart: {
            auto result = co_await core.restart(std::move(target), actor);
            answer(request, failure_of(result));
            if (result) world_.judge.restarted(*request, *result);
            break;
        }
        case Asking::signal: {
            ops::SignalRequest signal;
            signal.process = name;
            signal.signal = "USR1";
            auto result = co_await core.signal(std::move(signal), actor);
            answer(request, failure_of(result));
            if (result) world_.judge.seen(*result);
            break;
        }
        case Asking::remove: {
            ops::RemoveRequest removal;
            removal.process = name;
            auto result = co_await core.remove(std::move(removal), actor);
            answer(request, failure_of(result));
            if (result) world_.judge.removed(*request);
            break;
        }
        case Asking::list: {
            ops::ListRequest all;
            auto result = co_await core.list(std::move(all));
            answer(request, failure_of(result));
            if (result) world_.judge.listed(*result);
            break;
        }
        case Asking::wait: {
            const ProcessId id = request->target;
            const MonoTime until = world_.time.now() + 30s;
            for (;;) {
                const auto before = core.find(id);
                if (!before || before->run != request->run || !before->is_live || world_.time.now() >= until) break;
                co_await core.changed(id, before->changes, until);
            }
            answer(request, std::nullopt);
            break;
        }
        case Asking::up: {
            core::UpOrder order = project_order(request->version, request->names);
            auto result = co_await core.up(std::move(order), actor);
            answer(request, failure_of(result));
            break;
        }
        case Asking::down: {
            std::vector<std::string> names(request->names.begin(), request->names.end());
            std::string file = project_file;
            auto result = co_await core.down(std::move(file), std::move(names), false, request->force, actor);
            answer(request, failure_of(result));
            break;
        }
        case Asking::leave: {
            ops::ShutdownRequest leave;
            leave.keep = request->force;
            auto result = co_await core.leave(leave, actor);
            answer(request, failure_of(result));
            if (result) world_.judge.left(*request, result->stopped);
            break;
        }
    }
}

void Clients::answer(const RequestPtr& request, std::optional<Error> failed) {
    if (!world_.is_alive(request->daemon)) {
        // The answer of a daemon that died before it could be sent.
        request->state = Request::State::cut_off;
        request->ended = world_.time.now();
        return;
    }
    request->state = Request::State::answered;
    request->ended = world_.time.now();
    request->ok = !failed;
    if (failed) request->code = failed->code;
    world_.record.note("{} is answered: {}", request->text(),
                       !failed ? std::string("done") : fmt::format("{}: {}", code_name(failed->code), failed->message));
    world_.judge.answered(*request);
}

void Clients::give_up_one() {
    const auto waiting = this->waiting();
    if (waiting.empty()) return;
    const RequestPtr request = waiting[world_.random.below(waiting.size())];
    if (request->what == Asking::leave) return;
    world_.record.note("nobody waits for {} any more", request->text());
    request->state = Request::State::given_up;
    request->ended = world_.time.now();
    request->cancel.emit(boost::asio::cancellation_type::terminal);
}

void Clients::daemon_died(int daemon) {
    for (const auto& each : all_) {
        if (each->daemon != daemon) continue;
        if (each->state != Request::State::pending && each->state != Request::State::given_up) continue;
        each->state = Request::State::cut_off;
        each->ended = world_.time.now();
    }
}

bool Clients::is_leaving() const {
    for (const auto& each : waiting())
        if (each->what == Asking::leave) return true;
    return false;
}

std::size_t Clients::pending() const { return waiting().size(); }

std::vector<RequestPtr> Clients::waiting() const {
    std::vector<RequestPtr> out;
    for (const auto& each : all_)
        if (each->state == Request::State::pending) out.push_back(each);
    return out;
}

}  // namespace persistproc::simulation
