#pragma once
/// That a process is one of a project's, and what it waits for there: as it was applied, whatever the file says by now.
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/schema/field.hpp"

namespace persistproc {
namespace domain {

enum class Condition {
    ready,    // its checks hold, a oneshot has ended with success; without either it has started
    started,  // its program runs
    done,     // a oneshot has ended with success
    ended,    // it has ended, however
    log,      // a line of its present run matches
};

/// What a process waits for before it is started.
struct Dependency {
    std::string process;
    Condition until = Condition::ready;  // where it is not stated: as far as the other one's readiness is known
    bool is_stated = false;
    std::string pattern;   // RE2, of `log`
    bool restart = false;  // is restarted whenever the other one is ready in a new run
    bool required = true;  // else it starts all the same when the other one fails for good
    friend bool operator==(const Dependency&, const Dependency&) = default;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using D = Dependency;
        using schema::field;
        each(schema::required("process", &D::process));
        each(field("until", &D::until));
        each(field("pattern", &D::pattern).absent_if_empty().left_out_if_absent());
        each(field("restart", &D::restart));
        each(field("required", &D::required));
    }
};

/// A number that one of its ports had when it was applied: what a lost book of ports is made of again.
struct MemberPort {
    std::string name, wish;  // as in that book
    int number = 0;
    schema::Unknown unknown;
    friend bool operator==(const MemberPort&, const MemberPort&) = default;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using P = MemberPort;
        using schema::field;
        each(field("name", &P::name).absent_if_empty().left_out_if_absent());
        each(field("wish", &P::wish));
        each(field("number", &P::number));
    }
};

struct Membership {
    std::string file;     // canonical path of the project's file: who the project is
    std::string name;     // of the project, for display
    std::string process;  // its name in there
    bool found = false;   // the file was the one of its directory, and not named by somebody
    bool oneshot = false;
    bool autostart = true;
    std::vector<Dependency> depends_on;
    std::vector<MemberPort> ports;
    std::optional<std::int64_t> base_port;  // of the project, as in the book of ports
    /// Of the keys of its definition (project/digest.hpp), shortened. Empty: it was begun by other means since.
    std::map<std::string, std::string> digests;
    schema::Unknown unknown;
    friend bool operator==(const Membership&, const Membership&) = default;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using M = Membership;
        using schema::field;
        each(field("file", &M::file));
        each(field("name", &M::name));
        each(field("process", &M::process));
        each(field("found", &M::found));
        each(field("oneshot", &M::oneshot));
        each(field("autostart", &M::autostart));
        each(field("depends_on", &M::depends_on).absent_if_empty().left_out_if_absent());
        each(field("ports", &M::ports).absent_if_empty().left_out_if_absent());
        each(field("base_port", &M::base_port).left_out_if_absent());
        each(field("digests", &M::digests));
    }
};

/// Of which project a process is, as every answer tells it.
struct ProjectPlace {
    std::string name, file, process;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using P = ProjectPlace;
        using schema::field;
        each(field("name", &P::name));
        each(field("file", &P::file));
        each(field("process", &P::process));
    }
};

}  // namespace domain

namespace schema {
template <>
struct EnumNames<domain::Condition> {
    using E = domain::Condition;
    static constexpr std::pair<E, std::string_view> names[] = {
        {E::ready, "ready"}, {E::started, "started"}, {E::done, "done"}, {E::ended, "ended"}, {E::log, "log"}};
};
}  // namespace schema
}  // namespace persistproc
