#include "cli/signals.hpp"

#include "tests/support/catch.hpp"

namespace signals_test {

using namespace persistproc::cli;

namespace {

class Handled {
public:
    Handled(int number, void (*handler)(int)) : number_(number), before_(::signal(number, handler)) {}
    ~Handled() { ::signal(number_, before_); }
    Handled(const Handled&) = delete;
    Handled& operator=(const Handled&) = delete;

private:
    int number_;
    void (*before_)(int);
};

}  // namespace

TEST_CASE("signals: one that is ignored does not come while they are held, others do") {
    const Handled hangup(SIGHUP, SIG_IGN), termination(SIGTERM, [](int) {});
    const HeldSignals held;
    ::raise(SIGHUP);
    CHECK(!HeldSignals::has_come());
    ::raise(SIGTERM);
    CHECK(HeldSignals::has_come());
}

}  // namespace signals_test
