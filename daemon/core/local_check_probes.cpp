#include "daemon/core/local_check_probes.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <cctype>
#include <charconv>
#include <cstring>

#include "common/async/offload.hpp"
#include "common/base/proc.hpp"
#include "common/base/text.hpp"
#include "common/logstore/search.hpp"
#include "common/rundir/port_holder.hpp"
#include "daemon/core/bounded_read.hpp"
#include "daemon/core/shares.hpp"

namespace persistproc::core {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using asio::ip::tcp;

namespace {

constexpr std::size_t most_http_bytes = 64u << 10;
constexpr std::size_t most_ports_asked = 4;  // of a program that listens on several, one after the other
// The clock by which files are stamped goes in steps.
constexpr auto clock_step = std::chrono::milliseconds(20);
constexpr std::uint64_t looked_at_for_url = 1u << 20;  // bytes
constexpr std::chrono::nanoseconds longest_look_for_url = std::chrono::milliseconds(200);
// Addresses of this machine, as programs print them.
constexpr const char* url_pattern = R"(https?://(localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1?\]):[0-9]+)";

/// No process has such a number.
async::Turns::Group group_of(const std::string& starter) {
    constexpr async::Turns::Group most = 1u << 30;
    return most + std::hash<std::string>{}(starter) % most;
}

CheckAnswer yes(pid_t listener = 0) { return {.holds = true, .detail = {}, .listener = listener}; }
CheckAnswer no(std::string why, pid_t listener = 0) {
    return {.holds = false, .detail = std::move(why), .listener = listener};
}

tcp::endpoint endpoint_of(const base::Listener& listener) {
    const auto port = static_cast<unsigned short>(listener.port);
    if (listener.is_ipv6) {
        asio::ip::address_v6::bytes_type bytes;
        std::copy(listener.address.begin(), listener.address.end(), bytes.begin());
        return {asio::ip::address_v6(bytes), port};
    }
    asio::ip::address_v4::bytes_type bytes;
    std::copy_n(listener.address.begin(), bytes.size(), bytes.begin());
    return {asio::ip::address_v4(bytes), port};
}

/// Where a port is to be reached, and by whom it is held where that is none of the run's tree.
struct Met {
    std::optional<base::Listener> listener;
    std::optional<rundir::PortHolder> stranger;
};
Met meet(int port, bool is_its) {
    Met out;
    const auto listeners = base::find_listeners(port);
    if (listeners.empty()) return out;
    out.listener = listeners.front();
    if (!is_its) out.stranger = rundir::find_port_holder(port);
    return out;
}

bool contains(const std::vector<int>& ports, int port) {
    return std::find(ports.begin(), ports.end(), port) != ports.end();
}

/// Of a port on which nothing of the run listens.
std::string listens_elsewhere(const std::vector<int>& ports) {
    return ports.empty() ? "nothing listens" : fmt::format("it listens on {} instead", fmt::join(ports, " and "));
}

struct Exchanged {
    boost::system::error_code failed;
    std::string bytes;
};

/// Connects, and with a request sends it and takes the answer, `is_enough` of it.
Task<Exchanged> exchange(asio::any_io_executor executor, tcp::endpoint to, std::string request, bool wants_body) {
    Exchanged out;
    tcp::socket socket(executor);
    co_await socket.async_connect(to, asio::redirect_error(asio::use_awaitable, out.failed));
    if (out.failed || request.empty()) co_return out;
    auto whole = asio::buffer(request);
    co_await asio::async_write(socket, whole, asio::redirect_error(asio::use_awaitable, out.failed));
    std::vector<char> room(4096);
    while (!out.failed && out.bytes.size() < most_http_bytes) {
        auto part = asio::buffer(room);
        const std::size_t got =
            co_await socket.async_read_some(part, asio::redirect_error(asio::use_awaitable, out.failed));
        out.bytes.append(room.data(), got);
        const HttpAnswer answer = read_http_answer(out.bytes);
        if (answer.status != 0 && (!wants_body || answer.is_whole)) co_return out;
    }
    co_return out;
}

/// An expression is compiled and looked for: not on the io thread.
CheckAnswer judge(const domain::HttpCheck& check, const Exchanged& exchanged) {
    const HttpAnswer answer = read_http_answer(exchanged.bytes);
    if (answer.status == 0) {
        if (exchanged.bytes.empty() && exchanged.failed && exchanged.failed != asio::error::eof)
            return no(exchanged.failed.message());
        return no(exchanged.bytes.empty() ? "hangs up without an answer" : "answers with something that is no HTTP");
    }
    const auto is_in = [&](const auto& range) { return answer.status >= range.first && answer.status <= range.second; };
    if (std::none_of(check.status.begin(), check.status.end(), is_in))
        return no(fmt::format("status {}", answer.status));
    if (check.body.empty()) return yes();
    const auto pattern = logstore::LinePattern::compile(check.body, logstore::check_pattern_memory);
    if (!pattern) return no("body: " + pattern.error().message);
    return judge_body(answer.body, answer.is_whole || exchanged.failed, *pattern);
}

std::optional<int> read_port(std::string_view digits) {
    int port = 0;
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    return failed == std::errc{} && end != digits.data() && port > 0 && port < 65536 ? std::optional(port)
                                                                                     : std::nullopt;
}

std::string header_of(std::string_view head, std::string_view name) {
    for (std::size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
        const std::string_view line = head.substr(at + 2, head.find("\r\n", at + 2) - at - 2);
        const std::size_t colon = line.find(':');
        if (colon != name.size()) continue;
        const bool is_it = std::equal(name.begin(), name.end(), line.begin(), [](char a, char b) {
            return a == static_cast<char>(std::tolower(static_cast<unsigned char>(b)));
        });
        if (!is_it) continue;
        const std::size_t begin = line.find_first_not_of(' ', colon + 1);
        return begin == std::string_view::npos ? std::string() : std::string(line.substr(begin));
    }
    return {};
}

/// Takes chunks apart as far as they have come. True: to their end.
bool read_chunks(std::string_view bytes, std::string& into) {
    for (;;) {
        const std::size_t line = bytes.find("\r\n");
        if (line == std::string_view::npos) return false;
        std::size_t size = 0;
        const auto [end, failed] = std::from_chars(bytes.data(), bytes.data() + line, size, 16);
        if (failed != std::errc{}) return true;
        if (size == 0) return true;
        bytes.remove_prefix(line + 2);
        into.append(bytes.substr(0, size));
        if (bytes.size() < size + 2) return false;
        bytes.remove_prefix(size + 2);
    }
}

/// That is not empty, for people.
std::string last_line(const std::string& output) {
    const std::string clean = base::clean_output(output);
    const std::size_t end = clean.find_last_not_of(" \t\r\n");
    if (end == std::string::npos) return {};
    const std::size_t begin = clean.find_last_of("\r\n", end);
    return base::shortened(clean.substr(begin == std::string::npos ? 0 : begin + 1, end - begin));
}

CheckAnswer look_at(const std::filesystem::path& path, bool is_socket, WallTime started) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) return no(errno == ENOENT ? "is not there" : std::strerror(errno));
    if (is_socket && !S_ISSOCK(found.st_mode)) return no("is no socket");
    // By the kernel's word, whatever time of modification it was given.
    const auto changed = base::from_ns(found.st_ctim.tv_sec * 1'000'000'000 + found.st_ctim.tv_nsec);
    return changed + clock_step >= started ? yes() : no("is older than the run");
}

}  // namespace

HttpAnswer read_http_answer(std::string_view bytes) {
    HttpAnswer out;
    const std::size_t line = bytes.find("\r\n");
    // "HTTP/1.1 200 OK"
    if (line == std::string_view::npos || line < 12 || !bytes.starts_with("HTTP/1.") || bytes[8] != ' ') return out;
    int status = 0;
    const auto [end, failed] = std::from_chars(bytes.data() + 9, bytes.data() + 12, status);
    if (failed != std::errc{} || end != bytes.data() + 12 || status < 100) return out;
    const std::size_t head = bytes.find("\r\n\r\n");
    // What is said before the answer, as 103 is.
    if (status < 200) return head == std::string_view::npos ? out : read_http_answer(bytes.substr(head + 4));
    out.status = status;
    if (head == std::string_view::npos) return out;
    const std::string_view rest = bytes.substr(head + 4);
    if (header_of(bytes.substr(0, head), "transfer-encoding") == "chunked") {
        out.is_whole = read_chunks(rest, out.body);
        return out;
    }
    out.body = rest;
    const std::string length = header_of(bytes.substr(0, head), "content-length");
    std::size_t size = 0;
    const auto parsed = std::from_chars(length.data(), length.data() + length.size(), size);
    out.is_whole = !length.empty() && parsed.ec == std::errc{} && rest.size() >= size;
    return out;
}

CheckAnswer judge_body(std::string_view body, bool is_all, const logstore::LinePattern& pattern) {
    const std::string_view looked = body.substr(0, pattern.longest_text());
    is_all = is_all && looked.size() == body.size();
    if (pattern.find_span(looked, {.begins = true, .ends = is_all})) return yes();
    return no(
        is_all ? std::string("its body does not match")
               : fmt::format("the first {} bytes of its body do not match, and no more is looked at", looked.size()));
}

std::vector<PrintedUrl> find_urls(std::string_view line) {
    std::vector<PrintedUrl> out;
    for (std::size_t at = line.find("http"); at != std::string_view::npos; at = line.find("http", at + 1)) {
        std::string_view rest = line.substr(at);
        const std::size_t scheme = rest.starts_with("https://") ? 8 : rest.starts_with("http://") ? 7 : 0;
        if (scheme == 0) continue;
        rest = rest.substr(0, std::min(rest.find_first_of(" \t\"'<>`(){}"), rest.size()));
        std::string_view authority = rest.substr(scheme);
        const std::string_view path = authority.substr(std::min(authority.find_first_of("/?#"), authority.size()));
        authority.remove_suffix(path.size());
        const std::size_t colon = authority.rfind(':');
        const std::string_view host = authority.substr(0, colon);
        constexpr std::string_view own[] = {"localhost", "127.0.0.1", "0.0.0.0", "[::1]", "[::]"};
        const bool is_own = std::find(std::begin(own), std::end(own), host) != std::end(own);
        const auto port = colon == std::string_view::npos ? std::nullopt : read_port(authority.substr(colon + 1));
        if (!is_own || !port) continue;
        // An address to listen on is none to be asked at.
        const bool is_any = host == "0.0.0.0" || host == "[::]";
        std::string shown_path(path.substr(0, path.find_last_not_of(".,;:!") + 1));
        out.push_back(
            {fmt::format("{}{}:{}{}", rest.substr(0, scheme), is_any ? "localhost" : host, *port, shown_path), *port});
    }
    return out;
}

Task<CheckAnswer> LocalCheckProbes::ask(CheckQuestion question) {
    const auto& subject = question.check.subject;
    if (std::holds_alternative<domain::PortCheck>(subject)) return ask_port(std::move(question));
    if (std::holds_alternative<domain::HttpCheck>(subject)) return ask_http(std::move(question));
    if (std::holds_alternative<domain::LogCheck>(subject)) return ask_log(std::move(question));
    if (std::holds_alternative<domain::CommandCheck>(subject)) return run_command(std::move(question));
    return look_at_file(std::move(question));
}

Task<bool> LocalCheckProbes::is_free(int port) {
    auto look = [port] { return base::find_listeners(port).empty(); };
    co_return co_await async::offload(threads_, std::move(look));
}

Task<CheckAnswer> LocalCheckProbes::ask_port(CheckQuestion question) {
    const int port = std::get<domain::PortCheck>(question.check.subject).port.value_or(0);
    if (contains(question.ports, port)) co_return yes();
    auto look = [port] { return meet(port, false); };
    const Met met = co_await async::offload(threads_, std::move(look));
    if (!met.listener) co_return no(listens_elsewhere(question.application_ports));
    const pid_t pid = met.stranger ? met.stranger->pid : 0;
    if (!question.may_be_outside)
        co_return no("held by " + (met.stranger ? rundir::holder_text(*met.stranger) : "another program"), pid);
    const MonoTime until = clock_.now() + question.timeout;
    auto connecting = exchange(executor_, endpoint_of(*met.listener), std::string(), false);
    auto limit = clock_.sleep_until(until);
    auto first = co_await (std::move(connecting) || std::move(limit));
    if (first.index() != 0) co_return no("takes no connection", pid);
    const auto failed = std::get<0>(first).failed;
    co_return failed ? no(failed.message(), pid) : yes(pid);
}

Task<CheckAnswer> LocalCheckProbes::ask_http(CheckQuestion question) {
    const auto check = std::get<domain::HttpCheck>(question.check.subject);
    std::vector<int> ports = question.application_ports;
    if (check.port) ports = {*check.port};
    if (ports.empty()) co_return no("listens on nothing");
    ports.resize(std::min(ports.size(), most_ports_asked));
    const MonoTime until = clock_.now() + question.timeout;
    CheckAnswer answer;
    for (const int port : ports) {
        const bool is_its = contains(question.ports, port);
        auto look = [port, is_its] { return meet(port, is_its); };
        const Met met = co_await async::offload(threads_, std::move(look));
        if (!met.listener) {
            answer = no(listens_elsewhere(question.application_ports));
            continue;
        }
        const pid_t pid = met.stranger ? met.stranger->pid : 0;
        if (!is_its && !question.may_be_outside)
            co_return no(
                fmt::format("port {} is held by {}", port,
                            met.stranger ? rundir::holder_text(*met.stranger) : std::string("another program")),
                pid);
        std::string request = fmt::format(
            "GET {} HTTP/1.1\r\nHost: localhost:{}\r\nUser-Agent: persistproc\r\nAccept: */*\r\nConnection: "
            "close\r\n\r\n",
            check.path, port);
        auto asking = exchange(executor_, endpoint_of(*met.listener), std::move(request), !check.body.empty());
        auto limit = clock_.sleep_until(until);
        auto first = co_await (std::move(asking) || std::move(limit));
        if (first.index() != 0) co_return no("no answer in time", pid);
        if (check.body.empty()) {
            answer = judge(check, std::get<0>(first));
        } else {
            const auto judged = std::make_shared<CheckAnswer>();
            auto judging = [check, exchanged = std::get<0>(std::move(first)), judged]() -> Result<void> {
                *judged = judge(check, exchanged);
                return {};
            };
            Asker who;
            who.party = &question;
            who.process = group_of(question.starter);
            who.is_person = is_person(question.starter);
            auto turn = patterns_.take_turn(std::move(judging), who);
            auto over = clock_.sleep_until(until);
            auto second = co_await (std::move(turn) || std::move(over));
            if (second.index() != 0) co_return no("no turn to look at its answer in time", pid);
            const auto& done = std::get<0>(second);
            answer = done ? std::move(*judged) : no(done.error().message);
        }
        answer.listener = pid;
        if (answer.holds) co_return answer;
    }
    co_return answer;
}

Task<CheckAnswer> LocalCheckProbes::ask_log(CheckQuestion question) {
    PatternWatches::Wanted wanted;
    wanted.pattern = std::get<domain::LogCheck>(question.check.subject).pattern;
    wanted.from = question.log_begin;
    wanted.run = question.run.number;
    wanted.outside_errors = true;
    const auto watch = patterns_.watch(question.log, std::move(wanted));
    co_await watch->found();
    if (watch->failure()) co_return no(watch->failure()->message);
    co_return watch->match() ? yes() : no("is not looked for any more");
}

Task<CheckAnswer> LocalCheckProbes::look_at_file(CheckQuestion question) {
    const auto* socket = std::get_if<domain::SocketCheck>(&question.check.subject);
    const auto* file = std::get_if<domain::FileCheck>(&question.check.subject);
    if (socket == nullptr && file == nullptr) co_return no("is not known to this version");
    const std::filesystem::path path =
        std::filesystem::path(question.working_directory) / (socket != nullptr ? socket->path : file->path);
    auto look = [path, is_socket = socket != nullptr, started = question.started] {
        return look_at(path, is_socket, started);
    };
    co_return co_await async::offload(threads_, std::move(look));
}

Task<CheckAnswer> LocalCheckProbes::run_command(CheckQuestion question) {
    // A number, below any address, stands for the party.
    const auto process = reinterpret_cast<async::Turns::Party>(std::uintptr_t{question.run.process.number});
    auto& turns = is_person(question.starter) ? turns_of_person_ : turns_;
    async::Place place(turns, process, group_of(question.starter));
    co_await place.wait();
    const auto& check = std::get<domain::CommandCheck>(question.check.subject);
    CommandOrder order;
    if (check.shell) order.command = {"/bin/sh", "-c"};
    order.command.insert(order.command.end(), check.command.begin(), check.command.end());
    order.working_directory = question.working_directory;
    order.environment = question.environment;
    order.umask = question.umask;
    order.timeout = question.timeout;
    const auto end = co_await commands_.run_command(std::move(order));
    if (!end) co_return no(end.error().message);
    if (end->exit_code == 0) co_return yes();
    std::string why = end->exit_code ? fmt::format("exit {}", *end->exit_code)
                      : end->signal  ? domain::signal_name(*end->signal)
                                     : std::string("no end in time; it was killed");
    const std::string last = last_line(end->output);
    if (!last.empty()) why += ": " + base::quote(last);
    co_return no(std::move(why));
}

Task<std::string> LocalCheckProbes::printed_url(std::filesystem::path log, domain::RunId run, std::vector<int> ports) {
    logstore::LineQuery query;
    query.run = run.number;
    query.grep = url_pattern;
    query.first = 50;
    ReadBounds bounds{.bytes = looked_at_for_url, .time = [] { return longest_look_for_url; }};
    const auto page = co_await read_bounded(threads_, bounds, std::move(log), std::move(query));
    if (!page) co_return std::string();
    for (const auto& line : page->lines)
        for (auto& url : find_urls(base::clean_output(line.text)))
            if (contains(ports, url.port)) co_return std::move(url.text);
    co_return std::string();
}

}  // namespace persistproc::core
