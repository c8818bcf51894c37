#pragma once
/// What is waited for: alone, or behind a start or a restart.
#include <optional>
#include <string>

#include "common/domain/process.hpp"
#include "common/ops/wait_words.hpp"

namespace persistproc::ops {

struct WaitSpec {
    WaitCondition until = WaitCondition::exit;
    std::optional<std::string> pattern;
    std::optional<std::int64_t> port;
    std::optional<double> quiet_seconds;
    double timeout_seconds = 30;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = WaitSpec;
        using schema::field;
        // Its default is what is inferred.
        each(field("until", &R::until).absent_if_empty());
        each(field("pattern", &R::pattern, "RE2")
                 .as_flag("pattern", "RE2", "A line of this run matches")
                 .range(1, 1024));
        each(field("port", &R::port, "Absent: any")
                 .as_flag("port", "N", "The process listens there; the daemon's port stands before wait")
                 .range(1, 65535));
        each(field("quiet_seconds", &R::quiet_seconds)
                 .range(0.05, 3600)
                 .in_form(&domain::optional_seconds_form)
                 .as_flag("quiet", "DURATION", "No output for so long")
                 .of_kind(schema::ValueKind::duration));
        each(field("timeout_seconds", &R::timeout_seconds).range(0, 3600).in_form(&domain::seconds_form));
    }
    /// Without `until`: what the other arguments are about, else the end.
    Result<void> finish_reading(const schema::Json& arguments);
};

/// As an argument of another request: an object of the same members.
extern const schema::Form<std::optional<WaitSpec>> wait_form;

}  // namespace persistproc::ops

PERSISTPROC_REQUEST_CODECS(extern, persistproc::ops::WaitSpec)
