#include <exception>
#include <string>
#include <vector>

#include "cli/program.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/file.hpp"

int main(int argc, char** argv) {
    using namespace persistproc;
    base::ensure_standard_descriptors();
    base::set_program_name("persistproc");
    constexpr int failure_status = 125;
    try {
        return cli::run_program(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
    } catch (const std::exception& bug) {
        base::report(base::Severity::error, "internal error: {}", bug.what());
        return failure_status;
    }
}
