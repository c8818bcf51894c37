#include "tests/crash/shim_trial.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "common/base/random.hpp"
#include "common/base/unique_fd.hpp"
#include "common/logstore/writer.hpp"
#include "common/rundir/control.hpp"
#include "common/rundir/frame.hpp"
#include "common/rundir/paths.hpp"
#include "common/rundir/spec.hpp"
#include "tests/crash/fault_layer.hpp"

namespace persistproc::tests {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using rundir::ControlMessage;
using rundir::MessageType;
using rundir::Phase;

constexpr int lines = 60;
constexpr auto patience = std::chrono::seconds(8);
constexpr std::uint32_t grace_ms = 1000;
constexpr std::uint64_t separators_at_most = 8;

std::string numbered(const std::string& prefix) {
    std::string out;
    for (int i = 1; i <= lines; ++i) out += prefix + " " + std::to_string(i) + "\n";
    return out;
}

void require(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(what);
}

std::string bytes_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// A file of `size` zeros, mapped by both sides.
void make_blank(const fs::path& path, std::uint64_t size) {
    const base::UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    require(file && ::ftruncate(file.get(), static_cast<off_t>(size)) == 0, "a blank file");
}

std::vector<pid_t> children() {
    const auto self = std::to_string(::getpid());
    std::ifstream file("/proc/self/task/" + self + "/children");
    return {std::istream_iterator<pid_t>(file), {}};
}

/// Everything that is left of a run comes to us, its subreaper. Returns how many of them were alive.
int end_orphans() {
    int alive = 0;
    for (auto left = children(); !left.empty(); left = children()) {
        for (const pid_t pid : left) {
            int status = 0;
            if (::waitpid(pid, &status, WNOHANG) == pid) continue;
            ++alive;
            ::kill(pid, SIGKILL);
            ::waitpid(pid, &status, 0);
        }
    }
    return alive;
}

void hear(Told& told, const ControlMessage& message) {
    if (message.type == MessageType::ready) told.ready = true;
    if (message.type == MessageType::tree_empty) told.tree_empty = true;
    if (message.type != MessageType::state && message.type != MessageType::tree_empty) return;
    if (message.state.phase == Phase::started && message.state.exec_confirmed != 0 && !told.started) {
        told.started = true;
        told.started_state = message.state;
    }
    if (message.state.phase == Phase::exited || message.state.phase == Phase::exec_failed) {
        (message.state.phase == Phase::exited ? told.exited : told.exec_failed) = true;
        told.final_state = message.state;
    }
}

void say(int channel, MessageType type, const rundir::Nonce& nonce) {
    ControlMessage message;
    message.type = type;
    message.epoch = 1;
    message.request = 1;
    message.nonce = nonce;
    message.grace_ms = grace_ms;
    rundir::Frame frame;
    rundir::encode_frame(message, {}, frame);
    [[maybe_unused]] const ssize_t sent = ::send(channel, frame.bytes, frame.size, MSG_NOSIGNAL);
}

pid_t launch(const fs::path& run_directory, int channel, const std::string& fault, const fs::path& log,
             const fs::path& journal) {
    const std::string directory = run_directory.string();
    const std::string faults = "PERSISTPROC_FAULT=" + fault, log_at = "PERSISTPROC_FAULT_LOG=" + log.string(),
                      journal_at = "PERSISTPROC_FAULT_JOURNAL=" + journal.string();
    const char* environment[] = {log_at.c_str(), faults.c_str(), journal.empty() ? nullptr : journal_at.c_str(),
                                 nullptr};
    const char* arguments[] = {"persistproc-shim", directory.c_str(), nullptr};
    const pid_t pid = ::fork();
    require(pid >= 0, "fork");
    if (pid > 0) return pid;
    const int null = ::open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
    if (channel == rundir::start_channel_fd)
        ::fcntl(channel, F_SETFD, 0);
    else
        ::dup2(channel, rundir::start_channel_fd);
    ::execve(PERSISTPROC_SHIM_FAULTY, const_cast<char**>(arguments), const_cast<char**>(environment));
    ::_exit(99);
}

std::string at(const char* what, std::uint64_t number) { return what + std::to_string(number); }

/// Whether `found` is `whole` with pieces left out; lines tell which. `missing`: bytes of what was left out.
bool is_in_order(const std::string& found, const std::string& whole, std::uint64_t& missing) {
    // Greedy: every line of the program is unlike all others.
    std::size_t from = 0;
    for (std::size_t begin = 0; begin < found.size();) {
        std::size_t end = found.find('\n', begin);
        end = end == found.npos ? found.size() : end + 1;
        const std::string line = found.substr(begin, end - begin);
        const std::size_t met = whole.find(line, from);
        if (met == whole.npos) return false;
        from = met + line.size();
        begin = end;
    }
    missing = whole.size() - found.size();
    return true;
}

}  // namespace

FastDirectory::FastDirectory() {
    std::string name = fs::exists("/dev/shm") ? "/dev/shm/persistproc-crash.XXXXXX" : "/tmp/persistproc-crash.XXXXXX";
    require(::mkdtemp(name.data()) != nullptr, "mkdtemp");
    path_ = name;
}

FastDirectory::~FastDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

namespace {

constexpr std::uint32_t parts = 4;  // of what a program prints; then it says its last word

std::string prefix(std::uint32_t number, std::uint32_t part) {
    return std::string(1, static_cast<char>('a' + (number - 1) * parts + part));
}

std::string last_word(std::uint32_t number) { return "bye" + std::string(number - 1, '!'); }

}  // namespace

std::string printed_by(std::uint32_t number) {
    std::string text;
    for (std::uint32_t part = 0; part < parts; ++part) text += numbered(prefix(number, part));
    return text + last_word(number) + "\n";
}

const std::string& program_out() {
    static const std::string text = numbered("a") + numbered("c") + "bye\n";
    return text;
}
const std::string& program_err() {
    static const std::string text = numbered("b") + numbered("d");
    return text;
}

TrialResult play(const fs::path& data, const std::string& fault, const fs::path& journal,
                 std::chrono::milliseconds silence, std::uint32_t number) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ::signal(SIGPIPE, SIG_IGN);
    const fs::path done = data / ("done" + std::to_string(number)), log_path = data / "calls";
    rundir::RunSpec spec;
    spec.id = RunId{{1}, number};
    base::fill_random(spec.nonce);
    spec.working_directory = "/";
    spec.environment = {"PATH=/usr/bin:/bin"};
    spec.segment_bytes = 512;
    const auto count = std::to_string(lines);
    spec.argv = {PERSISTPROC_CHILD, "on-term", last_word(number), "5",           ",", "print",     count,
                 prefix(number, 0), ",",       "sleep",           "2",           ",", "print-err", count,
                 prefix(number, 1), ",",       "sleep",           "2",           ",", "print",     count,
                 prefix(number, 2), ",",       "sleep",           "2",           ",", "print-err", count,
                 prefix(number, 3), ",",       "touch",           done.string(), ",", "wait"};
    const auto paths = rundir::run_paths(data, spec.id);
    fs::create_directories(paths.root);
    fs::create_directories(rundir::process_paths(data, spec.id.process).log);
    std::ofstream(paths.spec, std::ios::binary) << rundir::encode_spec(spec);
    require(rundir::create_state(paths.state, base::current_boot_id()).has_value(), "create_state");
    make_blank(log_path, sizeof(FaultLog));
    if (!journal.empty()) make_blank(journal, journal_bytes);

    TrialResult result;
    result.run_directory = paths.root;
    result.log = rundir::process_paths(data, spec.id.process).log;
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    base::UniqueFd channel(ends[0]);
    base::UniqueFd theirs(ends[1]);
    const pid_t pid = launch(paths.root, theirs.get(), fault, log_path, journal);
    theirs.reset();

    const auto deadline = Clock::now() + patience;
    bool committed = false, stopped = false, gone = false;
    std::optional<Clock::time_point> printed;
    while (!gone && Clock::now() < deadline) {
        if (channel) {
            pollfd entry{channel.get(), POLLIN, 0};
            ::poll(&entry, 1, 1);
            char bytes[rundir::most_frame_bytes];
            const ssize_t got = entry.revents != 0 ? ::recv(channel.get(), bytes, sizeof bytes, MSG_DONTWAIT) : -1;
            ControlMessage message;
            rundir::DescriptorList list;
            const auto size = static_cast<std::size_t>(std::max<ssize_t>(got, 0));
            if (rundir::decode_frame(bytes, size, message, list) == rundir::Refusal::none) hear(result.told, message);
            if (got == 0) channel.reset();
        } else {
            ::usleep(500);
        }
        if (channel && result.told.ready && !committed) {
            say(channel.get(), MessageType::commit, spec.nonce);
            committed = true;
        }
        if (!printed && ::access(done.c_str(), F_OK) == 0) printed = Clock::now();
        if (channel && !stopped && printed && Clock::now() >= *printed + silence) {
            say(channel.get(), MessageType::stop, spec.nonce);
            stopped = true;
        }
        // One whose channel broke must find its own end: the program is told by its own hand.
        if (!channel && !stopped && ::access(done.c_str(), F_OK) == 0) {
            if (const auto state = rundir::read_state(paths.state); state && state->pid > 0)
                ::kill(state->pid, SIGTERM);
            stopped = true;
        }
        // Whatever was sent before its end is still there to be read.
        if (!channel) gone = ::waitpid(pid, &result.status, WNOHANG) == pid;
    }
    if (!gone) {
        result.has_hung = true;
        ::kill(pid, SIGKILL);
        ::waitpid(pid, &result.status, 0);
    }
    result.programs = end_orphans();

    const std::string calls = bytes_of(log_path);
    const auto& log = *reinterpret_cast<const FaultLog*>(calls.data());
    result.calls = log.total;
    result.injected = log.injected;
    result.order.assign(log.order, log.order + std::min<std::size_t>(log.total, sizeof log.order));
    for (const auto& each : log.each) result.uses.push_back(each);
    return result;
}

std::optional<std::string> read_recorded(const fs::path& log, Recorded& out) {
    std::vector<fs::path> indexes;
    for (const auto& entry : fs::directory_iterator(log))
        if (entry.path().extension() == ".idx") indexes.push_back(entry.path());
    std::sort(indexes.begin(), indexes.end());
    std::uint64_t sequence = 0, position = 0;
    for (const auto& path : indexes) {
        const std::string index = bytes_of(path);
        fs::path data_path = path;
        const std::string data = bytes_of(data_path.replace_extension(".log"));
        logstore::SegmentHeader header;
        if (index.size() < sizeof header) return path.filename().string() + " has no header";
        std::memcpy(&header, index.data(), sizeof header);
        if (sequence == 0) {
            sequence = header.first_sequence;
            out.evicted = header.first_position;
        }
        if (header.first_sequence != sequence) return path.filename().string() + at(" begins with ", sequence);
        if (path != indexes.front() && header.first_position != position)
            return path.filename().string() + at(" begins at ", header.first_position) + at(", not ", position);
        position = header.first_position;
        std::uint64_t offset = 0;
        for (std::size_t i = sizeof header; i + sizeof(logstore::IndexRecord) <= index.size();
             i += sizeof(logstore::IndexRecord)) {
            logstore::IndexRecord record;
            std::memcpy(&record, index.data() + i, sizeof record);
            if (record.sequence != sequence) return at("record ", record.sequence) + at(" in place of ", sequence);
            if (record.offset != offset || record.offset + record.length > data.size())
                return at("record ", sequence) + " points beside the data";
            ++sequence;
            offset += record.length;
            if ((record.flags & logstore::event) != 0) {
                out.events.push_back(static_cast<std::uint8_t>(record.event));
            } else if ((record.flags & logstore::gap) != 0) {
                out.dropped += static_cast<std::uint64_t>(record.value);
            } else if ((record.flags & logstore::separator) == 0) {
                std::string& to = (record.flags & logstore::recovered) != 0 ? out.recovered
                                  : record.stream == logstore::Stream::out  ? out.out
                                                                            : out.err;
                to += data.substr(record.offset, record.length);
            }
        }
        position += offset;
    }
    return std::nullopt;
}

int repair(const fs::path& log) {
    const base::UniqueFd directory(::open(log.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    logstore::Writer writer;
    logstore::WriterOptions options;
    options.run = 2;
    const int err = writer.open(directory.get(), options);
    writer.close();
    return err;
}

namespace {

/// What holds of every end: the state can be read, and says nothing that did not happen.
std::string judge_state(const TrialResult& result, rundir::RunState& state) {
    const auto read = rundir::read_state(result.run_directory / "state");
    if (!read) return "the state cannot be read: " + read.error().message;
    state = *read;
    if (result.told.started && (state.phase < Phase::started || state.pid != result.told.started_state.pid))
        return "the daemon was told of PID " + std::to_string(result.told.started_state.pid) +
               ", the directory knows phase " + std::to_string(static_cast<int>(state.phase));
    if (result.told.exited && state.phase != Phase::exited) return "the daemon was told of an end that is not recorded";
    if (state.phase == Phase::exited && (state.killed != 0 || state.exit_value != program_code))
        return "ended with 5, recorded as " + std::string(state.killed != 0 ? "signal " : "code ") +
               std::to_string(state.exit_value);
    return {};
}

}  // namespace

std::string judge_killed(const TrialResult& result) {
    if (result.has_hung) return "hung";
    if (result.injected == 0) return {};  // it had left before
    if (!WIFSIGNALED(result.status)) return "was to be killed, ended with " + std::to_string(result.status);
    if (result.programs > 1) return std::to_string(result.programs) + " programs were left";
    rundir::RunState state;
    if (auto wrong = judge_state(result, state); !wrong.empty()) return wrong;
    if (result.programs == 1 && state.phase < Phase::started) {
        // Between fork and the durable STARTED; it has not executed, and ends by itself.
    }
    if (const int err = repair(result.log)) return "the log cannot be opened again: " + std::string(std::strerror(err));
    Recorded found;
    if (auto broken = read_recorded(result.log, found)) return *broken;
    if (found.dropped != 0) return "bytes are called dropped";
    const auto begins = [](const std::string& whole, const std::string& part) { return whole.starts_with(part); };
    const bool out_grew = begins(program_out(), found.out + found.recovered) && begins(program_err(), found.err);
    const bool err_grew = begins(program_out(), found.out) && begins(program_err(), found.err + found.recovered);
    const bool separated =
        found.recovered == "\n" && begins(program_out(), found.out) && begins(program_err(), found.err);
    if (!out_grew && !err_grew && !separated) return "the log is not what was printed up to there";
    if (state.phase == Phase::exited && (found.out != program_out() || found.err != program_err()))
        return "the end is recorded, but not all output before it";
    return {};
}

std::string judge_failed(const TrialResult& result, int error, bool is_recordable) {
    if (result.has_hung) return "hung";
    if (result.injected == 0) return {};
    if (WIFSIGNALED(result.status)) return "died by signal " + std::to_string(WTERMSIG(result.status));
    if (result.programs != 0) return "left " + std::to_string(result.programs) + " programs behind";
    rundir::RunState state;
    // What cannot be recorded is told, and that is all that can be done.
    const bool told_alone = !is_recordable && (result.told.exec_failed || result.told.exited);
    if (told_alone) {
        const auto& last = result.told.final_state;
        const bool right =
            result.told.exited ? last.killed == 0 && last.exit_value == program_code : last.os_error == error;
        return right ? "" : "the daemon was told of code " + std::to_string(last.exit_value);
    }
    if (auto wrong = judge_state(result, state); !wrong.empty()) return wrong;
    Recorded found;
    if (fs::exists(result.log))
        if (auto broken = read_recorded(result.log, found)) return *broken;
    switch (state.phase) {
        case Phase::none:
        case Phase::prepared: return WEXITSTATUS(result.status) != 0 ? "" : "left without a word and without a failure";
        case Phase::aborted: return found.out.empty() ? "" : "aborted, and there is output";
        case Phase::exec_failed:
            if (state.os_error != error && error != 0)
                return "the start failed with errno " + std::to_string(state.os_error);
            return found.out.empty() ? "" : "the start failed, and there is output";
        case Phase::started: return "left without recording the end";
        case Phase::exited: break;
    }
    std::uint64_t missing_out = 0, missing_err = 0;
    if (!is_in_order(found.out, program_out(), missing_out) || !is_in_order(found.err, program_err(), missing_err))
        return "the log is not what was printed";
    // An evicted segment may have held separators, which belong to no stream.
    const std::uint64_t missing = missing_out + missing_err;
    if (missing < found.dropped || missing > found.dropped + found.evicted ||
        missing + separators_at_most < found.dropped + found.evicted)
        return std::to_string(missing) + " bytes are missing, " + std::to_string(found.dropped) + " are said to be, " +
               std::to_string(found.evicted) + " are evicted";
    return {};
}

}  // namespace persistproc::tests
