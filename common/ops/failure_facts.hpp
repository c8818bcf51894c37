#pragma once
#include <optional>
#include <string>
#include <vector>

#include "common/schema/field.hpp"

namespace persistproc::ops {

/// An error that a program printed.
struct PrintedError {
    std::string message;              // one line
    std::optional<std::string> file;  // relative to the working directory where it lies below; absent: not told
    std::optional<std::int64_t> line;
    std::optional<std::int64_t> column;
    std::string text;  // all of it, as printed

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = PrintedError;
        using schema::field;
        each(field("message", &R::message));
        each(field("file", &R::file).left_out_if_absent());
        each(field("line", &R::line).left_out_if_absent());
        each(field("column", &R::column).left_out_if_absent());
        each(field("text", &R::text));
    }
};

/// Why a run failed, beside how it ended and what it printed. What is not known is left out.
struct FailureFacts {
    std::optional<double> lived_seconds;
    std::optional<std::string> restarted_by;    // who asked for the run, where another one had been before
    std::optional<std::int64_t> held_port;      // that it wanted, and another one has
    std::optional<bool> only_awaited;           // true: who waits wants that port; nothing shows that the program does
    std::optional<std::string> holder_process;  // its id, where it is one of ours
    std::optional<std::string> holder_label;    // and its label
    std::optional<std::int64_t> holder_pid;
    std::optional<std::string> holder_name;
    std::optional<std::string> holder_data_directory;  // that it serves as a daemon of ours
    std::optional<std::int64_t> memory_kills;          // by the kernel, in its cgroup, meanwhile
    std::optional<std::string> good_run;               // the last one before it that worked
    std::vector<std::string> changes;                  // against that, in words
    std::string text;                                  // all of it, in words

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = FailureFacts;
        using schema::field;
        each(field("lived_seconds", &R::lived_seconds).left_out_if_absent());
        each(field("restarted_by", &R::restarted_by).left_out_if_absent());
        each(field("held_port", &R::held_port).left_out_if_absent());
        each(field("only_awaited", &R::only_awaited).left_out_if_absent());
        each(field("holder_process", &R::holder_process).left_out_if_absent());
        each(field("holder_label", &R::holder_label).left_out_if_absent());
        each(field("holder_pid", &R::holder_pid).left_out_if_absent());
        each(field("holder_name", &R::holder_name).left_out_if_absent());
        each(field("holder_data_directory", &R::holder_data_directory).left_out_if_absent());
        each(field("memory_kills", &R::memory_kills).left_out_if_absent());
        each(field("good_run", &R::good_run).left_out_if_absent());
        each(field("changes", &R::changes).absent_if_empty().left_out_if_absent());
        each(field("text", &R::text));
    }
};

/// `port 3000 is held by p4 "web": persistproc stop p4`, `… by node (PID 77)`; without advice where the port is only
/// awaited; empty: there is none that another one has. Pure.
std::string held_port_text(const FailureFacts& facts);

}  // namespace persistproc::ops
