#pragma once
/// The numbers that ports of all projects have, so that no two take the same: what is in the book stays, also while
/// nothing runs. Values, pure; one thread at a time.
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/base/result.hpp"
#include "common/project/process.hpp"
#include "daemon/core/projects/project_record.hpp"

namespace persistproc::core::projects {

class PortBook {
public:
    /// What is booked for the project of this file.
    const std::vector<BookedPort>& find(const std::string& file) const;
    /// Takes the place of whatever was booked for it; empty: nothing is any more.
    void set(const std::string& file, std::vector<BookedPort> ports);
    /// See ProjectRecord::base_port.
    std::optional<int> base_port(const std::string& file) const;
    void set_base_port(const std::string& file, std::optional<int> number);

    struct Holder {
        std::string file;
        BookedPort port;
    };
    /// Who else has the number, in the order of files.
    std::vector<Holder> holders(int number, const std::string& but_file) const;

private:
    std::map<std::string, std::vector<BookedPort>> ports_;
    std::map<int, std::set<std::string>> files_;  // by number
    std::map<std::string, int> base_ports_;
};

/// What a choice asks the world for.
struct PortLookups {
    std::function<bool(int number)> is_taken;              // somebody listens on it now, whoever it is
    std::function<bool(const std::string& file)> is_gone;  // the directory of the project is not there any more
};

/// Chooses numbers for the ports of one project, in the order they are asked for: first those that are wished exactly.
/// What the book has for the same wish stays, unless one that was asked for before has it. A port that is wished
/// exactly has its number whoever else has it: whether it is free is seen when it starts.
class PortChoice {
public:
    /// References outlive it.
    PortChoice(const PortBook& book, std::string file, const PortLookups& lookups)
        : book_(book), file_(std::move(file)), lookups_(lookups) {}

    /// Errors: limit (none is free).
    Result<int> number(const std::string& process, const project::PortWish& wish);
    /// The same of a Procfile's ports, "5000+", "5100+", …: of each project in a block of a thousand that no other
    /// project has a port in, as long as there is one.
    Result<int> number_in_block(const std::string& process, project::PortWish wish);
    const std::vector<BookedPort>& chosen() const noexcept { return chosen_; }
    /// Projects whose numbers were taken for free, because their directories are gone.
    const std::set<std::string>& gone() const noexcept { return gone_; }

private:
    bool is_free(int number);
    std::optional<BookedPort> find_booked(const std::string& process, const project::PortWish& wish) const;
    Result<int> choose(BookedPort port, const project::PortWish& wish, int first);
    int find_block() const;
    const PortBook& book_;
    const std::string file_;
    const PortLookups& lookups_;
    std::vector<BookedPort> chosen_;
    std::set<std::string> gone_;
    std::optional<int> block_;  // how much its numbers are above those that were wished
};

}  // namespace persistproc::core::projects
