#include "daemon/core/projects/load_project.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "common/base/file.hpp"
#include "common/base/text.hpp"
#include "common/project/foreign.hpp"
#include "common/project/parts.hpp"
#include "common/project/project_files.hpp"

namespace persistproc::core::projects {

namespace fs = std::filesystem;

namespace {

using project::directory_of, project::is_within, project::joined_path;
using project::find_main_copy, project::find_project_file, project::is_there;
using project::project_directory, project::read_believed, project::take_project_file, project::usual_name;

/// `environment` outlives it.
config::VariableLookup lookup_in(const std::vector<std::string>& environment) {
    std::map<std::string_view, std::string_view> values;
    for (const std::string_view each : environment)
        if (const std::size_t equals = each.find('='); equals != std::string_view::npos)
            values.emplace(each.substr(0, equals), each.substr(equals + 1));
    return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
        const auto found = values.find(name);
        return found == values.end() ? std::nullopt : std::optional<std::string>(found->second);
    };
}

bool is_or_is_within(const std::string& path, const std::string& directory) {
    return path == directory || is_within(path, directory);
}

/// `path` with `to` in the place of the directory `from`, if it lies in that.
std::string moved(const std::string& path, const std::string& from, const std::string& to) {
    return is_or_is_within(path, from) ? to + path.substr(from.size()) : path;
}

/// Empty: it cannot be told.
std::string find_real_path(const std::string& path) {
    std::error_code failed;
    const fs::path real = fs::weakly_canonical(path, failed);
    return failed ? std::string() : real.native();
}

class ProjectLoader {
public:
    ProjectLoader(const ProjectQuery& query, const PortBook& book, const Surroundings& surroundings)
        : query_(query),
          book_(book),
          surroundings_(surroundings),
          environment_(query.environment ? *query.environment : surroundings.environment),
          variable_(lookup_in(environment_)) {}

    Result<LoadedPtr> load() {
        auto found = query_.file ? take_project_file(joined_path(query_.directory, *query_.file))
                                 : find_project_file(query_.directory, variable_("HOME").value_or("/"));
        if (!found) return found.error();
        repository_ = found->repository;
        main_copy_ = find_main_copy(repository_);
        out_->file = std::move(found->file);
        out_->others = std::move(found->others);
        out_->passed_over = std::move(found->passed_over);
        if (!query_.file) out_->replaces = other_files();
        take_over_ports();
        resolve(book_);
        if (is_over()) return *over_;
        if (out_->is_good()) drop_ports_of_old();
        out_->gone.insert(taken_from_.begin(), taken_from_.end());
        for (auto& port : out_->ports) port.found = port.found || !query_.file;
        if (out_->is_good()) make_digests();
        if (is_over()) return *over_;
        return LoadedPtr(std::move(out_));
    }

private:
    bool is_over() {
        if (!over_ && surroundings_.end) over_ = surroundings_.end();
        return over_.has_value();
    }

    /// Each expression is compiled once, however often it stands in the files and they are read.
    Result<void> check_pattern(const std::string& pattern) {
        if (is_over()) return {};
        const auto known = patterns_.find(pattern);
        if (known != patterns_.end()) return known->second;
        return patterns_.emplace(pattern, project::check_pattern(pattern)).first->second;
    }
    project::Lookups common_lookups() {
        project::Lookups out;
        out.exists = is_there;
        out.pattern = [this](const std::string& pattern) { return check_pattern(pattern); };
        out.is_over = [this] { return is_over(); };
        return out;
    }

    void resolve(const PortBook& book) {
        PortLookups ports;
        ports.is_taken = [this](int number) {
            if (!listening_) listening_ = surroundings_.listening_ports();
            return listening_->contains(number);
        };
        ports.is_gone = [](const std::string& file) {
            struct stat facts {};
            return ::stat(directory_of(file).c_str(), &facts) != 0 && (errno == ENOENT || errno == ENOTDIR);
        };
        PortChoice choice(book, out_->file, ports);
        project::Lookups lookups = common_lookups();
        lookups.read = [this](const std::string& path) -> Result<std::string> {
            if (is_over()) return *over_;
            return read_believed(path, repository_, main_copy_);
        };
        const bool is_procfile = project::kind_of(out_->file) == project::FileKind::procfile;
        out_->base_port.reset();
        lookups.base_port = [this] { return out_->base_port = base_port(); };
        lookups.variable = [this](const std::string& name) -> std::optional<std::string> {
            names_variables_ = true;
            return variable_(name);
        };
        lookups.port = [&choice, is_procfile](const std::string& process, const project::PortWish& wish) {
            return is_procfile ? choice.number_in_block(process, wish) : choice.number(process, wish);
        };
        lookups.repository = repository_;
        lookups.name = usual_name(root(), repository_);
        out_->loaded = project::load(out_->file, lookups);
        out_->ports = choice.chosen();
        out_->gone = choice.gone();
    }

    /// PORT of whoever brings it up with an environment of their own. What the daemon has is an accident of who began
    /// it, and whoever only asks may do so from within a process of this project, which has a PORT of its own: these
    /// move nobody's ports.
    std::optional<int> base_port() const {
        const bool is_said = query_.brings_up && query_.environment;
        const auto own = is_said ? variable_("PORT") : std::nullopt;
        const auto number = own ? project::port_in(*own) : std::nullopt;
        return number ? number : book_.base_port(out_->file);
    }

    std::string root() const { return project_directory(out_->file); }

    std::set<std::string> other_files() const {
        std::set<std::string> out;
        for (const auto name : project::known_files) out.insert(joined_path(root(), std::string(name)));
        out.erase(out_->file);
        return out;
    }

    /// What those in whose place it has come had booked, and it has not.
    void take_over_ports() {
        std::vector<BookedPort> own = book_.find(out_->file);
        for (const auto& file : out_->replaces) {
            const auto& theirs = book_.find(file);
            // Of one that somebody names each time the directory knows nothing.
            const auto is_found = [](const BookedPort& each) { return each.found; };
            if (theirs.empty() || !std::all_of(theirs.begin(), theirs.end(), is_found)) continue;
            taken_from_.insert(file);
            for (const auto& port : theirs)
                if (std::none_of(own.begin(), own.end(), [&](const BookedPort& each) {
                        return each.process == port.process && each.name == port.name;
                    }))
                    own.push_back(port);
        }
        if (taken_from_.empty()) return;
        for (const auto& file : taken_from_) book_.set(file, {});
        book_.set(out_->file, std::move(own));
    }

    /// Numbers of processes that the file does not have any more are free for those it has.
    void drop_ports_of_old() {
        const auto& booked = book_.find(out_->file);
        const auto is_known = [this](const BookedPort& each) { return out_->project().find(each.process) != nullptr; };
        const bool is_new = std::any_of(out_->ports.begin(), out_->ports.end(), [&booked](const BookedPort& each) {
            return std::find(booked.begin(), booked.end(), each) == booked.end();
        });
        if (!is_new || std::all_of(booked.begin(), booked.end(), is_known)) return;
        std::vector<BookedPort> kept;
        std::copy_if(booked.begin(), booked.end(), std::back_inserter(kept), is_known);
        PortBook without = book_;
        without.set(out_->file, std::move(kept));
        resolve(without);
    }

    void make_digests() {
        const std::string content = project::content_digest(out_->loaded, surroundings_.secret);
        for (const auto& each : out_->project().processes) {
            if (is_over()) return;
            auto& digests = out_->digests[each.name] = project::digests_of(each, surroundings_.secret);
            digests.emplace(project::content_key, content);
        }
        make_written_digests();
        out_->consent = consent_at(repository_, variable_);
        out_->inherited_consent = consent_at(repository_, lookup_in(surroundings_.environment));
        if (main_copy_)
            out_->main_copy = {moved(out_->file, repository_, *main_copy_), consent_at(*main_copy_, variable_)};
    }

    void make_written_digests() {
        project::Loaded as_written;
        if (names_variables_) {
            project::Lookups lookups = common_lookups();
            lookups.read = [this](const std::string& path) { return read_again(path); };
            lookups.leaves_variables = true;
            lookups.port = [this](const std::string& process, const project::PortWish& wish) -> Result<int> {
                return out_->project().find(process)->port_numbers.at(wish.name);
            };
            lookups.repository = repository_;
            lookups.name = out_->project().name;
            as_written = project::load(out_->file, lookups);
        }
        for (const auto& each : out_->project().processes) {
            const auto* const written = as_written.project ? as_written.project->find(each.name) : &each;
            if (written == nullptr || is_over()) continue;
            for (auto& [key, digest] : project::written_digests(each, *written, surroundings_.secret))
                out_->digests[each.name][key] = digest;
        }
    }

    /// One of the files that were read, as it was then.
    Result<std::string> read_again(const std::string& path) const {
        for (const auto& each : out_->loaded.files)
            if (each.path == path) return each.bytes;
        return Error{ErrorCode::not_found, path};
    }

    /// Of the files that were read, as if the working copy lay at `top`. What the project comes to there is asked of
    /// the same bytes and the same values of variables that they name, and with numbers of ports that no book has, nor
    /// somebody's PORT.
    std::string consent_at(const std::string& top, const config::VariableLookup& variable) {
        project::Loaded at_top;
        for (const auto& each : out_->loaded.files)
            at_top.files.push_back({moved(each.path, repository_, top), each.bytes, each.is_environment});
        project::Lookups lookups = common_lookups();
        lookups.read = [&at_top](const std::string& path) -> Result<std::string> {
            for (const auto& each : at_top.files)
                if (each.path == path) return each.bytes;
            return Error{ErrorCode::not_found, path};
        };
        lookups.exists = [&](const std::string& path) { return is_there(moved(path, top, repository_)); };
        lookups.variable = variable;
        lookups.port = [](const std::string&, const project::PortWish& wish) -> Result<int> {
            return std::max(wish.number, 1);
        };
        lookups.repository = top;
        const std::string root_there = moved(root(), repository_, top);
        lookups.name = usual_name(root_there, top);
        at_top.project = project::load(moved(out_->file, repository_, top), lookups).project;
        if (at_top.project) at_top.links = links_of(*at_top.project, top);
        return at_top.project ? project::consent_digest(at_top, surroundings_.secret) : std::string();
    }

    /// As they are in this working copy.
    std::map<std::string, std::string> links_of(const project::Project& project, const std::string& top) {
        std::map<std::string, std::string> out;
        for (const auto& each : project.processes) {
            const std::string& directory = each.definition.working_directory;
            const std::string here = moved(directory, top, repository_);
            auto known = real_paths_.find(here);
            if (known == real_paths_.end()) {
                if (is_over()) break;
                known = real_paths_.emplace(here, find_real_path(here)).first;
            }
            if (known->second != here) out[directory] = moved(known->second, repository_, top);
        }
        return out;
    }

    const ProjectQuery& query_;
    PortBook book_;
    const Surroundings& surroundings_;
    const std::vector<std::string>& environment_;
    const config::VariableLookup variable_;
    std::string repository_;
    std::optional<std::string> main_copy_;
    std::optional<std::set<int>> listening_;
    std::set<std::string> taken_from_;  // projects in whose place it has come, and that had ports
    std::map<std::string, Result<void>> patterns_;
    std::map<std::string, std::string> real_paths_;  // the look at one takes the square of its depth
    std::optional<Error> over_;
    bool names_variables_ = false;  // some file says something else for other values
    std::shared_ptr<LoadedProject> out_ = std::make_shared<LoadedProject>();
};

}  // namespace

Result<LoadedPtr> load_project(const ProjectQuery& query, const PortBook& book, const Surroundings& surroundings) {
    return ProjectLoader(query, book, surroundings).load();
}

}  // namespace persistproc::core::projects
