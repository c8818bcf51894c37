#include "tests/integration/daemon_in_process.hpp"

#include <stdexcept>

namespace persistproc::tests {

namespace {

core::SupervisorOptions with_data(core::SupervisorOptions options, const TemporaryDirectory& data) {
    options.data = data.path();
    options.base_environment = [] {
        return std::vector<std::string>{"PATH=/usr/bin:/bin", "SECRET=hunter2", "PERSISTPROC_PORT=1",
                                        "NOTIFY_SOCKET=/x"};
    };
    return options;
}

registry::EndedSessions ended_sessions(const TemporaryDirectory& data) {
    std::filesystem::create_directories(data.path() / "procs");
    auto opened = registry::EndedSessions::open(data.path());
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
}

}  // namespace

DaemonInProcess::DaemonInProcess(core::SupervisorOptions options, std::shared_ptr<TemporaryDirectory> directory,
                                 bool adopt_now, bool compat, mcp::Principal::Role role)
    : data(std::move(directory)),
      registry(io.get_executor(), data->path(), ended_sessions(*data)),
      directories(files, clock, data->path(), 1),
      projects(data->path(),
               [] {
                   return std::vector<std::string>{"HOME=/home/me", "PATH=/usr/bin:/bin"};
               }),
      services({io.get_executor(), clock, store, shims, directories, projects, workers},
               with_data(std::move(options), *data), {.compat = compat}, [] { return ops::DaemonInfo{}; }) {
    auto [ours, theirs] = tests::make_memory_transport(io.get_executor());
    client_ = std::move(ours);
    served_ = std::move(theirs);
    tasks_.spawn("server", tests::serve(server, served_, role));
    tasks_.spawn("client", read_answers());
    if (adopt_now) adopt();
    Json hello =
        Json::parse(R"({"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}})");
    answer(send("initialize", std::move(hello)));
    client_->write(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
}

DaemonInProcess::~DaemonInProcess() {
    client_->close();
    bool closed = false;
    auto close_all = [](DaemonInProcess* self, bool* done) -> Task<> {
        co_await self->services.close();
        *done = true;
    };
    async::TaskGroup closing(io.get_executor());
    closing.spawn("close", close_all(this, &closed));
    run_until([&] { return closed; });
    tasks_.cancel();
    io.poll();
}

void DaemonInProcess::adopt() {
    auto adopt_all = [](DaemonInProcess* self) -> Task<> {
        auto adopted = co_await self->supervisor.adopt();
        if (!adopted) throw std::runtime_error(adopted.error().message);
    };
    tasks_.spawn("adoption", adopt_all(this));
    run_until([&] { return supervisor.is_adopted(); });
}

void DaemonInProcess::run_until(const std::function<bool()>& condition) {
    while (!condition())
        if (io.run_one() == 0) throw std::logic_error("nothing is left that could make the condition true");
}

void DaemonInProcess::advance(std::chrono::nanoseconds by) {
    io.poll();
    clock.advance(by);
    io.poll();
}

void DaemonInProcess::advance_until(std::chrono::nanoseconds step, const std::function<bool()>& condition) {
    while (!condition()) {
        advance(step);
        // Gives the file threads a turn; how long that takes changes nothing.
        io.run_one_for(std::chrono::milliseconds(1));
    }
}

int DaemonInProcess::send(const std::string& method, Json params) {
    const int id = next_id_++;
    Json message{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}};
    client_->write(message.dump());
    return id;
}

int DaemonInProcess::call_later(const std::string& tool, Json arguments) {
    Json params{{"name", tool}, {"arguments", std::move(arguments)}};
    return send("tools/call", std::move(params));
}

void DaemonInProcess::give_up(int id) {
    Json params{{"requestId", id}};
    Json message{{"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", std::move(params)}};
    client_->write(message.dump());
}

Json DaemonInProcess::answer(int id) {
    run_until([&] { return answers_.contains(id); });
    return answers_.at(id);
}

Task<> DaemonInProcess::read_answers() {
    for (;;) {
        auto text = co_await client_->read();
        if (!text) co_return;
        Json message = Json::parse(*text);
        if (message.contains("id") && message["id"].is_number()) {
            const int id = message["id"].get<int>();
            answers_[id] = std::move(message);
        } else if (message.contains("method")) {
            notifications_.push_back(std::move(message));
        }
    }
}

std::vector<Json> DaemonInProcess::heard(const std::string& method) const {
    std::vector<Json> out;
    for (const auto& each : notifications_)
        if (each["method"] == method) out.push_back(each);
    return out;
}

std::string error_code(const Json& result) {
    if (!result.contains("isError")) return "";
    return result["_meta"]["persistproc/error"]["code"].get<std::string>();
}

}  // namespace persistproc::tests
