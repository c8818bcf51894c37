// Replays tests/data/transcripts, whose README says how they are written.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/catch.hpp"
#include "tests/support/http_machine.hpp"

namespace transcripts_test {

using namespace persistproc;
using namespace persistproc::mcp;
using tests::Answer;
using Machine = tests::HttpMachine;

namespace {

constexpr std::string_view any = "{any}";
constexpr std::string_view session_place = "{session}";

struct Exchange {
    std::size_t line = 0;
    std::vector<std::string> request;
    std::vector<std::string> expected;
    std::vector<std::string> absent;
};

std::vector<Exchange> read_transcript(const std::filesystem::path& path) {
    std::vector<Exchange> out;
    std::ifstream file(path);
    std::size_t number = 0;
    for (std::string line; std::getline(file, line);) {
        ++number;
        if (line.empty() || line.front() == '#') continue;
        const std::string rest = line.size() > 2 ? line.substr(2) : "";
        if (line.front() == '>') {
            if (out.empty() || !out.back().expected.empty()) out.push_back(Exchange{number, {}, {}, {}});
            out.back().request.push_back(rest);
        } else if (out.empty()) {
            FAIL(path << ":" << number << ": an answer before any request");
        } else if (line.starts_with("<!")) {
            out.back().absent.push_back(rest);
        } else if (line.front() == '<') {
            out.back().expected.push_back(rest);
        } else {
            FAIL(path << ":" << number << ": no line of a transcript");
        }
    }
    return out;
}

void replace(std::string& text, std::string_view place, std::string_view with) {
    for (auto at = text.find(place); at != std::string::npos; at = text.find(place, at + with.size()))
        text.replace(at, place.size(), with);
}

/// The lines before the first empty one.
std::size_t head_size(const std::vector<std::string>& lines) {
    return static_cast<std::size_t>(std::find(lines.begin(), lines.end(), "") - lines.begin());
}

std::string wire(const Exchange& exchange, const std::string& session) {
    const std::size_t head = head_size(exchange.request);
    const std::string body = head + 1 < exchange.request.size() ? exchange.request[head + 1] : "";
    std::string out;
    for (std::size_t each = 0; each < head; ++each) {
        std::string line = exchange.request[each];
        if (http::equals_ignoring_case(line.substr(0, line.find(':')), "Content-Length"))
            replace(line, "*", std::to_string(body.size()));
        out += line + "\r\n";
    }
    out += "\r\n" + body;
    replace(out, session_place, session);
    return out;
}

/// Makes `got` equal where `expected` takes anything.
void fill(Json& expected, const Json& got) {
    if (expected.is_string() && expected.get_ref<const std::string&>() == any) {
        expected = got;
    } else if (expected.is_object() && got.is_object()) {
        for (auto& [key, value] : expected.items())
            if (got.contains(key)) fill(value, got[key]);
    } else if (expected.is_array() && got.is_array()) {
        for (std::size_t each = 0; each < std::min(expected.size(), got.size()); ++each)
            fill(expected[each], got[each]);
    }
}

void check_json(std::string_view expected_text, const std::string& got_text) {
    Json expected = Json::parse(expected_text);
    const Json got = Json::parse(got_text);
    fill(expected, got);
    // Without regard to the order of members.
    CHECK(nlohmann::json(got) == nlohmann::json(expected));
}

void check_events(const std::vector<std::string>& lines, const Answer& answer) {
    std::vector<http::SseEvent> expected;
    bool is_new = true;
    for (const std::string& line : lines) {
        if (line.empty()) {
            is_new = true;
            continue;
        }
        if (std::exchange(is_new, false)) expected.emplace_back();
        const auto colon = line.find(':');
        const std::string name = line.substr(0, colon);
        const std::string value(http::trim_blanks(std::string_view(line).substr(colon + 1)));
        if (name == "id") expected.back().id = value;
        if (name == "data") expected.back().data = value;
        if (name == "retry") expected.back().retry_ms = std::stoul(value);
    }
    REQUIRE(answer.events.size() == expected.size());
    std::string last;
    for (std::size_t each = 0; each < expected.size(); ++each) {
        const auto& got = answer.events[each];
        INFO("event " << each << ": " << got.data);
        if (expected[each].id == any) {
            CHECK(!got.id.empty());
            CHECK(got.id != last);
        } else {
            CHECK(got.id == expected[each].id);
        }
        last = got.id;
        CHECK(got.retry_ms == expected[each].retry_ms);
        CHECK(got.data.empty() == expected[each].data.empty());
        if (!got.data.empty()) check_json(expected[each].data, got.data);
    }
}

void check_answer(const Exchange& exchange, const Answer& answer, std::string& session) {
    const std::size_t head = head_size(exchange.expected);
    const std::string& status = exchange.expected.front();
    CHECK(status.substr(0, 12) == "HTTP/1.1 " + std::to_string(answer.status));
    for (std::size_t each = 1; each < head; ++each) {
        const std::string& line = exchange.expected[each];
        const std::string name = line.substr(0, line.find(':'));
        const std::string* value = answer.find(name);
        INFO(name);
        REQUIRE(value != nullptr);
        std::string expected(http::trim_blanks(line.substr(name.size() + 1)));
        if (expected == session_place && session.empty()) session = *value;
        replace(expected, session_place, session);
        if (expected != any) CHECK(*value == expected);
    }
    for (const std::string& name : exchange.absent) CHECK(!answer.has(name));
    const auto first =
        exchange.expected.begin() + static_cast<std::ptrdiff_t>(std::min(head + 1, exchange.expected.size()));
    const std::vector<std::string> body(first, exchange.expected.end());
    const std::string* type = answer.find("Content-Type");
    if (type != nullptr && *type == "text/event-stream") return check_events(body, answer);
    std::string text;
    for (const std::string& line : body) text += line;
    if (text.empty())
        CHECK(answer.body.empty());
    else if (text.starts_with("= "))
        CHECK(answer.body == text.substr(2) + "\n");
    else
        check_json(text, answer.body);
}

}  // namespace

TEST_CASE("what clients in the field send is answered as they need it") {
    const std::filesystem::path root = std::filesystem::path(PERSISTPROC_TEST_DATA) / "transcripts";
    std::set<std::filesystem::path> files;
    std::set<std::string> revisions;
    for (const auto& each : std::filesystem::recursive_directory_iterator(root)) {
        if (each.path().extension() != ".txt") continue;
        files.insert(each.path());
        revisions.insert(each.path().parent_path().filename());
    }
    CHECK(revisions == std::set<std::string>{"2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"});
    for (const auto& path : files) {
        const auto exchanges = read_transcript(path);
        CHECK(!exchanges.empty());
        // A second time with every request cut in two, at a place that moves.
        for (const std::size_t cut : {0u, 100u}) {
            Machine machine;
            std::vector<std::shared_ptr<http::Connection>> connections;
            std::string session;
            for (const Exchange& exchange : exchanges) {
                const std::string bytes = wire(exchange, session);
                INFO(path.string() << ":" << exchange.line << "\n" << bytes);
                connections.push_back(machine.connect());
                const std::size_t first = std::min(bytes.size() - 1, cut * connections.size());
                // What a head gives away is refused before the body has come.
                std::string text = machine.send(connections.back(), bytes.substr(0, first));
                text += machine.send(connections.back(), bytes.substr(first));
                const Answer answer = tests::take_answer(text);
                INFO(answer.body);
                CHECK(text.empty());
                check_answer(exchange, answer, session);
            }
            CHECK(machine.server.open_calls() == 0);
        }
    }
}

}  // namespace transcripts_test
