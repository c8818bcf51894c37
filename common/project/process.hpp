#pragma once
/// A process of a project as its file defines it. Keys that a start has, too, are those of domain::Definition, from
/// where their types, bounds and forms come; the others stand here.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/domain/membership.hpp"
#include "common/domain/process.hpp"
#include "common/domain/readiness.hpp"
#include "common/schema/field.hpp"

namespace persistproc {
namespace project {

/// A port that a process wants. The number is decided by whoever keeps the book of ports.
struct PortWish {
    enum class Kind {
        exactly,    // 3000: taken is an error
        from,       // "3000+": this one, else the next that is free, and from then on always that one
        automatic,  // "auto"
    };
    std::string name;  // empty: the only one
    Kind kind = Kind::automatic;
    int number = 0;  // 0: automatic
    friend bool operator==(const PortWish&, const PortWish&) = default;
};

using domain::Condition;
using domain::Dependency;

struct EnvironmentFile {
    std::string path;
    bool required = true;
    bool expand = false;  // ${X} and ${X:-default} of earlier lines, else of the inherited environment

    template <class Each>
    static constexpr void fields(Each&& each) {
        using F = EnvironmentFile;
        each(schema::required("path", &F::path).range(1, 4096).as_key("path"));
        each(schema::field("required", &F::required).as_key("required"));
        each(schema::field("expand", &F::expand).as_key("expand"));
    }
};

/// Exit codes: 0 to 255.
extern const schema::Form<std::vector<int>> codes_form;

struct Restart {
    domain::RestartPolicy policy = domain::RestartPolicy::never;
    std::int64_t max = 8;  // quick failures in a row
    double healthy_after_seconds = 10;
    double delay_seconds = 0.2;
    double max_delay_seconds = 30;
    std::vector<int> never_codes;  // after these it is not run again

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = Restart;
        using schema::field;
        each(schema::required("policy", &R::policy).in_form(&domain::restart_form).as_key("policy"));
        each(field("max", &R::max).range(1, 1000000).as_key("max"));
        each(field("healthy_after_seconds", &R::healthy_after_seconds)
                 .in_form(&domain::seconds_form)
                 .range(0, 86400)
                 .as_key("healthy_after"));
        each(field("delay_seconds", &R::delay_seconds).in_form(&domain::seconds_form).range(0, 3600).as_key("delay"));
        each(field("max_delay_seconds", &R::max_delay_seconds)
                 .in_form(&domain::seconds_form)
                 .range(0, 3600)
                 .as_key("max_delay"));
        each(field("never_codes", &R::never_codes).in_form(&codes_form).as_key("never_codes"));
    }
};

using domain::Watch;

extern const schema::Form<std::vector<PortWish>> ports_form;
extern const schema::Form<std::vector<Dependency>> dependencies_form;
extern const schema::Form<std::vector<EnvironmentFile>> environment_files_form;
extern const schema::Form<Restart> restart_form;
extern const schema::Form<std::optional<Watch>> watch_form;
/// Values may be texts, whole numbers, true or false. No refusal shows one.
extern const schema::Form<domain::Environment> environment_form;

struct Process {
    std::string name;
    domain::Definition definition;    // its label is whoever starts it's to choose; its environment stands below
    std::string shell;                // "sh", "bash", …; empty: one where the text of `run` needs it
    domain::Environment environment;  // of files and keys, the stronger ones counting, and PORT…; nothing inherited
    std::vector<EnvironmentFile> environment_files;
    std::vector<std::string> unset_variables;  // not inherited
    bool tty = false, input = false;           // it runs on a terminal; its input stays open
    std::vector<Dependency> depends_on;        // by name; of each process one
    bool oneshot = false;                      // ends by itself
    domain::Checks ready, health;
    std::vector<PortWish> ports;
    Restart restart;
    std::vector<int> success_codes{0};
    std::optional<Watch> watch;
    std::vector<std::string> stop_command;  // runs before the signal, within the grace
    bool stop_in_shell = false;             // it is one word, given to /bin/sh -c
    bool autostart = true;
    std::optional<std::int64_t> log_limit_bytes;

    std::map<std::string, int> port_numbers;  // by the wish's name
    std::string base_directory;               // what its paths are relative to

    /// Whether it has to be restarted to be what its definition says is told by each key (`takes_restart`).
    template <class Each>
    static constexpr void fields(Each&& each) {
        using P = Process;
        using schema::field;
        schema::inlined(&P::definition, [&each](const auto& f) {
            if (f.is_for(schema::in_files)) each(f);
        });
        each(field("shell", &P::shell).range(1, 64).absent_if_empty().as_key("shell").taking_restart());
        each(field("environment", &P::environment).in_form(&environment_form).as_key("env").taking_restart());
        each(field("environment_files", &P::environment_files)
                 .in_form(&environment_files_form)
                 .as_key("env_file")
                 .taking_restart());
        each(field("unset_variables", &P::unset_variables).range(0, 256).as_key("unset_env").taking_restart());
        each(field("tty", &P::tty).as_key("tty").taking_restart());
        each(field("input", &P::input).as_key("input").taking_restart());
        each(field("depends_on", &P::depends_on).in_form(&dependencies_form).as_key("depends_on"));
        each(field("oneshot", &P::oneshot).as_key("oneshot"));
        each(field("ready", &P::ready).in_form(&domain::checks_form).as_key("ready"));
        each(field("health", &P::health).in_form(&domain::checks_form).as_key("health"));
        each(field("ports", &P::ports).in_form(&ports_form).as_key("port").taking_restart());
        each(field("restart", &P::restart).in_form(&restart_form).as_key("restart"));
        each(field("success_codes", &P::success_codes).in_form(&codes_form).range(1, 256).as_key("success_codes"));
        each(field("watch", &P::watch).in_form(&watch_form).as_key("watch"));
        each(field("stop_command", &P::stop_command).in_form(&domain::command_form).as_key("stop_command"));
        each(field("autostart", &P::autostart).as_key("autostart"));
        each(field("log_limit_bytes", &P::log_limit_bytes).in_form(&size_form).as_key("log_limit"));
    }

    static const schema::Form<std::optional<std::int64_t>> size_form;
};

/// "3000", "3000+", "auto": as it is written in a file.
std::string wish_text(const PortWish& wish);

/// "PORT", "PORT_ADMIN": the variable that tells a program the number of a port of this name.
std::string port_variable(std::string_view port_name);

/// Whether something is known to be ready of it, beyond that it has started: a check, or that it is to end.
bool has_readiness(const Process& process) noexcept;

}  // namespace project
}  // namespace persistproc
