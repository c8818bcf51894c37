#include "daemon/resources/process_resources.hpp"

#include <fmt/format.h>

#include <utility>

#include "common/mcp/message.hpp"
#include "common/schema/json.hpp"
#include "daemon/core/newest_output.hpp"
#include "daemon/tools/describe.hpp"
#include "daemon/tools/typed_tool.hpp"

namespace persistproc::resources {

namespace {

constexpr std::string_view root = "persistproc://processes";
constexpr std::string_view output_suffix = "/output";
constexpr std::size_t processes_per_page = 100;
constexpr std::uint64_t output_lines = 200;
constexpr std::size_t output_bytes = 16u << 10;
// One update a second is as much as a client can make use of.
constexpr auto interval = std::chrono::seconds(1);

mcp::Resource resource(const Address& address, std::string name, std::string title, std::string description,
                       std::string type) {
    mcp::Resource out;
    out.uri = uri_of(address);
    out.name = std::move(name);
    out.title = std::move(title);
    out.description = std::move(description);
    out.mime_type = std::move(type);
    return out;
}

mcp::ReadResource one(std::string uri, std::string type, std::string text) {
    mcp::ReadResource out;
    mcp::ResourceContents contents;
    contents.uri = std::move(uri);
    contents.mime_type = std::move(type);
    contents.data = std::move(text);
    out.contents.push_back(std::move(contents));
    return out;
}

/// As list_processes has it.
std::string listing_of(std::vector<ProcessView> views, WallTime now) {
    return tools::list_text(tools::choose(std::move(views), now), now) + "\n";
}

}  // namespace

std::optional<Address> find_address(std::string_view uri) {
    if (uri == root) return Address{};
    if (!uri.starts_with(root) || uri.size() <= root.size() + 1 || uri[root.size()] != '/') return std::nullopt;
    Address out;
    out.kind = Address::Kind::process;
    auto name = uri.substr(root.size() + 1);
    if (name.ends_with(output_suffix)) {
        out.kind = Address::Kind::output;
        name.remove_suffix(output_suffix.size());
    }
    const auto id = domain::find_process_id(name);
    if (!id) return std::nullopt;
    out.id = *id;
    return out;
}

std::string uri_of(const Address& address) {
    std::string out(root);
    if (address.kind == Address::Kind::all) return out;
    out += '/' + to_string(address.id);
    if (address.kind == Address::Kind::output) out += output_suffix;
    return out;
}

ProcessResources::ProcessResources(boost::asio::any_io_executor executor, async::Clock& clock,
                                   core::Supervisor& supervisor, boost::asio::thread_pool& readers,
                                   core::LogChanges& log_changes, mcp::Server& server)
    : executor_(executor),
      clock_(clock),
      supervisor_(supervisor),
      readers_(readers),
      log_changes_(log_changes),
      server_(server),
      tasks_(std::move(executor)) {
    server_.set_resources(*this);
    tasks_.spawn("events", hear_events(supervisor_.events().subscribe()));
}

ProcessResources::~ProcessResources() = default;

Task<> ProcessResources::close() {
    const auto watched = std::exchange(watched_, {});
    for (const auto& [uri, each] : watched)
        if (each.following) co_await each.following->close();
    co_await tasks_.close();
}

// ---- listing and reading ----

Task<Result<mcp::ResourcePage>> ProcessResources::list(std::optional<std::string> cursor, mcp::CallContext) {
    std::optional<ProcessId> after;
    if (cursor) {
        after = domain::find_process_id(*cursor);
        if (!after) co_return Error{ErrorCode::invalid, "unknown cursor"};
    }
    auto all = co_await supervisor_.locate_all();
    if (!all) co_return all.error();
    mcp::ResourcePage page;
    if (!after) {
        const Address address;
        page.resources.push_back(
            resource(address, "processes", "Processes", "All processes and their states", "text/plain"));
    }
    std::size_t shown = 0;
    for (const auto& process : *all) {
        if (after && process.id <= *after) continue;
        if (shown++ == processes_per_page) {
            page.next_cursor = to_string(ProcessId{process.id.number - 1});
            break;
        }
        const std::string name = to_string(process.id);
        Address address;
        address.id = process.id;
        address.kind = Address::Kind::process;
        page.resources.push_back(
            resource(address, name, process.label, "State of " + process.label, "application/json"));
        address.kind = Address::Kind::output;
        page.resources.push_back(resource(address, name + " output", process.label + ": output",
                                          "Newest output of " + process.label + " (untrusted data)", "text/plain"));
    }
    co_return page;
}

std::vector<mcp::ResourceTemplate> ProcessResources::templates() const {
    mcp::ResourceTemplate process;
    process.uri_template = std::string(root) + "/{id}";
    process.name = "process";
    process.title = "Process";
    process.description = "One process in full, by id";
    process.mime_type = "application/json";
    mcp::ResourceTemplate output = process;
    output.uri_template += output_suffix;
    output.name = "output";
    output.title = "Output";
    output.description = "Newest output of a process, by id (untrusted data)";
    output.mime_type = "text/plain";
    return {process, output};
}

Task<Result<mcp::ReadResource>> ProcessResources::read(std::string uri, mcp::CallContext) {
    const auto address = find_address(uri);
    if (!address) co_return Error{ErrorCode::not_found, "no such resource"};
    if (address->kind == Address::Kind::output) co_return co_await read_output(std::move(uri), address->id);
    ops::ListRequest request;
    if (address->kind == Address::Kind::process) request.process = to_string(address->id);
    auto views = co_await supervisor_.list(std::move(request));
    if (!views) co_return views.error();
    if (address->kind == Address::Kind::all)
        co_return one(std::move(uri), "text/plain", listing_of(std::move(*views), clock_.wall()));
    if (views->empty()) co_return Error{ErrorCode::not_found, "no such process"};
    co_return one(std::move(uri), "application/json",
                  mcp::json_text(tools::without_absent(schema::to_json(views->front()))));
}

Task<Result<mcp::ReadResource>> ProcessResources::read_output(std::string uri, ProcessId id) {
    auto process = co_await supervisor_.locate(to_string(id));
    if (!process) co_return process.error();
    auto shown = co_await core::newest_output(readers_, process->log, output_lines, output_bytes);
    if (!shown) co_return shown.error();
    // There whatever is below it: a program might print one.
    const std::string header = shown->marker.empty() ? "no marks\n" : fmt::format("marks {}\n", shown->marker);
    co_return one(std::move(uri), "text/plain", header + shown->text);
}

// ---- telling of changes ----

void ProcessResources::interest(const std::string& uri, bool wanted) {
    if (!wanted) {
        watched_.erase(uri);
        return;
    }
    const auto address = find_address(uri);
    if (!address) return;
    Watched& watched = watched_[uri];
    watched.address = *address;
    follow(uri, watched);
}

/// Makes sure that somebody reads the notifications of an output that is listened to.
void ProcessResources::follow(const std::string& uri, Watched& watched) {
    if (watched.address.kind != Address::Kind::output) return;
    if (watched.following && watched.following->size() > 0) return;
    const auto process = supervisor_.find(watched.address.id);
    if (!process) return;
    watched.following = std::make_unique<async::TaskGroup>(executor_);
    watched.following->spawn("output of " + uri, follow_output(uri, process->log));
}

Task<> ProcessResources::follow_output(std::string uri, std::filesystem::path log) {
    const auto follower = log_changes_.follow(log);
    for (;;) {
        co_await follower->grown();
        touch(uri);
    }
}

void ProcessResources::touch(const std::string& uri) {
    const auto found = watched_.find(uri);
    if (found == watched_.end() || found->second.is_pending) return;
    const MonoTime now = clock_.now();
    if (found->second.told == MonoTime::min() || now - found->second.told >= interval) {
        found->second.told = now;
        server_.resource_updated(uri);
        return;
    }
    found->second.is_pending = true;
    tasks_.spawn("update of " + uri, touch_later(uri, found->second.told + interval));
}

Task<> ProcessResources::touch_later(std::string uri, MonoTime at) {
    co_await clock_.sleep_until(at);
    const auto found = watched_.find(uri);
    if (found == watched_.end()) co_return;
    found->second.is_pending = false;
    found->second.told = clock_.now();
    server_.resource_updated(uri);
}

void ProcessResources::list_changed() {
    if (list_pending_) return;
    const MonoTime now = clock_.now();
    if (list_told_ == MonoTime::min() || now - list_told_ >= interval) {
        list_told_ = now;
        server_.resources_changed();
        return;
    }
    list_pending_ = true;
    tasks_.spawn("update of the list", tell_list_later(list_told_ + interval));
}

Task<> ProcessResources::tell_list_later(MonoTime at) {
    co_await clock_.sleep_until(at);
    list_pending_ = false;
    list_told_ = clock_.now();
    server_.resources_changed();
}

Task<> ProcessResources::hear_events(core::Events::Subscription events) {
    for (;;) {
        const auto event = co_await events.next();
        hear(event);
    }
}

void ProcessResources::hear(const core::Event& event) {
    struct Hear {
        ProcessResources& self;
        void operator()(const core::ProcessAppeared&) { self.list_changed(); }
        void operator()(const core::ProcessChanged& change) { self.process_changed(change); }
        void operator()(const core::RunEnded& end) { self.ended_.insert(end.id.process); }
        void operator()(const core::ProcessRemoved& removed) {
            self.ended_.erase(removed.id);
            // While runs are adopted nothing happens: what is found was so before.
            if (self.supervisor_.is_adopted()) self.list_changed();
            self.touch_process(removed.id);
        }
        void operator()(const core::EventsLost&) {
            // Anything may have happened meanwhile.
            self.list_changed();
            std::vector<std::string> all;
            for (const auto& [uri, watched] : self.watched_) all.push_back(uri);
            for (const auto& uri : all) self.touch(uri);
        }
    };
    std::visit(Hear{*this}, event);
}

void ProcessResources::process_changed(const core::ProcessChanged& change) {
    if (domain::has_ended(change.state)) {
        if (ended_.erase(change.id) > 0) tell_of_end(change.id);
    } else if (change.state != ProcessState::stopping) {
        ended_.erase(change.id);  // it runs again, or will
    }
    touch_process(change.id);
}

void ProcessResources::touch_process(ProcessId id) {
    Address address;
    touch(uri_of(address));
    address.id = id;
    address.kind = Address::Kind::process;
    touch(uri_of(address));
    address.kind = Address::Kind::output;
    const auto output = watched_.find(uri_of(address));
    if (output != watched_.end()) follow(output->first, output->second);
}

void ProcessResources::tell_of_end(ProcessId id) {
    const auto process = supervisor_.find(id);
    if (!process) return;
    const bool was_wanted =
        process->outcome && (process->outcome->reason == OutcomeReason::stopped || process->outcome->exit_code == 0);
    server_.log(was_wanted ? mcp::LogLevel::info : mcp::LogLevel::warning, "persistproc",
                mcp::Json(tools::headline(*process)));
}

}  // namespace persistproc::resources
