#pragma once
/// Whether a process is still what its definition says. A definition is compared by digests of its keys, made with a
/// secret key: they are kept, and values of variables are not to be guessed from what is kept.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/project/load.hpp"
#include "common/project/process.hpp"

namespace persistproc::project {

/// HMAC-SHA256 as hexadecimal digits, by the key of the file, of everything that its value has become: references
/// replaced, environment files read. What a person inherits is no part of it. `name` is.
using Digests = std::map<std::string, std::string>;

Digests digests_of(const Process& process, std::string_view secret);

/// Kept beside the keys, and of no say in what restarts: the bytes of all files that the project was read from.
inline constexpr std::string_view content_key = "(files)";
std::string content_digest(const Loaded& loaded, std::string_view secret);

/// Kept beside the keys, and of no say either: the environment as the files say it, with the names of variables
/// (`${env.X}`, expanded files) in place of their values; and the same of each variable that these have a part in.
inline constexpr std::string_view written_key = "(env)";
std::string written_key_of(const std::string& variable);
/// `written`: the process loaded with Lookups::leaves_variables.
Digests written_digests(const Process& process, const Process& written, std::string_view secret);

/// What has changed between two definitions of a process, by the names of keys.
struct Changes {
    std::vector<std::string> restarting;  // hold from the next run on: that process restarts, no other
    std::vector<std::string> live;        // hold at once
    friend bool operator==(const Changes&, const Changes&) = default;
};
Changes compare(const Digests& before, const Digests& now);

/// Of all bytes that make the project what it is, at its path: files in the order they were read, what they have
/// become, and where links lead its processes. Who consents consents to this.
std::string consent_digest(const Loaded& loaded, std::string_view secret);

}  // namespace persistproc::project
