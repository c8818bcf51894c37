#pragma once
/// The file `spec` of a run directory (mode 0600): everything the shim needs to start the child, and the one place
/// where values of environment variables stand. Text header, then entries `<key> <length>\n<bytes>\n`, ended by
/// `end <crc32c of everything before, as 8 hex digits>\n`; unknown keys are skipped, an unknown major is refused.
#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/domain/process.hpp"
#include "common/domain/terminal.hpp"
#include "common/rundir/state.hpp"

namespace persistproc::rundir {

struct ResourceLimit {
    int resource = 0;  // RLIMIT_…
    std::uint64_t soft = 0, hard = 0;
};

/// What tells whether a program's file is still the one that it was.
struct ProgramFile {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;  // by the kernel's word, whatever time of modification it was given

    bool is_same(const ProgramFile& other) const noexcept {
        return device == other.device && inode == other.inode && size == other.size && modified_ns == other.modified_ns;
    }
};

/// A file that the command names: a script of an interpreter, a configuration.
struct ArgumentFile {
    std::size_t argument = 0;  // its place in argv
    ProgramFile file;
};

struct RunSpec {
    RunId id;
    Nonce nonce{};
    std::vector<std::string> argv;
    std::string working_directory;
    std::vector<std::string> environment;  // "NAME=value", the whole environment of the child
    mode_t umask = 022;
    std::vector<ResourceLimit> limits;
    int stop_signal = 15;
    std::uint32_t grace_ms = 10000;
    std::uint64_t segment_bytes = 8u << 20;
    std::uint64_t log_bound_bytes = 64u << 20;     // oldest segments of the process go beyond it
    bool notifies = false;                         // its keeper listens at notify_name
    bool has_input = false;                        // its standard input is a pipe that stays open and silent
    std::optional<domain::TerminalSize> terminal;  // it runs on one that is as large
    // Of no use to the shim: what a daemon that has lost its database needs to know the process again.
    Definition definition;                     // what the run was begun as
    std::optional<ProgramFile> program_file;   // as it was at INTENT; nothing: not known
    std::vector<ArgumentFile> argument_files;  // then, too; the first ones alone
    std::string request_key;                   // of the request that asked for the run; empty: none was given
};

/// Where the program of a run says how it stands, as NOTIFY_SOCKET names it: "@" for the NUL of an abstract address,
/// then this and the digits of the run's nonce.
inline constexpr char notify_prefix[] = "persistproc/";

/// The definition is written as its document. A few of its fields have entries of their own, too, which earlier
/// versions read; of what both say, the entries count.
std::string encode_spec(const RunSpec& spec);
/// Errors: corrupt (where), unsupported, and then `other` is set to its format.
Result<RunSpec> decode_spec(std::string_view bytes, Format* other = nullptr);

/// The shim's reading of a spec: no heap. `decode` works inside `bytes`, which it changes (it ends strings with NUL)
/// and which must outlive the view; the pointer tables are the caller's.
struct SpecView {
    RunId id;
    Nonce nonce{};
    char** argv = nullptr;  // NULL-terminated, inside the caller's table
    char** environment = nullptr;
    const char* working_directory = nullptr;
    mode_t umask = 022;
    ResourceLimit limits[32] = {};
    int limit_count = 0;
    int stop_signal = 15;
    std::uint32_t grace_ms = 10000;
    std::uint64_t segment_bytes = 0;
    std::uint64_t log_bound_bytes = 0;
    bool notifies = false;
    bool has_input = false;
    std::uint16_t columns = 0, rows = 0;  // of its terminal; 0: it has none

    /// `table` holds at least one pointer per entry plus two. Returns 0 or an errno (EBADMSG corrupt,
    /// EPROTONOSUPPORT unknown major, E2BIG table too small); `where`, if given, is then the offset of the fault.
    /// `argv` and, behind its NULL, `environment` fill the table from its beginning.
    static int decode(char* bytes, std::size_t size, char** table, std::size_t table_size, SpecView& out,
                      std::size_t* where = nullptr) noexcept;
};

}  // namespace persistproc::rundir
