#include <malloc.h>

#include <exception>
#include <string>
#include <vector>

#include "cli/program.hpp"
#include "common/base/diagnostics.hpp"
#include "common/base/file.hpp"

namespace {

/// Most commands are over in a millisecond: what the heap gave back would only be asked for, and be made zeros, again.
void keep_heap() {
    constexpr int step_bytes = 256 << 10, kept_bytes = 4 << 20;
    ::mallopt(M_TOP_PAD, step_bytes);
    ::mallopt(M_TRIM_THRESHOLD, kept_bytes);
    ::mallopt(M_MMAP_THRESHOLD, kept_bytes);
}

}  // namespace

int main(int argc, char** argv) {
    using namespace persistproc;
    keep_heap();
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
