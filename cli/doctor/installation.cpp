#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "cli/daemon_start.hpp"
#include "cli/doctor/checks.hpp"
#include "cli/find_command.hpp"
#include "cli/probes.hpp"
#include "common/base/proc.hpp"
#include "common/base/text.hpp"
#include "common/base/version.hpp"
#include "common/config/config_file.hpp"

namespace persistproc::cli::doctor {

namespace fs = std::filesystem;

namespace {

constexpr const char* reinstall = "install the programs of one version together";

/// `daemon`: the program that executes it.
void check_shim(const fs::path& daemon, const std::string& own, Findings& out) {
    const char* name = "shim";
    std::error_code failed;
    // As the daemon looks for it, from where it really is.
    const fs::path folder = fs::weakly_canonical(daemon, failed).parent_path();
    const fs::path beside = folder / "persistproc-shim";
    const fs::path installed = folder.parent_path() / "libexec" / "persistproc" / "persistproc-shim";
    const fs::path& place = fs::exists(beside, failed) ? beside : installed;
    if (!fs::exists(place, failed))
        return out.problem(
            name,
            fmt::format("there is neither {} nor {}: nothing can be started", beside.native(), installed.native()),
            reinstall);
    if (fs::is_regular_file(place, failed) && ::access(place.c_str(), X_OK) != 0)
        return out.problem(name, fmt::format("{} may not be executed: nothing can be started", place.native()),
                           "chmod 755 " + base::shell_quote(place.native()));
    const auto version = ask_version(place);
    if (!version)
        return out.problem(name, fmt::format("of another version, or broken: {}", version.error().message), reinstall);
    if (*version != own)
        return out.problem(name, fmt::format("{} is version {}, the client is {}", place.native(), *version, own),
                           reinstall);
    out.ok(name, fmt::format("{} {}", place.native(), *version));
}

}  // namespace

void check_programs(const Examined&, Findings& out) {
    const fs::path self = base::own_program();
    const std::string own = base::version_text(base::version(), base::commit());
    out.ok("client", fmt::format("{} {}", self.native(), own));

    const auto daemon = find_daemon_program();
    if (!daemon) {
        out.problem("daemon program", daemon.error().message, reinstall);
        return;
    }
    const auto version = ask_version(*daemon);
    if (!version)
        out.problem("daemon program", version.error().message, reinstall);
    else if (*version != own)
        out.problem("daemon program",
                    fmt::format("{} is version {}, the client is {}", daemon->native(), *version, own), reinstall);
    else
        out.ok("daemon program", fmt::format("{} {}", daemon->native(), *version));

    check_shim(*daemon, own, out);
}

void check_path(const Examined&, Findings& out) {
    const char* name = "PATH";
    const fs::path self = base::own_program();
    std::error_code failed;
    const auto found = find_command("persistproc");
    const std::string own = self.parent_path().native();
    const std::string advice =
        fmt::format("export PATH={}:\"$PATH\" in your shell's startup file", base::shell_quote(own));
    if (!found)
        out.note(name, fmt::format("{} is not on it: no shell and no agent finds persistproc", own), advice);
    else if (fs::weakly_canonical(*found, failed) != fs::weakly_canonical(self, failed))
        out.note(name, fmt::format("persistproc on it is {}, not this one, {}", found->native(), self.native()),
                 advice + ", or remove the other");
    else
        out.ok(name, fmt::format("{} is on it", own));
}

void check_settings(const Examined& examined, Findings& out) {
    const char* name = "settings";
    const char* advice = "correct it: until then nothing else works";
    if (const std::string& fault = examined.common.settings_fault; !fault.empty())
        return out.problem(name, fault, advice);
    const auto program = find_daemon_program();
    const auto fine = program ? check_daemon_settings(*program) : Result<void>(program.error());
    const bool is_asked = fine || fine.error().code == ErrorCode::invalid || fine.error().code == ErrorCode::io;
    if (!is_asked) return out.note(name, "not examined: the daemon's program would say whether they are right", "");
    if (!fine) return out.problem(name, fine.error().message, "correct it: until then no daemon begins");
    const fs::path path = config::find_config_path();
    std::error_code failed;
    out.ok(name, path.empty()               ? "neither XDG_CONFIG_HOME nor HOME says where they would be"
                 : fs::exists(path, failed) ? path.native()
                                            : fmt::format("none in {}", path.native()));
}

}  // namespace persistproc::cli::doctor
