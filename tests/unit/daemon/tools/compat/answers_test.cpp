#include "daemon/tools/compat/answers.hpp"

#include "tests/support/catch.hpp"

namespace answers_test {

using namespace persistproc;
using namespace persistproc::tools::compat;

TEST_CASE("a state in the original's words, and in ours where it has none") {
    ProcessView view;
    const auto word = [&](ProcessState state, std::optional<OutcomeReason> reason = std::nullopt) {
        view.state = state;
        view.reason = reason;
        return status_word(view);
    };
    CHECK(word(ProcessState::starting) == "running");
    CHECK(word(ProcessState::running) == "running");
    CHECK(word(ProcessState::stopping) == "running");
    CHECK(word(ProcessState::unreachable) == "running");
    CHECK(word(ProcessState::exited, OutcomeReason::self) == "exited");
    CHECK(word(ProcessState::killed, OutcomeReason::self) == "exited");
    CHECK(word(ProcessState::killed, OutcomeReason::oom) == "exited");
    CHECK(word(ProcessState::stopped, OutcomeReason::stopped) == "terminated");
    CHECK(word(ProcessState::failed, OutcomeReason::exec_failed) == "failed");
    CHECK(word(ProcessState::lost, OutcomeReason::lost) == "lost");
    CHECK(word(ProcessState::backoff) == "backoff");
    // Its first generation told by the code.
    const auto first = [&](std::optional<int> code) {
        view.state = code ? ProcessState::exited : ProcessState::killed;
        view.exit_code = code;
        return status_word(view, Generation::first);
    };
    CHECK(first(0) == "exited");
    CHECK(first(3) == "failed");
    CHECK(first(std::nullopt) == "failed");
}

TEST_CASE("a return code is Python's: never invented") {
    CHECK(return_code(3, std::nullopt) == 3);
    CHECK(return_code(std::nullopt, 9) == -9);
    CHECK(return_code(std::nullopt, std::nullopt) == std::nullopt);
}

TEST_CASE("a time is read as Python reads it, and as we do") {
    const WallTime now = base::parse_rfc3339("2026-05-28T20:00:00Z").value();
    const auto at = [&](std::string_view text) {
        const auto time = parse_time(text, now);
        return time ? base::format_rfc3339(*time) : std::string(base::code_name(time.error().code));
    };
    CHECK(at("2026-05-28T10:00:00Z") == "2026-05-28T10:00:00.000Z");
    CHECK(at("2026-05-28T10:00:00+02:00") == "2026-05-28T08:00:00.000Z");
    CHECK(at("2026-05-28T10:00:00.25") == "2026-05-28T10:00:00.250Z");
    CHECK(at("2026-05-28 10:00:00") == "2026-05-28T10:00:00.000Z");
    CHECK(at("2026-05-28T10:00") == "2026-05-28T10:00:00.000Z");
    CHECK(at("2026-05-28") == "2026-05-28T00:00:00.000Z");
    CHECK(at("5m") == "2026-05-28T19:55:00.000Z");
    for (const char* bad : {"", "noon", "2026-13-01", "2026-05-28T", "2026-05-28T10", "Z"}) CHECK(at(bad) == "invalid");
}

TEST_CASE("an answer has its members, whatever is known") {
    ProcessView view;
    view.state = ProcessState::failed;
    view.command = {"sh", "-c", "a b"};
    const auto first = [&](std::int64_t pid) { return shaped(facts_of(view, pid, Generation::first), first_info); };
    CHECK(first(0)["pid"].is_null());
    CHECK(first(7)["pid"] == 7);
    CHECK(first(7)["command"] == "sh -c 'a b'");
    CHECK(first(7)["exit_code"].is_null());
    view.signal = "SIGKILL";
    CHECK(first(7)["exit_code"] == -9);
    const Json later = shaped(facts_of(view, 7, Generation::later), status_told);
    CHECK(later.dump() == R"({"pid":7,"command":["sh","-c","a b"],"working_directory":"","status":"failed",)"
                          R"("label":"","error":null})");
}

TEST_CASE("a failure is told where the original told it, and never as an error of the call") {
    const Error failed{ErrorCode::not_found, "no"};
    CHECK(refused(failed, first_info).text == R"({"error":"no"})");
    CHECK(refused(failed, listed).text == R"({"error":"no"})");
    CHECK(refused(failed, stopped).text == R"({"exit_code":null,"error":"no"})");
    CHECK_FALSE(refused(failed, stopped).is_error);
}

TEST_CASE("bytes that are no text never break an answer") {
    CHECK(Json::parse(answered(Json{{"command", "a\xff"}}).text)["command"] == "a\xEF\xBF\xBD");
}

}  // namespace answers_test
