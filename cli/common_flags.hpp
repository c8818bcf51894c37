#pragma once
/// The flags that stand on both sides of every subcommand.
#include <string>
#include <vector>

#include "cli/flags.hpp"
#include "cli/options.hpp"
#include "common/config/daemon_settings.hpp"

namespace persistproc::cli {

struct CommonFlags : config::DaemonPlace {
    std::optional<OutputFormat> format;
    bool json = false, no_color = false, quiet = false, help = false;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using F = CommonFlags;
        using schema::field;
        config::DaemonPlace::fields(each);
        each(field("format", &F::format).as_flag("format", "FORMAT", "text or json (PERSISTPROC_FORMAT)"));
        each(field("json", &F::json).as_flag("json", "", "Short for --format json"));
        each(field("no_color", &F::no_color)
                 .as_flag("no-color", "",
                          "No colours, also of what programs print; on a terminal NO_COLOR=1 says the same"));
        each(field("quiet", &F::quiet).as_flag("q,quiet", "", "Silence the client's own messages"));
        each(field("help", &F::help).as_flag("h,help", "", "This text"));
    }
};

/// Adds those that `own` has no flag of the same name of; where it has a --quiet, ours is --silent.
void add_common_flags(CommonFlags& common, std::vector<Flag>& own);

/// What the user's file says (common/config): [client], and the port of [daemon].
struct FileSettings {
    CommonFlags client;
    std::string port_place;  // where it says `client.port`
};

/// What `before` and `after` the subcommand say, the latter counting more, then the environment, then the file.
/// Errors: invalid.
Result<CommonOptions> resolve(const CommonFlags& before, const CommonFlags& after, const FileSettings& file);

}  // namespace persistproc::cli
