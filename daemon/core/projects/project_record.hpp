#pragma once
/// What is stored of a project. Who it is is told by the canonical path of its file.
#include <optional>
#include <string>
#include <vector>

#include "common/base/time.hpp"
#include "common/schema/document.hpp"

namespace persistproc::core {

/// A number that a port of one of its processes has, whether anything runs or not.
struct BookedPort {
    std::string process;
    std::string name;  // of the port; empty: the process's only one
    std::string wish;  // it was chosen for: "3000", "3000+", "auto"
    int number = 0;
    bool found = false;  // its file was the one of its directory, and not named by somebody
    schema::Unknown unknown;
    friend bool operator==(const BookedPort&, const BookedPort&) = default;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using B = BookedPort;
        using schema::field;
        each(field("process", &B::process));
        each(field("name", &B::name).absent_if_empty());
        each(field("wish", &B::wish));
        each(field("number", &B::number));
        each(field("found", &B::found));
    }
};

/// A person's consent that agents may run what the project's files said then.
struct Consent {
    std::string digest;
    std::string inherited_digest;  // with the values of variables that the daemon had; empty: it came to nothing
    WallTime at{};
    std::string by;

    bool is_to(const std::string& asked) const {
        return !asked.empty() && (asked == digest || asked == inherited_digest);
    }
    schema::Unknown unknown;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using C = Consent;
        using schema::field;
        each(field("digest", &C::digest));
        each(field("inherited_digest", &C::inherited_digest).absent_if_empty().left_out_if_absent());
        each(field("at", &C::at));
        each(field("by", &C::by));
    }
};

struct ProjectRecord {
    std::string file;  // no part of the document
    std::vector<BookedPort> ports;
    // Of a Procfile, also one that is included: PORT as whoever brought it up had it in the environment.
    std::optional<std::int64_t> base_port;
    std::optional<Consent> consent;
    schema::Unknown unknown;

    /// Nothing is remembered of it: it need not be kept.
    bool says_nothing() const { return ports.empty() && !base_port && !consent && unknown.members.empty(); }

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = ProjectRecord;
        using schema::field;
        each(field("ports", &R::ports));
        each(field("base_port", &R::base_port).left_out_if_absent());
        each(field("consent", &R::consent).left_out_if_absent());
    }
};

}  // namespace persistproc::core
