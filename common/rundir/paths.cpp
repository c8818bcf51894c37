#include "common/rundir/paths.hpp"

#include <string>

namespace persistproc::rundir {

ProcessPaths process_paths(const std::filesystem::path& data, ProcessId id) {
    const std::filesystem::path root = data / "procs" / ("p" + std::to_string(id.number));
    return {root, root / "log", root / "runs"};
}

RunPaths run_paths(const std::filesystem::path& data, RunId id) {
    const std::filesystem::path root = process_paths(data, id.process).runs / std::to_string(id.number);
    return {root, root / "spec", root / "state", root / "shim.lock"};
}

}  // namespace persistproc::rundir
