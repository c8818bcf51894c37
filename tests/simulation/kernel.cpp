#include "tests/simulation/kernel.hpp"

#include "tests/simulation/world.hpp"

namespace persistproc::simulation {

std::string to_text(const Exit& exit) { return fmt::format("{} {}", exit.killed ? "signal" : "code", exit.value); }

Pid Kernel::fork(RunId run, const rundir::Nonce& mark, Pid shim) {
    const Pid pid = new_pid();
    Inhabitant& child = all_[pid];
    child.pid = pid;
    child.run = run;
    child.mark = mark;
    child.parent.shim = shim;
    child.is_program = true;
    child.dies_after = world_.random.delay(20ms);
    reports_[run] = Report{.child = pid, .is_closed = false, .trouble = std::nullopt};
    return pid;
}

void Kernel::close_report(RunId run, Pid child, std::optional<StartTrouble> trouble) {
    Report& report = reports_[run];
    if (report.child != child || report.is_closed) return;
    report.is_closed = true;
    report.trouble = trouble;
    world_.shims.report_closed(run);
}

void Kernel::release(Pid pid, std::optional<StartTrouble> trouble) {
    const auto found = all_.find(pid);
    if (found == all_.end() || found->second.is_zombie || found->second.is_dying) return;
    const RunId run = found->second.run;
    found->second.is_released = true;
    world_.time.plan(world_.random.delay(5ms), [this, pid, run, trouble] {
        const auto* child = find(pid);
        if (child == nullptr || child->is_zombie) return;
        if (!trouble) execute(pid);
        close_report(run, pid, trouble);
        if (trouble) end(pid, Exit{127, false});
    });
}

void Kernel::execute(Pid pid) {
    const auto found = all_.find(pid);
    if (found == all_.end() || found->second.is_zombie) return;
    Inhabitant& program = found->second;
    Random& random = world_.random;
    program.executed = true;
    program.obeys_term = !random.percent(world_.mood.ignores_term);
    // Now and then one hangs in the kernel, and not even SIGKILL ends it at once.
    program.dies_after = random.one_in(40) ? random.delay(60s) : random.delay(20ms);
    world_.judge.executed(program);
    if (random.percent(world_.mood.leaves_descendants))
        for (std::uint64_t n = 1 + random.below(2); n > 0; --n) new_descendant(program);
    if (random.percent(40)) {
        const auto after = random.delay(random.percent(50) ? std::chrono::nanoseconds(1s) : 60s);
        const int code = random.percent(40) ? 0 : static_cast<int>(random.below(3));
        const bool killed = random.one_in(6);
        world_.time.plan(after, [this, pid, code, killed] {
            const auto* self = find(pid);
            if (self == nullptr || self->is_zombie) return;
            world_.record.note("{} of {} ends by itself", pid, to_string(self->run));
            end(pid, killed ? Exit{SIGSEGV, true} : Exit{code, false});
        });
    }
}

Pid Kernel::new_descendant(const Inhabitant& of) {
    const Pid pid = new_pid();
    Inhabitant child = of;
    child.pid = pid;
    child.is_program = false;
    // Below the program; when that ends, whoever is its subreaper gets it. Its parent is said to be that one at once.
    child.in_group = world_.random.percent(50);
    child.obeys_term = !world_.random.percent(world_.mood.ignores_term);
    child.dies_after = world_.random.delay(20ms);
    all_[pid] = child;
    if (world_.random.percent(50)) {
        world_.time.plan(world_.random.delay(120s), [this, pid] { end(pid, Exit{0, false}); });
    }
    return pid;
}

void Kernel::end(Pid pid, Exit exit) {
    const auto found = all_.find(pid);
    if (found == all_.end() || found->second.is_zombie) return;
    Inhabitant& self = found->second;
    self.exit = exit;
    self.is_zombie = true;
    const RunId run = self.run;
    if (self.is_program) world_.judge.ended(self);
    const Parent parent = self.parent;
    const bool is_program = self.is_program;
    if (parent.shim != 0) {
        // A shim keeps the zombie of its program until the exit is on record; others it reaps.
        if (!is_program) all_.erase(found);
        world_.shims.child_ended(parent.shim);
    } else if (parent.daemon != 0) {
        if (holds_[{parent.daemon, pid}] == 0) all_.erase(found);
    } else {
        all_.erase(found);
    }
    // Whatever it died of, its end of the pipe is closed now.
    if (is_program) close_report(run, pid, std::nullopt);
    world_.shims.somebody_ended();
    if (world_.daemon) world_.daemon->somebody_ended();
}

bool Kernel::signal(Pid pid, int number) {
    const auto found = all_.find(pid);
    if (found == all_.end() || found->second.is_zombie) return false;
    Inhabitant& self = found->second;
    const bool is_deadly =
        number == SIGKILL || !self.executed || (self.obeys_term && number != SIGCONT && number != SIGUSR1);
    if (!is_deadly || self.is_dying) return true;
    self.is_dying = true;
    const Exit exit =
        number == SIGTERM && self.executed && world_.random.percent(30) ? Exit{0, false} : Exit{number, true};
    world_.time.plan(self.dies_after, [this, pid, exit] { end(pid, exit); });
    return true;
}

void Kernel::kill(Pid pid) {
    const Inhabitant* self = find(pid);
    if (self == nullptr || self->is_zombie) return;
    if (self->dies_after < 1s)
        end(pid, Exit{SIGKILL, true});
    else
        signal(pid, SIGKILL);
}

bool Kernel::signal_group(Pid program, int number) {
    const auto* leader = find(program);
    if (leader == nullptr) return false;
    std::vector<Pid> group;
    for (const auto& [pid, each] : all_)
        if (each.run == leader->run && (pid == program || (!each.is_program && each.in_group))) group.push_back(pid);
    for (const Pid pid : group) signal(pid, number);
    return true;
}

void Kernel::reap(Pid pid) {
    const auto found = all_.find(pid);
    if (found != all_.end() && found->second.is_zombie) all_.erase(found);
}

const Inhabitant* Kernel::find(Pid pid) const {
    const auto found = all_.find(pid);
    return found == all_.end() ? nullptr : &found->second;
}

std::vector<Pid> Kernel::alive_of(RunId run) const {
    std::vector<Pid> out;
    for (const auto& [pid, each] : all_)
        if (each.run == run && !each.is_zombie) out.push_back(pid);
    return out;
}

std::vector<Pid> Kernel::marked(const rundir::Nonce& mark) const {
    std::vector<Pid> out;
    for (const auto& [pid, each] : all_)
        // One that is released executes in a moment; that its mark cannot be read before is left out of this world.
        if (each.mark == mark && !each.is_zombie && each.is_released) out.push_back(pid);
    return out;
}

bool Kernel::has_children(Pid shim) const {
    for (const auto& [pid, each] : all_)
        if (each.parent.shim == shim) return true;
    return false;
}

std::vector<Pid> Kernel::living_below(Pid shim) const {
    std::vector<Pid> out;
    for (const auto& [pid, each] : all_)
        if (each.parent.shim == shim && !each.is_zombie) out.push_back(pid);
    return out;
}

std::optional<Pid> Kernel::living_program(RunId run) const {
    for (const auto& [pid, each] : all_)
        if (each.run == run && each.is_program && !each.is_zombie) return pid;
    return std::nullopt;
}

void Kernel::adopt(Inhabitant& orphan, int daemon) { orphan.parent = Parent{.shim = 0, .daemon = daemon}; }

void Kernel::shim_died(Pid shim, int daemon) {
    std::vector<Pid> orphans, zombies, unreleased;
    for (const auto& [pid, each] : all_)
        if (each.parent.shim == shim) orphans.push_back(pid);
    for (const Pid pid : orphans) {
        Inhabitant& each = all_.at(pid);
        adopt(each, daemon);
        if (each.is_zombie && (daemon == 0 || holds_[{daemon, pid}] == 0))
            zombies.push_back(pid);
        else if (!each.is_released && !each.is_zombie)
            unreleased.push_back(pid);
    }
    for (const Pid pid : zombies) all_.erase(pid);
    // Its pipe closes: it leaves without having executed anything.
    for (const Pid pid : unreleased)
        world_.time.plan(world_.random.delay(2ms), [this, pid] {
            const auto* self = find(pid);
            if (self == nullptr || self->is_zombie) return;
            close_report(self->run, pid, StartTrouble{rundir::Stage::fork, ECANCELED});
            end(pid, Exit{127, false});
        });
}

void Kernel::daemon_died(int daemon) {
    std::vector<Pid> zombies;
    for (auto& [pid, each] : all_) {
        if (each.parent.shim != 0 || each.parent.daemon != daemon) continue;
        each.parent = Parent{};
        if (each.is_zombie) zombies.push_back(pid);
    }
    for (const Pid pid : zombies) all_.erase(pid);
    std::erase_if(holds_, [daemon](const auto& each) { return each.first.first == daemon; });
    world_.shims.somebody_ended();
}

void Kernel::hold(Pid pid, int daemon) { ++holds_[{daemon, pid}]; }

void Kernel::let_go(Pid pid, int daemon) {
    const auto found = holds_.find({daemon, pid});
    if (found == holds_.end() || --found->second > 0) return;
    holds_.erase(found);
    const auto self = all_.find(pid);
    if (self == all_.end() || !self->second.is_zombie) return;
    if (self->second.parent.shim == 0 && self->second.parent.daemon == daemon) all_.erase(self);
}

}  // namespace persistproc::simulation
