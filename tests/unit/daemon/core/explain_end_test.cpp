#include <signal.h>

#include "daemon/core/process_driver.hpp"
#include "tests/support/catch.hpp"

namespace explain_end_test {

using namespace persistproc;
using namespace persistproc::core;

namespace {

Outcome killed_from_elsewhere() {
    Outcome out;
    out.signal = SIGKILL;
    out.causes.push_back(Cause{.code = CauseCode::killed_by_other});
    return out;
}

}  // namespace

TEST_CASE("what a stop command kills was stopped, and not killed by somebody else") {
    ProcessRecord record;
    Outcome outcome;
    SECTION("what a stop command kills was stopped, by whoever asked for the stop") {
        record.wanted = Wanted::down;
        record.intent_run = 3;
        record.intent_by = "somebody";
        record.definition.stop_command = {"pkill", "-9", "web"};
        outcome = killed_from_elsewhere();
        explain_end(outcome, record, 3);
        CHECK(outcome.reason == OutcomeReason::stopped);
        CHECK(outcome.stopped_by == "somebody");
        CHECK(outcome.causes.empty());
    }
    SECTION("a SIGKILL from elsewhere stays that") {
        record.sent_signal = SentSignal{.run = 3, .number = SIGKILL, .by = "somebody"};
        outcome = killed_from_elsewhere();
        explain_end(outcome, record, 3);
        CHECK(outcome.reason == OutcomeReason::self);
        REQUIRE(outcome.causes.size() == 1);
        CHECK(outcome.causes[0].code == CauseCode::killed_by_other);
    }
}

}  // namespace explain_end_test
