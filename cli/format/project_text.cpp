#include "cli/format/project_text.hpp"

#include <fmt/format.h>

namespace persistproc::cli::format {

namespace {

class ProcessBlock {
public:
    ProcessBlock(const ops::CheckResponse& project, const ops::ProjectProcess& process, const TextStyle& style)
        : project_(project), process_(process), style_(style) {}

    std::string text() {
        out_ = "\n" + process_.name + "\n";
        row("", process_.description);
        row("run", command_text(process_.command, process_.shell));
        if (process_.working_directory != directory()) row("in", process_.working_directory);
        for (const auto& each : project_.ports)
            if (each.process == process_.name) row("port", port_text(each));
        rows("after", process_.depends_on);
        rows("ready", process_.ready);
        rows("health", process_.health);
        row("sets", fmt::format("{}", fmt::join(process_.variables, ", ")));
        rows("watch", process_.watch);
        if (process_.restart != domain::RestartPolicy::never)
            row("restart", process_.restart == domain::RestartPolicy::always ? "always" : "on-failure");
        if (!process_.stop_command.empty()) row("stop", command_text(process_.stop_command, false));
        if (process_.oneshot) row("ends", "by itself");
        if (!process_.autostart) row("starts", "only when it is named or needed");
        return std::move(out_);
    }

private:
    std::string directory() const { return project_.file.substr(0, project_.file.rfind('/')); }
    static std::string command_text(const std::vector<std::string>& command, bool shell) {
        return shell || command.size() == 1 ? command.front() : domain::command_line(command);
    }
    static std::string port_text(const ops::ProjectPort& port) {
        std::string out =
            port.name.empty() ? std::to_string(port.number) : fmt::format("{} {}", port.name, port.number);
        if (port.wish == std::to_string(port.number)) return out;
        return fmt::format("{} ({}{})", out, port.wish, port.booked ? "" : "; proposed: not booked yet");
    }
    void row(std::string_view name, std::string_view value) {
        if (!value.empty()) out_ += fmt::format("  {:<9}{}\n", name, shown(value, style_));
    }
    void rows(std::string_view name, const std::vector<std::string>& values) {
        for (const auto& each : values) {
            row(name, each);
            name = "";
        }
    }

    const ops::CheckResponse& project_;
    const ops::ProjectProcess& process_;
    const TextStyle& style_;
    std::string out_;
};

}  // namespace

std::string project_text(const ops::CheckResponse& project, const TextStyle& style) {
    std::string out = fmt::format("{} ({})\n", shown(project.name, style), shown(project.file, style));
    for (const auto& each : project.processes) out += ProcessBlock(project, each, style).text();
    return out;
}

}  // namespace persistproc::cli::format
