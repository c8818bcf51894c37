#include "daemon/core/project_plan.hpp"

#include <algorithm>
#include <random>

#include "tests/support/catch.hpp"

namespace plan_test {

using namespace persistproc;
using namespace persistproc::core;
using domain::Condition;
using domain::Dependency;
using Stage = ProjectPlan::Stage;

Dependency on(std::string name, Condition until = Condition::ready) {
    return {.process = std::move(name), .until = until, .pattern = {}};
}

std::string text(const ProjectPlan::Actions& actions) {
    std::string out;
    const auto add = [&out](const std::string& what) { out += (out.empty() ? "" : ", ") + what; };
    for (const auto& each : actions) {
        if (const auto* a = std::get_if<StartProcess>(&each)) add("start " + a->process);
        if (const auto* a = std::get_if<StopProcess>(&each)) add("stop " + a->process);
        if (const auto* a = std::get_if<FailProcess>(&each)) add("fail " + a->process + " for " + a->because);
        if (const auto* a = std::get_if<RestartProcess>(&each)) add("restart " + a->process + " for " + a->because);
        if (const auto* a = std::get_if<WarnOf>(&each)) add("warn " + a->process + " of " + a->missing);
    }
    return out;
}

PlanFacts started(std::uint32_t run) { return {.run = run, .has_tree = true, .has_started = true, .printed = {}}; }
PlanFacts ready(std::uint32_t run) {
    PlanFacts out = started(run);
    out.is_ready = true;
    return out;
}
PlanFacts backoff(std::uint32_t run) { return {.run = run, .has_started = true, .has_ended = true, .printed = {}}; }
PlanFacts ended(std::uint32_t run, bool well) {
    PlanFacts out = backoff(run);
    out.ended_well = well;
    out.is_final = true;
    return out;
}

/// db <- migrate (a oneshot) <- api <- web, and docs, which needs nobody.
ProjectPlan shop() {
    return ProjectPlan({{"web", false, {on("api")}},
                        {"api", false, {on("db"), on("migrate", Condition::done)}},
                        {"migrate", true, {on("db")}},
                        {"db", false, {}},
                        {"docs", false, {}}});
}
const std::set<std::string> all{"api", "db", "docs", "migrate", "web"};

TEST_CASE("given a chain, when it comes up, then each starts once what it needs is there, and others at once") {
    ProjectPlan plan = shop();
    CHECK(text(plan.up(all)) == "start db, start docs");
    CHECK(plan.missing("api") == std::vector<std::string>{"db", "migrate"});
    CHECK(text(plan.learn("db", started(1))).empty());  // it runs, and is not ready
    CHECK(text(plan.learn("docs", started(1))).empty());
    CHECK(text(plan.learn("db", ready(1))) == "start migrate");
    CHECK(text(plan.learn("migrate", started(1))).empty());
    CHECK(text(plan.learn("migrate", ended(1, true))) == "start api");
    CHECK(text(plan.learn("api", ready(1))) == "start web");
    CHECK(!plan.is_settled());
    CHECK(text(plan.learn("web", started(1))).empty());
    CHECK(plan.is_settled());
    // Nothing to do.
    CHECK(text(plan.up(all)).empty());
}

TEST_CASE("given what has ended and may have left something without a keeper, when it goes down, then it is stopped") {
    ProjectPlan plan = shop();
    plan.up({"db"});
    plan.learn("db", started(1));
    PlanFacts lost = ended(1, false);
    lost.may_have_strays = true;
    CHECK(text(plan.learn("db", lost)).empty());
    CHECK(plan.stage("db") == Stage::failed);
    CHECK(text(plan.down({"db"})) == "stop db");
    CHECK(text(plan.learn("db", lost)).empty());
    CHECK(plan.stage("db") == Stage::stopping);
    plan.learn("db", ended(1, false));
    CHECK(plan.stage("db") == Stage::idle);
}

TEST_CASE("given a stop that came to nothing, when it goes down again, then it is stopped again, in the same order") {
    ProjectPlan plan = shop();
    for (const auto& name : all) plan.adopt(name, Stage::up, ready(1));
    CHECK(text(plan.down({"api", "web"})) == "stop web");
    // Whoever asks meanwhile is answered with it.
    CHECK(text(plan.down({"api", "web"})).empty());
    plan.refuse_stop("web");
    CHECK(text(plan.learn("web", ready(1))).empty());
    CHECK(text(plan.down({"api", "web"})) == "stop web");
    CHECK(text(plan.learn("web", ended(1, false))) == "stop api");
    plan.refuse_stop("api");
    CHECK(text(plan.down({"web", "api"})) == "stop api");
}

TEST_CASE("given whom others need, when it is not as they need it, then they lack it, wanted or not") {
    ProjectPlan plan = shop();
    using Names = std::vector<std::string>;
    CHECK(plan.lacking("api") == Names{"db", "migrate"});
    CHECK(plan.lacking("db").empty());
    CHECK(plan.lacking("none").empty());
    plan.up({"db", "migrate"});
    plan.learn("db", ready(1));
    CHECK(plan.lacking("api") == Names{"migrate"});
    plan.learn("migrate", started(1));
    plan.learn("migrate", ended(1, true));
    CHECK(plan.lacking("api").empty());
    plan.down({"db", "migrate"});
    plan.learn("db", ended(1, false));
    CHECK(plan.lacking("api") == Names{"db", "migrate"});
}

TEST_CASE("given a dependency that fails twice and then is ready, when others wait for it, then they wait, and start") {
    ProjectPlan plan = shop();
    plan.up({"db", "migrate"});
    for (std::uint32_t run = 1; run <= 2; ++run) {
        plan.learn("db", started(run));
        CHECK(text(plan.learn("db", backoff(run))).empty());
        CHECK(plan.stage("migrate") == Stage::waiting);
    }
    CHECK(text(plan.learn("db", ready(3))) == "start migrate");
}

TEST_CASE(
    "given a dependency that gives up, when others wait for it, then they fail at once, and other branches go on") {
    ProjectPlan plan = shop();
    plan.up(all);
    plan.learn("docs", started(1));
    CHECK(text(plan.learn("db", ended(1, false))) == "fail migrate for db, fail api for db, fail web for api");
    CHECK(plan.stage("docs") == Stage::up);
    CHECK(plan.is_settled());
    // Never by themselves, hours later.
    CHECK(text(plan.learn("db", ready(2))).empty());
    CHECK(plan.stage("api") == Stage::failed);
    CHECK(text(plan.up(all)) == "start migrate");
}

TEST_CASE("given a oneshot that fails, when others wait for it, then they do not start") {
    ProjectPlan plan = shop();
    plan.up({"api", "db", "migrate"});
    plan.learn("db", ready(1));
    CHECK(text(plan.learn("migrate", ended(1, false))) == "fail api for migrate");
}

TEST_CASE("given a oneshot that is done, when the project comes up again, then it runs only after a down or by name") {
    ProjectPlan plan = shop();
    plan.up({"db", "migrate"});
    plan.learn("db", ready(1));
    plan.learn("migrate", ended(1, true));
    CHECK(text(plan.up({"db", "migrate"})).empty());
    CHECK(text(plan.up({"db", "migrate"}, {"migrate"})) == "start migrate");
    plan.learn("migrate", ended(2, true));
    CHECK(text(plan.down({"db", "migrate"})) == "stop db");
    plan.learn("db", ended(1, false));
    CHECK(text(plan.up({"db", "migrate"})) == "start db");
    CHECK(text(plan.learn("db", ready(2))) == "start migrate");
}

TEST_CASE("given a oneshot that was done before a down, when it cannot come again, then what needs it does not start") {
    ProjectPlan plan({{"a", true, {}}, {"m", true, {on("a")}}, {"b", false, {on("m")}}});
    const std::set<std::string> chain{"a", "b", "m"};
    CHECK(text(plan.up(chain)) == "start a");
    CHECK(text(plan.learn("a", ended(1, true))) == "start m");
    CHECK(text(plan.learn("m", ended(1, true))) == "start b");
    plan.learn("b", ready(1));
    CHECK(text(plan.down(chain)) == "stop b");
    plan.learn("b", ended(1, false));
    CHECK(text(plan.up(chain)) == "start a");
    CHECK(text(plan.learn("a", ended(2, false))) == "fail m for a, fail b for m");
    // Nor does it count as done later.
    CHECK(text(plan.up(chain)) == "start a");
    CHECK(text(plan.learn("a", ended(3, true))) == "start m");
}

TEST_CASE("given what runs already, when it is needed, then it is not started again") {
    ProjectPlan plan = shop();
    plan.learn("db", ready(4));
    CHECK(text(plan.up({"db", "migrate"})) == "start migrate");
    CHECK(plan.stage("db") == Stage::up);
}

TEST_CASE("given a dependency that is left out and not there, when a process comes up, then nobody waits for it") {
    ProjectPlan plan({{"web", false, {on("api")}, true}, {"api", false, {}}});
    CHECK(text(plan.up({"web"})) == "start web");
}

TEST_CASE("given who waits, when what it needs is put down or removed, then it fails, whatever else is to come") {
    ProjectPlan plan = shop();
    plan.up(all);
    CHECK(text(plan.down({"migrate"})) == "fail api for migrate, fail web for api");
    plan.learn("db", ready(1));
    plan.down({"db"});
    CHECK(text(plan.up({"migrate"})) == "fail migrate for db");
    // The process is gone, and its project's next plan knows nothing of it.
    ProjectPlan next({{"api", false, {on("db"), on("migrate", Condition::done)}}, {"db", false, {}}});
    next.adopt("api", Stage::waiting, {});
    next.adopt("db", Stage::waiting, {});
    CHECK(text(next.up({})) == "start db, fail api for migrate");
}

TEST_CASE("given a dependent asked for later, when its dependency is ready, then the present state counts") {
    ProjectPlan plan = shop();
    plan.up({"db"});
    plan.learn("db", ready(1));
    plan.learn("db", started(1));  // lost for a moment
    CHECK(text(plan.up({"migrate"})).empty());
    CHECK(text(plan.learn("db", ready(1))) == "start migrate");
}

TEST_CASE("given a project that goes down, when it is stopped, then each once the trees that need it are empty") {
    ProjectPlan plan = shop();
    plan.up(all);
    plan.learn("db", ready(1));
    plan.learn("docs", started(1));
    plan.learn("migrate", ended(1, true));
    plan.learn("api", ready(1));
    plan.learn("web", started(1));
    CHECK(text(plan.down(all)) == "stop docs, stop web");
    PlanFacts leftovers = ended(1, false);
    leftovers.has_tree = true;
    CHECK(text(plan.learn("web", leftovers)).empty());  // its program is gone, its tree is not
    CHECK(text(plan.learn("web", ended(1, false))) == "stop api");
    CHECK(text(plan.learn("api", ended(1, false))) == "stop db");
    CHECK(text(plan.learn("db", ended(1, false))).empty());
    CHECK(text(plan.learn("docs", ended(1, false))).empty());
    CHECK(plan.is_settled());
}

TEST_CASE("given impatience, when a project goes down, then all are stopped at once") {
    ProjectPlan plan = shop();
    plan.up({"db", "docs"});
    plan.learn("db", ready(1));
    plan.up({"migrate"});
    plan.learn("migrate", started(1));
    CHECK(text(plan.down({"db", "migrate"})) == "stop migrate");
    CHECK(text(plan.hasten()) == "stop db");
    CHECK(text(plan.hasten()).empty());
}

TEST_CASE("given one that waits, when it is stopped, then that is at once, and nothing comes later") {
    ProjectPlan plan = shop();
    plan.up({"db", "migrate"});
    CHECK(text(plan.down({"migrate"})).empty());
    CHECK(plan.stage("migrate") == Stage::idle);
    CHECK(text(plan.learn("db", ready(1))).empty());
}

TEST_CASE("given a start on its way, when it is stopped, then what is known of the run before is no end of it") {
    ProjectPlan plan = shop();
    plan.learn("db", ended(3, false));
    CHECK(text(plan.up({"db"})) == "start db");
    CHECK(text(plan.down({"db"})) == "stop db");
    plan.learn("db", ended(3, false));
    CHECK(plan.stage("db") == Stage::stopping);
    plan.learn("db", ended(4, false));
    CHECK(plan.stage("db") == Stage::idle);
}

TEST_CASE("given one that is being stopped, when it is to come up, then it starts, and its dependents after it") {
    ProjectPlan plan = shop();
    plan.up({"db"});
    plan.learn("db", ready(1));
    plan.down({"db"});
    CHECK(text(plan.up({"db", "migrate"})) == "start db");
    CHECK(text(plan.learn("db", ready(1))).empty());  // the run that is going
    CHECK(text(plan.learn("db", ready(2))) == "start migrate");
}

TEST_CASE("given an edge that restarts, when its dependency is ready in a new run, then the dependent restarts once") {
    Dependency edge = on("db");
    edge.restart = true;
    ProjectPlan plan({{"api", false, {edge}}, {"db", false, {}}, {"web", false, {on("db")}}});
    plan.up({"api", "db", "web"});
    plan.learn("db", ready(1));
    plan.learn("api", started(1));
    plan.learn("web", started(1));
    CHECK(text(plan.learn("db", backoff(1))).empty());
    CHECK(!plan.may_restart("api"));
    CHECK(text(plan.learn("db", started(2))).empty());
    CHECK(text(plan.learn("db", ready(2))) == "restart api for db");
    CHECK(plan.may_restart("api"));
    CHECK(text(plan.learn("db", ready(2))).empty());
    CHECK(text(plan.learn("api", started(2))).empty());
}

TEST_CASE("given edges of two files that go round, when it is asked who is restarted with whom, then it is told") {
    Dependency on_a = on("a"), on_b = on("b");
    on_a.restart = on_b.restart = true;
    ProjectPlan plan({{"a", false, {on_b}}, {"b", false, {on_a}}});
    for (const auto* name : {"a", "b"}) plan.adopt(name, Stage::up, ready(1));
    CHECK(plan.restarts_with("a").empty());
    CHECK(plan.restarts_with("b").empty());
}

TEST_CASE("given a chain of edges that restart, when its first is new, then all behind it are about to be restarted") {
    using Names = std::vector<std::string>;
    Dependency on_db = on("db"), on_api = on("api");
    on_db.restart = on_api.restart = true;
    ProjectPlan plan({{"web", false, {on_api}}, {"api", false, {on_db}}, {"db", false, {}}});
    for (const auto* name : {"db", "api", "web"}) plan.adopt(name, Stage::up, ready(1));
    plan.up({});
    CHECK(plan.restarts_with("web").empty());
    plan.adopt("db", Stage::waiting, ready(1));
    CHECK(plan.restarts_with("api") == Names{"db"});
    CHECK(plan.restarts_with("web") == Names{"api"});
    CHECK(text(plan.up({})) == "start db");
    plan.learn("db", started(2));
    // Another up looks at all of it anew meanwhile.
    ProjectPlan later({{"web", false, {on_api}}, {"api", false, {on_db}}, {"db", false, {}}});
    later.remember(plan);
    later.adopt("db", Stage::up, started(2));
    for (const auto* name : {"api", "web"}) later.adopt(name, Stage::up, ready(1));
    CHECK(text(later.up({})).empty());
    CHECK(later.restarts_with("api") == Names{"db"});
    SECTION("it comes") {
        CHECK(text(later.learn("db", ready(2))) == "restart api for db");
        // Until the run that was asked for is there.
        CHECK(later.restarts_with("api") == Names{"db"});
        later.learn("api", started(2));
        CHECK(later.restarts_with("api").empty());
        CHECK(later.restarts_with("web") == Names{"api"});
        CHECK(text(later.learn("api", ready(2))) == "restart web for api");
        later.refuse_restart("web");
        CHECK(later.restarts_with("web").empty());
    }
    SECTION("it cannot come: they run on") {
        later.learn("db", ended(2, false));
        CHECK(later.restarts_with("api").empty());
        CHECK(later.restarts_with("web").empty());
    }
}

TEST_CASE(
    "given an edge that restarts, when the dependent was begun after what it is restarted with, then it runs on") {
    Dependency edge = on("db");
    edge.restart = true;
    ProjectPlan plan({{"api", false, {edge}}, {"db", false, {}}});
    plan.up({"api", "db"});
    plan.learn("db", ready(1));
    plan.learn("api", started(1));
    plan.learn("api", ended(1, false));
    plan.learn("db", started(2));
    plan.learn("db", ready(2));
    // Somebody starts it by itself.
    plan.adopt("api", Stage::up, started(2));
    CHECK(text(plan.learn("api", started(2))).empty());
    CHECK(plan.restarts_with("api").empty());
    plan.learn("db", started(3));
    CHECK(text(plan.learn("db", ready(3))) == "restart api for db");
}

TEST_CASE("given work that has failed, when who needs it runs, then it is in the way, and what has ended is not") {
    ProjectPlan plan(
        {{"api", false, {on("db"), on("migrate", Condition::done)}}, {"db", false, {}}, {"migrate", true, {}}});
    plan.adopt("api", Stage::up, started(1));
    plan.adopt("db", Stage::failed, ended(1, false));
    plan.adopt("migrate", Stage::up, ended(1, true));
    CHECK(plan.obstacle("api") == "db");
    CHECK(!plan.obstacle("api", true));
    plan.adopt("migrate", Stage::failed, ended(2, false));
    CHECK(plan.obstacle("api", true) == "migrate");
}

TEST_CASE("given a dependency that was stopped on request, when a dependent is to be restarted, then it may be") {
    ProjectPlan plan = shop();
    plan.up({"db"});
    plan.learn("db", ready(1));
    plan.down({"db"});
    plan.learn("db", ended(1, false));
    CHECK(plan.may_restart("migrate"));
    CHECK(plan.may_restart("nobody"));
}

TEST_CASE("given what can be done without, when it fails, then the dependent starts and it is told") {
    Dependency edge = on("db");
    edge.required = false;
    ProjectPlan plan({{"api", false, {edge}}, {"db", false, {}}});
    plan.up({"api", "db"});
    CHECK(text(plan.learn("db", ended(1, false))) == "warn api of db, start api");
}

TEST_CASE("given each condition, when its fact comes, then it holds") {
    Dependency line = on("a", Condition::log);
    line.pattern = "up";
    ProjectPlan plan({{"a", false, {}},
                      {"b", false, {on("a", Condition::started)}},
                      {"c", false, {on("a", Condition::ended)}},
                      {"d", false, {line}}});
    plan.up({"a", "b", "c", "d"});
    CHECK(text(plan.learn("a", started(1))) == "start b");
    PlanFacts printed = started(1);
    printed.printed = {"up"};
    CHECK(text(plan.learn("a", printed)) == "start d");
    CHECK(text(plan.learn("a", ended(1, false))) == "start c");
}

TEST_CASE("given a start that is refused, when others wait for it, then they fail") {
    ProjectPlan plan = shop();
    plan.up({"db", "migrate"});
    CHECK(text(plan.refuse("db")) == "fail migrate for db");
    CHECK(text(plan.refuse("db")).empty());
}

TEST_CASE("given a plan whose daemon has died, when the next one knows it, then it is carried through, once") {
    ProjectPlan plan = shop();
    plan.adopt("db", Stage::up, ready(1));
    plan.adopt("migrate", Stage::up, ended(1, true));
    plan.adopt("api", Stage::waiting, {});
    plan.adopt("web", Stage::waiting, {});
    CHECK(text(plan.learn("db", ready(1))) == "start api");
    CHECK(text(plan.learn("db", ready(1))).empty());
    CHECK(text(plan.learn("api", ready(1))) == "start web");
}

// Histories at random, with processes that behave as theirs rules let them.

struct Actor {
    PlanFacts facts;
    bool is_starting = false, is_stopping = false;
};

TEST_CASE(
    "given any history, when it goes on, then nothing starts without what it needs nor stops before who needs it") {
    std::mt19937 random(11);
    const auto pick = [&random](std::size_t below) { return static_cast<std::size_t>(random() % below); };
    for (int round = 0; round < 400; ++round) {
        const std::size_t count = 2 + pick(7);
        std::vector<PlannedProcess> processes;
        for (std::size_t i = 0; i < count; ++i) {
            PlannedProcess each{
                .name = std::string(1, static_cast<char>('a' + i)), .oneshot = pick(4) == 0, .depends_on = {}};
            for (std::size_t k = 0; k < i; ++k)
                if (pick(3) == 0) {
                    Dependency edge = on(processes[k].name, processes[k].oneshot ? Condition::done : Condition::ready);
                    edge.restart = pick(4) == 0;
                    each.depends_on.push_back(edge);
                }
            processes.push_back(each);
        }
        ProjectPlan plan(processes);
        std::map<std::string, Actor> actors;
        const auto process_of = [&](const std::string& name) {
            return *std::find_if(processes.begin(), processes.end(), [&](auto& each) { return each.name == name; });
        };
        bool is_hasty = false;
        const auto perform = [&](const ProjectPlan::Actions& actions) {
            for (const auto& each : actions) {
                if (const auto* start = std::get_if<StartProcess>(&each)) {
                    for (const auto& edge : process_of(start->process).depends_on) {
                        const auto& facts = actors[edge.process].facts;
                        const bool is_there = edge.until == Condition::done ? facts.ended_well : facts.is_ready;
                        CHECK((is_there || plan.stage(edge.process) == Stage::idle));
                    }
                    actors[start->process].is_starting = true;
                }
                if (const auto* stop = std::get_if<StopProcess>(&each)) {
                    for (const auto& other : processes)
                        for (const auto& edge : other.depends_on) {
                            const bool needs_it = edge.process == stop->process;
                            const bool is_going = plan.stage(other.name) == Stage::stopping;
                            CHECK((is_hasty || !needs_it || !is_going || !actors[other.name].facts.has_tree));
                        }
                    actors[stop->process].is_stopping = true;
                }
            }
        };
        std::set<std::string> every;
        for (const auto& each : processes) every.insert(each.name);
        const auto step_of = [&](const std::string& name) {
            Actor& actor = actors[name];
            PlanFacts& facts = actor.facts;
            if (actor.is_stopping) {
                actor.is_stopping = false;
                const auto run = facts.run + (actor.is_starting ? 1 : 0);
                actor.is_starting = false;
                facts = ended(run, false);
            } else if (actor.is_starting) {
                actor.is_starting = false;
                facts = pick(8) == 0 ? ended(facts.run + 1, false) : started(facts.run + 1);
            } else if (facts.has_tree) {
                const auto fate = pick(6);
                if (process_of(name).oneshot)
                    facts = ended(facts.run, fate != 0);
                else
                    facts = fate == 0 ? ended(facts.run, false) : fate == 1 ? backoff(facts.run) : ready(facts.run);
            } else if (facts.has_started && !facts.is_final) {
                facts = started(facts.run + 1);
            }
            perform(plan.learn(name, facts));
        };
        for (int step = 0; step < 60; ++step) {
            std::set<std::string> some;
            for (const auto& each : every)
                if (pick(2) == 0) some.insert(each);
            const auto kind = pick(10);
            is_hasty = kind == 0;
            if (kind == 0) perform(plan.hasten());
            is_hasty = false;
            if (kind == 1) perform(plan.up(some));
            if (kind == 2) perform(plan.down(some));
            if (kind == 3) perform(plan.up(every));
            if (kind > 3) step_of(std::string(1, static_cast<char>('a' + pick(count))));
        }
        // Down in the end, and nothing of it comes back.
        perform(plan.down(every));
        for (int i = 0; i < 200 && !plan.is_settled(); ++i)
            for (const auto& each : every)
                if (plan.stage(each) == Stage::stopping && actors[each].is_stopping) step_of(each);
        CHECK(plan.is_settled());
        for (const auto& each : every) {
            CHECK(plan.stage(each) == Stage::idle);
            CHECK(!actors[each].facts.has_tree);
            CHECK(!actors[each].is_starting);
        }
    }
}

TEST_CASE("given who waits, when somebody stops it, then it does not come, and what needs it fails") {
    ProjectPlan plan = shop();
    plan.up(all);
    plan.learn("db", started(1));
    CHECK(text(plan.withdraw("api")) == "fail web for api");
    CHECK(plan.stage("api") == Stage::failed);
    CHECK(plan.obstacle("web") == "api");
    CHECK(!plan.obstacle("migrate"));
    plan.learn("db", ready(1));
    CHECK(text(plan.learn("migrate", started(1))).empty());
    CHECK(text(plan.learn("migrate", ended(1, true))).empty());
    // What is left out is nobody's to wait for.
    plan.leave_out({"web"});
    CHECK(!plan.obstacle("web"));
}

}  // namespace plan_test
