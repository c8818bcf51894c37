#pragma once
/// Places in sources that lines of output name: "src/a.ts:3:5", "File "a.py", line 3", "a.ts(3,5)", "(Foo.java:12)".
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace persistproc::logstore {

struct ErrorPlace {
    std::string file;          // relative to the working directory where it lies below
    std::uint32_t line = 0;    // 0: not told
    std::uint32_t column = 0;  // 0: not told
};

/// A place as it stands in a line; views into it.
struct NamedPlace {
    std::string_view file;
    std::uint32_t line = 0;
    std::uint32_t column = 0;  // 0: not told
    std::size_t begin = 0;     // of all that names it
    std::size_t end = 0;
};

/// How likely it is that the user can mend something at a place.
enum class PlaceRank { library, elsewhere, own };

/// The first place at or after `from`. Files are known by their endings. Linear in the line. Pure.
std::optional<NamedPlace> find_place(std::string_view line, std::size_t from = 0);

/// Of a module that Node cannot find, the file that wants it, without a line: "… imported from /srv/app/a.mjs". Pure.
std::optional<NamedPlace> find_importer(std::string_view line);

/// Whose the file is: below `working_directory` (or relative), of a library or runtime, or neither. `line`: that names
/// it, since frames of libraries may show only there.
PlaceRank rank_of(const NamedPlace& place, std::string_view line, std::string_view working_directory);

/// The place for people: schemes of bundlers taken away, relative where it lies below `working_directory`.
ErrorPlace shown_place(const NamedPlace& place, std::string_view working_directory);

/// "src/a.ts:3:5", as far as it is told.
std::string to_string(const ErrorPlace& place);

}  // namespace persistproc::logstore
