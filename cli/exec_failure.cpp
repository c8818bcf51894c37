#include "cli/exec_failure.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "cli/words.hpp"
#include "common/base/elf.hpp"
#include "common/base/file.hpp"
#include "common/base/text.hpp"
#include "common/domain/interpreter.hpp"
#include "common/domain/process.hpp"

namespace persistproc::cli {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t longest_first_line = 255;  // the kernel reads no more of it

fs::path find_file(const std::string& word, const fs::path& directory, std::string_view path) {
    std::error_code failed;
    if (word.find('/') != std::string::npos) {
        fs::path file = (directory / word).lexically_normal();
        return fs::exists(file, failed) ? file : fs::path();
    }
    while (!path.empty()) {
        const std::size_t colon = path.find(':');
        const fs::path file = directory / path.substr(0, colon) / word;
        if (fs::exists(file, failed)) return file;
        path.remove_prefix(colon == std::string_view::npos ? path.size() : colon + 1);
    }
    return {};
}

/// Without its end. No regular file, or not to be read: nothing.
std::string first_line(const fs::path& file) {
    auto open = base::open_file(file, O_RDONLY | O_NONBLOCK);
    if (!open) return {};
    std::array<char, longest_first_line> bytes{};
    const ssize_t got = ::read(open->get(), bytes.data(), bytes.size());
    const std::string_view text(bytes.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    return std::string(text.substr(0, text.find('\n')));
}

base::ElfFacts read_elf(const fs::path& file) {
    auto open = base::open_file(file, O_RDONLY | O_NONBLOCK);
    if (!open) return {};
    std::array<char, base::elf_beginning_bytes> bytes{};
    const ssize_t got = ::read(open->get(), bytes.data(), bytes.size());
    std::error_code failed;
    return base::read_elf({bytes.data(), got > 0 ? static_cast<std::size_t>(got) : 0}, fs::file_size(file, failed));
}

/// Whether a file is, or could be made, one that is executed: it may be already, or begins as programs do.
bool may_be_program(const fs::path& file) {
    std::error_code failed;
    if (::access(file.c_str(), X_OK) == 0 || !fs::is_regular_file(file, failed)) return true;
    const std::string line = first_line(file);
    return line.starts_with("#!") || line.starts_with("\x7f");
}

/// What is typed in place of a file that describes how something is run; empty: it describes nothing known.
std::string_view usual_command(const fs::path& file) {
    static constexpr std::pair<std::string_view, std::string_view> commands[] = {{"Makefile", "make"},
                                                                                 {"makefile", "make"},
                                                                                 {"GNUmakefile", "make"},
                                                                                 {"package.json", "npm start"},
                                                                                 {"justfile", "just"},
                                                                                 {"Cargo.toml", "cargo run"},
                                                                                 {"go.mod", "go run ."},
                                                                                 {"build.gradle", "gradle run"},
                                                                                 {"Rakefile", "rake"},
                                                                                 {"Taskfile.yml", "task"},
                                                                                 {"deno.json", "deno task start"}};
    const std::string name = file.filename().native();
    for (const auto& [known, command] : commands)
        if (name == known) return command;
    return {};
}

/// Of a file that `access` does not let be executed.
std::string not_executable(std::string_view name, const fs::path& file, const std::string& before) {
    std::error_code failed;
    if (!fs::is_regular_file(file, failed)) return fmt::format("{}: not a regular file, and no program", name);
    struct statvfs facts {};
    if (::statvfs(file.c_str(), &facts) == 0 && (facts.f_flag & ST_NOEXEC) != 0)
        return fmt::format("{}: on a file system that is mounted noexec, where nothing can be executed", name);
    if (may_be_program(file))
        return fmt::format("{}: not executable; try: chmod +x {}", name,
                           base::shell_quote(base::escape_line(file.native())));
    const std::string_view command = usual_command(file);
    return fmt::format("{}: not executable, and its first line names no interpreter{}", name,
                       command.empty() ? "" : fmt::format("; try: {}{}", before, command));
}

/// Whether two programs run the same language: "/usr/bin/python3.9", "python3".
bool are_of_one_kind(std::string_view one, std::string_view other) {
    const auto language = [](std::string_view program) {
        program.remove_prefix(program.rfind('/') + 1);  // npos + 1: nothing
        return program.substr(0, program.find_first_of("-.0123456789"));
    };
    return !other.empty() && language(one) == language(other);
}

}  // namespace

std::string explain_exec_failure(const std::vector<std::string>& command, const std::string& directory,
                                 const std::string& path, const std::string& before) {
    if (command.empty()) return {};
    const std::string name = base::excerpt(command.front());
    std::error_code failed;
    fs::path file = find_file(command.front(), directory, path);
    if (file.empty() && fs::is_regular_file(fs::path(directory) / command.front(), failed)) {
        const std::string_view how = domain::usual_interpreter(command.front());
        if (how.empty() && !may_be_program(fs::path(directory) / command.front()))
            return not_executable(name, fs::path(directory) / command.front(), before);
        return fmt::format("{}: no such program in PATH, but a file of this directory; try: {}{}{}", name, before,
                           how.empty() ? "./" : std::string(how) + " ", shown_command(command));
    }
    const bool is_path = command.front().find('/') != std::string::npos;
    if (is_path && fs::symlink_status(fs::path(directory) / command.front(), failed).type() == fs::file_type::not_found)
        return fmt::format("{}: no such file", name);
    if (file.empty()) return {};
    if (fs::is_directory(file, failed)) return fmt::format("{}: is a directory", name);
    const std::string_view runner = domain::usual_interpreter(file.native());
    const auto attempt = [&](std::string_view how) {
        return fmt::format("; try: {}{} {}", before, how, shown_command(command));
    };
    std::string line = first_line(file);
    // The daemon has said it.
    if (line.starts_with("\xEF\xBB\xBF#!")) return {};
    if (!line.starts_with("#!")) {
        const bool is_executable = ::access(file.c_str(), X_OK) == 0;
        if (!runner.empty())
            return fmt::format("{}: {}{}", name,
                               is_executable ? "its first line names no interpreter" : "not executable",
                               attempt(runner));
        if (is_executable && line.starts_with("\x7f")) {
            const std::string fault = base::elf_fault_text(read_elf(file));
            return fault.empty() ? fault : fmt::format("{}: {}", name, fault);
        }
        if (is_executable) return {};
        return not_executable(name, file, before);
    }
    if (line.ends_with('\r'))
        return fmt::format("{}: its first line ends with CR LF, as on Windows; try: sed -i 's/\\r$//' {}", name,
                           base::shell_quote(base::escape_line(file.native())));
    const std::size_t begin = line.find_first_not_of(" \t", 2);
    const std::string interpreter =
        begin == std::string::npos ? "" : line.substr(begin, line.find_first_of(" \t", begin) - begin);
    if (!interpreter.empty() && !fs::exists(directory / fs::path(interpreter), failed))
        return fmt::format("{}: {}, which its first line names, is missing{}", name, base::excerpt(interpreter),
                           are_of_one_kind(interpreter, runner) ? attempt(runner) : "");
    if (::access(file.c_str(), X_OK) != 0) return not_executable(name, file, before);
    return {};
}

}  // namespace persistproc::cli
