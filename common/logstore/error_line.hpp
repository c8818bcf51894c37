#pragma once
/// What one line of a program's output is to somebody who looks for errors. Knows how the languages, compilers and
/// loggers of development servers begin an error, and what of theirs only looks like one. All of it is pure, for lines
/// without colour and control bytes (base::clean_output), and linear in the line.
#include <optional>
#include <string>
#include <string_view>

namespace persistproc::logstore {

enum class LineKind {
    other,
    record,     // of a logger, below the level of an error
    wrapper,    // of what started the program: that it failed ("npm ERR!", "make: ***")
    level,      // of a logger, at the level of an error
    error,      // an error by its type, a panic, a compiler's
    traceback,  // of Python: what is wrong stands in its last line
};

/// Whether an error begins with such a line.
constexpr bool is_head(LineKind kind) noexcept { return kind >= LineKind::wrapper; }

/// RE2: matches each line whose kind is a head, and few others. For `LineQuery::grep`.
extern const std::string_view error_hint;

LineKind kind_of(std::string_view line);

/// Whether a line that is no head by itself is one if a line that follows soon makes it one: it names a type of errors
/// behind other words ("cannot load: SyntaxError: …"), as programs print what they have caught.
bool may_be_head(std::string_view line);
/// Whether `line`, below `head`, does: a frame of a stack, a snippet of the source.
bool makes_head(std::string_view head, std::string_view line);

/// Whether the line belongs to the error above it, by how it looks.
bool is_continuation(std::string_view line);

/// Whether it says no more than that the errors above it were all, or what came of them: "1 error", "make: *** …".
bool is_closing(std::string_view line);

/// Of a linter that names the file once, above what it found there ("  3:1  error  'x' is not defined").
struct LintPlace {
    int line = 0, column = 0;
};
std::optional<LintPlace> find_lint(std::string_view line);
/// The same of a linter that names it so, and whose warnings look like its errors: "  Line 3:5:  'x' is not defined".
std::optional<LintPlace> find_told_line(std::string_view line);
/// Whether the line is no more than the path of a file with an extension.
bool is_path(std::string_view line);

/// Whether a line of an error's block can be nothing but a detail of it: a frame, source, a property ("port: 3000").
/// What programs say next to their errors, once they are ready, is indented by less.
bool is_detail(std::string_view line);

/// Whether nothing but an error is told with such a line, so that the lines between it and the error are of it, too: a
/// frame, a place, numbered source, what underlines it, a note.
bool is_evidence(std::string_view line);

/// Whether an error begins here if the head of one follows: a place alone, as Node, Next.js and Go print it first,
/// or the function that a compiler is at.
bool is_prelude(std::string_view line);

/// Whether it is a frame of a stack in the language's own runtime, which nobody mends: "at node:internal/…",
/// "File "/usr/lib/python3.11/socketserver.py", …", "from /usr/lib/ruby/3.1.0/…".
bool is_runtime_frame(std::string_view line);

/// Whether the line says nothing of what is wrong, and the next one does ("ERROR in ./src/a.js").
bool is_vague(std::string_view line);

/// Whether what is wrong goes on below the line, whatever that looks like: "… identified some issues:".
bool announces_more(std::string_view line);

/// Whether Python's last line of a traceback may look like this.
bool is_exception_line(std::string_view line);

/// Whether it is of a logger and no error, as a time or a level at its front tells ("INFO …", "[info] …",
/// "2026-01-02 10:00:00 …"): other threads print such lines in the midst of an error.
bool is_log_line(std::string_view line);

/// What the line says is wrong: without times, levels and the place at its front.
std::string message_in(std::string_view line);

/// How much of the line's front names its source, where several programs share an output ("web-1  | ", "[0] "), with
/// the time in front of that.
std::size_t source_prefix(std::string_view line);

}  // namespace persistproc::logstore
