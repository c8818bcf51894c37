#pragma once
/// The variable that every process of a run's tree inherits: NAME=<32 hex digits of the run's nonce>. It tells whose a
/// process is whose parents are gone.
#include <cstring>

namespace persistproc::rundir {

inline constexpr char run_mark_name[] = "_PP_RUN_MARK";

/// Takes it from this process: from its environment, and from what others read of that (/proc/PID/environ is the memory
/// that the process was started with). A daemon belongs to no run, even if it was started within one.
inline void drop_run_mark(char** environment) noexcept {
    constexpr std::size_t name_size = sizeof run_mark_name - 1;
    char** kept = environment;
    for (char** each = environment; *each != nullptr; ++each) {
        if (std::strncmp(*each, run_mark_name, name_size) == 0 && (*each)[name_size] == '=')
            std::memset(*each, 0, std::strlen(*each));
        else
            *kept++ = *each;
    }
    *kept = nullptr;
}

}  // namespace persistproc::rundir
