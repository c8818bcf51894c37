#include "daemon/core/projects/projects.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "common/ops/project_operations.hpp"
#include "common/project/parts.hpp"

namespace persistproc::core::projects {

namespace {

std::string shown_command(const std::vector<std::string>& command, bool shell) {
    return base::escape_line(shell ? command.front() : domain::command_line(command));
}

/// One command and what goes with it, in one line.
std::string process_line(const project::Process& process) {
    const auto& definition = process.definition;
    std::string out = fmt::format("{}: {} (in {}", process.name, shown_command(definition.command, definition.shell),
                                  base::escape_line(definition.working_directory));
    std::vector<std::string> names;
    for (const auto& [name, value] : process.environment) names.push_back(base::escape_line(name));
    if (!names.empty()) out += fmt::format("; sets {}", fmt::join(names, ", "));
    for (const auto& [what, checks] : {std::pair("ready", &process.ready), std::pair("health", &process.health)})
        for (const auto& each : *checks)
            out += fmt::format("; {}: {}", what, base::escape_line(domain::check_text(each)));
    if (!process.stop_command.empty())
        out += "; stopped by: " + shown_command(process.stop_command, process.stop_in_shell);
    if (process.watch) {
        std::vector<std::string> paths;
        for (const auto& each : process.watch->paths) paths.push_back(base::escape_line(each));
        out += fmt::format("; restarted when {} change", fmt::join(paths, ", "));
    }
    return out + ")";
}

/// The beginning of a list that is too long for an answer, in whole lines. Nothing of it runs: that it is not all hides
/// nothing from whoever is to decide.
std::string bounded(std::string list) {
    constexpr std::size_t most = 32 * 1024;
    if (list.size() <= most) return list;
    const std::size_t end = list.rfind('\n', most);
    const auto left = std::count(list.begin() + static_cast<std::ptrdiff_t>(end == std::string::npos ? 0 : end + 1),
                                 list.end(), '\n');
    list.resize(end == std::string::npos ? 0 : end + 1);
    return list + fmt::format("and {} more: persistproc check shows all\n", left);
}

}  // namespace

std::string consent_text(const project::Project& project) {
    std::string out;
    for (const auto& each : project.processes) out += process_line(each) + "\n";
    return out;
}

Projects::Projects(boost::asio::any_io_executor executor, async::Clock& clock, Store& store, ProjectSource& source)
    : clock_(clock), store_(store), source_(source), mutex_(executor) {}

void Projects::take(std::vector<ProjectRecord> records) {
    for (auto& each : records) {
        std::string file = each.file;
        records_.insert_or_assign(std::move(file), std::move(each));
    }
    make_book();
}

std::optional<ProjectRecord> Projects::relearn(const domain::Membership& member) {
    ProjectRecord record = record_of(member.file);
    bool is_changed = false;
    for (const auto& port : member.ports) {
        const bool is_known = std::any_of(record.ports.begin(), record.ports.end(), [&](const BookedPort& each) {
            return each.process == member.process && each.name == port.name;
        });
        if (is_known) continue;
        record.ports.push_back({member.process, port.name, port.wish, port.number, member.found, {}});
        is_changed = true;
    }
    if (member.base_port && !record.base_port) {
        record.base_port = member.base_port;
        is_changed = true;
    }
    if (!is_changed) return std::nullopt;
    records_.insert_or_assign(member.file, record);
    make_book();
    return record;
}

void Projects::make_book() {
    PortBook book;
    for (const auto& [file, record] : records_) {
        book.set(file, record.ports);
        book.set_base_port(file, record.base_port);
    }
    book_ = std::make_shared<const PortBook>(std::move(book));
}

const ProjectRecord* Projects::find(const std::string& file) const {
    const auto found = records_.find(file);
    return found == records_.end() ? nullptr : &found->second;
}

Task<Result<LoadedPtr>> Projects::look(ProjectQuery query) { return source_.load(std::move(query), book_); }

Task<Result<LoadedPtr>> Projects::load(ProjectQuery query, ProjectCheck check) {
    for (;;) {
        const auto book = book_;
        ProjectQuery asked = query;
        auto loaded = co_await source_.load(std::move(asked), book);
        if (!loaded || !(*loaded)->is_good()) co_return loaded;
        if (auto fine = check ? check(**loaded) : Result<void>(); !fine) co_return fine.error();
        const auto guard = co_await mutex_.lock();
        // Somebody was given a port meanwhile, perhaps the same: numbers are chosen anew, against the book as it is.
        if (book != book_) continue;
        auto booked = co_await book_ports(*loaded);
        if (!booked) co_return booked.error();
        co_return loaded;
    }
}

Task<Result<void>> Projects::book_ports(LoadedPtr loaded) {
    const bool has_same_base = book_->base_port(loaded->file) == loaded->base_port;
    if (has_same_base && book_->find(loaded->file) == loaded->ports) co_return Result<void>();
    std::vector<ProjectRecord> changed;
    ProjectRecord own = record_of(loaded->file);
    own.ports = loaded->ports;
    own.base_port = loaded->base_port;
    changed.push_back(std::move(own));
    for (const auto& file : loaded->gone) {
        ProjectRecord other = record_of(file);
        other.ports.clear();
        other.base_port.reset();
        changed.push_back(std::move(other));
    }
    std::vector<AuditEntry> unaudited;
    co_return co_await record(std::move(changed), std::move(unaudited));
}

ProjectRecord Projects::record_of(const std::string& file) const {
    const ProjectRecord* const known = find(file);
    if (known != nullptr) return *known;
    ProjectRecord out;
    out.file = file;
    return out;
}

/// With the lock held.
Task<Result<void>> Projects::record(std::vector<ProjectRecord> changed, std::vector<AuditEntry> audit) {
    StoreChange change;
    change.projects = changed;
    change.audit = std::move(audit);
    auto committed = co_await store_.commit(std::move(change));
    if (!committed) co_return base::with_context(committed.error(), "the project could not be recorded");
    for (auto& each : changed) {
        const std::string file = each.file;
        if (each.says_nothing())
            records_.erase(file);
        else
            records_.insert_or_assign(file, std::move(each));
    }
    make_book();
    co_return Result<void>();
}

Task<Result<void>> Projects::change(std::string file, std::function<void(ProjectRecord&)> apply,
                                    std::vector<AuditEntry> audit) {
    const auto guard = co_await mutex_.lock();
    std::vector<ProjectRecord> changed;
    changed.push_back(record_of(file));
    apply(changed.front());
    co_return co_await record(std::move(changed), std::move(audit));
}

bool Projects::is_allowed(const LoadedProject& project) const {
    const auto is_consent = [this](const std::string& file, const std::string& digest) {
        const ProjectRecord* const known = find(file);
        return known != nullptr && known->consent && known->consent->is_to(digest);
    };
    return is_consent(project.file, project.consent) ||
           (project.main_copy && is_consent(project.main_copy->file, project.main_copy->consent));
}

Result<void> Projects::check_allowed(const LoadedProject& project) const {
    if (!project.is_good()) return project.loaded.error();
    if (is_allowed(project)) return {};
    const ProjectRecord* const known = find(project.file);
    const bool was_allowed = known != nullptr && known->consent;
    const std::string directory = base::escape_line(domain::command_line({project.project().root}));
    return Error{
        ErrorCode::denied,
        fmt::format("{}: {}. Ask the person to look at it and to type: persistproc allow {}; or start one "
                    "after the other with start_process, where they are asked. It would run:\n{}Scripts that "
                    "these call are no part of what is allowed.",
                    base::escape_line(project.file),
                    was_allowed
                        ? "its files, or values of variables that they name, are not what a person has allowed any "
                          "more"
                        : "no person has allowed agents to run what it says",
                    directory, bounded(consent_text(project.project())))};
}

Task<Result<void>> Projects::allow(LoadedPtr project, std::string actor) {
    if (!project->is_good()) co_return project->loaded.error();
    const ProjectRecord* const known = find(project->file);
    const bool is_known = known != nullptr && known->consent && known->consent->digest == project->consent &&
                          known->consent->inherited_digest == project->inherited_consent;
    if (is_known) co_return Result<void>();
    std::vector<AuditEntry> audit;
    audit.push_back(entry(actor, ops::AllowRequest::operation.audit, project->file));
    Consent consent{.digest = project->consent,
                    .inherited_digest = project->inherited_consent,
                    .at = clock_.wall(),
                    .by = actor,
                    .unknown = {}};
    auto apply = [consent](ProjectRecord& record) { record.consent = consent; };
    co_return co_await change(project->file, std::move(apply), std::move(audit));
}

std::optional<std::string> Projects::find_consented(const ProjectQuery& query) const {
    for (const auto& [file, record] : records_) {
        const bool is_meant = query.file ? file == project::joined_path(query.directory, *query.file)
                                         : project::directory_of(file) == query.directory;
        if (is_meant && record.consent) return file;
    }
    return std::nullopt;
}

Task<Result<Revoked>> Projects::revoke(ProjectQuery query, std::string actor) {
    ProjectQuery asked = query;
    auto loaded = co_await look(std::move(asked));
    const auto known = loaded ? std::optional((*loaded)->file) : find_consented(query);
    if (!known) co_return loaded.error();
    Revoked out{*known, false};
    const ProjectRecord* const record = find(*known);
    if (record == nullptr || !record->consent) co_return out;
    std::vector<AuditEntry> audit;
    audit.push_back(entry(actor, ops::RevokeRequest::operation.audit, *known));
    auto apply = [](ProjectRecord& each) { each.consent.reset(); };
    auto changed = co_await change(*known, std::move(apply), std::move(audit));
    if (!changed) co_return changed.error();
    out.was_allowed = true;
    co_return out;
}

AuditEntry Projects::entry(const std::string& actor, std::string_view action, const std::string& file) const {
    AuditEntry out;
    out.at = clock_.wall();
    out.actor = actor;
    out.action = action;
    out.process = file;
    return out;
}

}  // namespace persistproc::core::projects
