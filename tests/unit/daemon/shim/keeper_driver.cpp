#include "tests/unit/daemon/shim/keeper_driver.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>

#include "common/base/file.hpp"
#include "common/base/random.hpp"
#include "common/rundir/paths.hpp"

namespace persistproc::tests {
namespace {

namespace fs = std::filesystem;
constexpr auto patience = std::chrono::seconds(60);

std::string bytes_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<fs::path> files(const fs::path& directory, const char* extension) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(directory))
        if (entry.path().extension() == extension) found.push_back(entry.path());
    std::sort(found.begin(), found.end());
    return found;
}

void require(bool holds, const char* what) {
    if (!holds) throw std::runtime_error(what);
}

template <class Condition>
void wait_until(Condition condition, const char* what) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
        require(std::chrono::steady_clock::now() < end, what);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

}  // namespace

std::vector<std::string> child(std::vector<std::string> words) {
    words.insert(words.begin(), PERSISTPROC_CHILD);
    return words;
}

bool is_running(pid_t pid) {
    const std::string stat = bytes_of("/proc/" + std::to_string(pid) + "/stat");
    const auto close = stat.rfind(')');
    return close != stat.npos && stat.compare(close, 4, ") Z ") != 0;
}

KeeperDriver::KeeperDriver(const fs::path& data, std::vector<std::string> argv, std::uint32_t run) : data_(data) {
    spec.id = RunId{{1}, run};
    // Its own, as in the daemon: by its mark a successor would take the programs of tests beside this one for its tree.
    base::fill_random(spec.nonce);
    spec.argv = std::move(argv);
    spec.working_directory = "/";
    spec.environment = {"PATH=/usr/bin:/bin"};
}

KeeperDriver::~KeeperDriver() {
    if (pid_ <= 0) return;
    // A failed test leaves nothing running: the whole session of the child and the keeper.
    try {
        const auto state = state_on_disk();
        if (state.phase == rundir::Phase::started && state.pid > 0) ::kill(-state.pid, SIGKILL);
    } catch (const std::exception&) {
    }
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

fs::path KeeperDriver::run_directory() const { return rundir::run_paths(data_, spec.id).root; }

void KeeperDriver::launch() {
    const auto paths = rundir::run_paths(data_, spec.id);
    fs::create_directories(paths.root);
    fs::create_directories(rundir::process_paths(data_, spec.id.process).log);
    std::ofstream(paths.spec, std::ios::binary) << rundir::encode_spec(spec);
    require(rundir::create_state(paths.state, base::current_boot_id()).has_value(), "create_state");
    execute(nullptr);
}

void KeeperDriver::execute(const char* option) {
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    channel_.reset(ends[0]);
    const base::UniqueFd theirs(ends[1]);
    const std::string directory = run_directory().string();
    pid_ = ::fork();
    require(pid_ >= 0, "fork");
    if (pid_ == 0) {
        const int null = ::open("/dev/null", O_RDWR);
        for (int fd = 0; fd < 2; ++fd) ::dup2(null, fd);
        if (theirs.get() == rundir::start_channel_fd)
            ::fcntl(theirs.get(), F_SETFD, 0);
        else
            ::dup2(theirs.get(), rundir::start_channel_fd);
        if (option != nullptr)
            ::execl(program.c_str(), "persistproc-shim", option, directory.c_str(), nullptr);
        else
            ::execl(program.c_str(), "persistproc-shim", directory.c_str(), nullptr);
        ::_exit(99);
    }
    const timeval limit{std::chrono::seconds(patience).count(), 0};
    ::setsockopt(channel_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

void KeeperDriver::kill() {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

rundir::RunState KeeperDriver::take_over(rundir::DescriptorKind withheld) {
    execute("--take-over");
    require(receive().type == rundir::MessageType::ready, "no ready");
    rundir::ControlMessage commit;
    commit.type = rundir::MessageType::commit;
    commit.epoch = 1;
    commit.nonce = spec.nonce;
    commit.capabilities = rundir::capability_spares;
    rundir::DescriptorList list;
    std::vector<int> fds;
    for (const auto& [name, fd] : spares_) {
        if (name.first == withheld) continue;
        list.add(name.first, static_cast<std::uint16_t>(name.second));
        fds.push_back(fd.get());
    }
    send(commit, list, fds);
    return wait_for(rundir::MessageType::state).state;
}

rundir::RunState KeeperDriver::start() {
    launch();
    const auto ready = receive();
    require(ready.type == rundir::MessageType::ready, "no ready");
    require(ready.state.phase == rundir::Phase::prepared, "ready, but not prepared");
    send(rundir::MessageType::commit);
    // The first one tells of the child; whether its program could be executed comes with the next.
    for (;;) {
        const auto state = wait_for(rundir::MessageType::state).state;
        if (state.phase != rundir::Phase::started || state.exec_confirmed != 0) return state;
    }
}

void KeeperDriver::send(rundir::MessageType type, std::uint64_t request, int signal, std::uint32_t grace_ms, bool force,
                        std::uint64_t epoch) {
    rundir::ControlMessage message;
    message.type = type;
    message.epoch = epoch;
    message.request = request;
    message.nonce = spec.nonce;
    message.capabilities = rundir::capability_spares;
    message.signal = signal;
    message.grace_ms = grace_ms;
    message.force = force;
    send(message);
}

void KeeperDriver::send(const rundir::ControlMessage& message, const rundir::DescriptorList& descriptors,
                        const std::vector<int>& fds) {
    rundir::Frame frame;
    rundir::encode_frame(message, descriptors, frame);
    send_packet({frame.bytes, frame.size}, fds);
}

void KeeperDriver::send_packet(std::string_view bytes, const std::vector<int>& descriptors) {
    const std::size_t size = descriptors.size() * sizeof(int);
    std::vector<std::uint64_t> room(CMSG_SPACE(size) / sizeof(std::uint64_t) + 1);
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    if (size > 0) {
        packet.msg_control = room.data();
        packet.msg_controllen = CMSG_SPACE(size);
        cmsghdr* const header = CMSG_FIRSTHDR(&packet);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        std::memcpy(CMSG_DATA(header), descriptors.data(), size);
    }
    require(::sendmsg(channel_.get(), &packet, MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()), "sendmsg");
}

rundir::ControlMessage KeeperDriver::receive() {
    char bytes[rundir::most_frame_bytes];
    alignas(cmsghdr) char room[CMSG_SPACE(rundir::most_descriptors * sizeof(int))];
    iovec part{bytes, sizeof bytes};
    msghdr packet{};
    packet.msg_iov = &part;
    packet.msg_iovlen = 1;
    packet.msg_control = room;
    packet.msg_controllen = sizeof room;
    ssize_t got = ::recvmsg(channel_.get(), &packet, MSG_CMSG_CLOEXEC);
    // It may know the end by the kernel, and leave while what it is told of it is unread (rundir::receive_packet).
    if (got < 0 && errno == ECONNRESET) got = ::recvmsg(channel_.get(), &packet, MSG_CMSG_CLOEXEC);
    require(got >= 0 || errno == EAGAIN, std::strerror(errno));
    require(got != 0, "the shim closed the channel");
    require(got > 0, "no message in time");
    rundir::ControlMessage message;
    rundir::DescriptorList list;
    require(rundir::decode_frame(bytes, static_cast<std::size_t>(got), message, list) == rundir::Refusal::none,
            "no frame");
    const cmsghdr* const handed = CMSG_FIRSTHDR(&packet);
    require((handed != nullptr) == (list.count > 0), "descriptors that are not listed, or listed ones missing");
    for (std::size_t i = 0; i < list.count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(handed) + i * sizeof fd, sizeof fd);
        spares_[{list.names[i].kind, list.names[i].index}].reset(fd);
    }
    return message;
}

rundir::ControlMessage KeeperDriver::wait_for(rundir::MessageType type) {
    for (;;) {
        const auto message = receive();
        if (message.type == type) return message;
    }
}

rundir::RunState KeeperDriver::wait_for_end() {
    for (;;) {
        const auto state = wait_for(rundir::MessageType::state).state;
        if (state.phase == rundir::Phase::exited || state.phase == rundir::Phase::exec_failed) return state;
    }
}

void KeeperDriver::hang_up() { channel_.reset(); }

void KeeperDriver::connect() {
    const base::UniqueFd directory(::open(run_directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::string path = base::socket_path_through(directory.get(), rundir::control_name);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    channel_.reset(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    require(::connect(channel_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
    const timeval limit{std::chrono::seconds(patience).count(), 0};
    ::setsockopt(channel_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

int KeeperDriver::wait_for_leave() {
    int status = 0;
    wait_until([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; }, "the shim did not leave");
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

rundir::RunState KeeperDriver::state_on_disk() const {
    const auto state = rundir::read_state(rundir::run_paths(data_, spec.id).state);
    require(state.has_value(), "the state cannot be read");
    return *state;
}

std::string KeeperDriver::output() const {
    std::string all;
    for (const auto& path : files(rundir::process_paths(data_, spec.id.process).log, ".log")) all += bytes_of(path);
    return all;
}

std::vector<logstore::IndexRecord> KeeperDriver::records() const {
    std::vector<logstore::IndexRecord> all;
    for (const auto& path : files(rundir::process_paths(data_, spec.id.process).log, ".idx")) {
        const std::string index = bytes_of(path);
        for (std::size_t at = sizeof(logstore::SegmentHeader); at + sizeof(logstore::IndexRecord) <= index.size();
             at += sizeof(logstore::IndexRecord)) {
            logstore::IndexRecord record;
            std::memcpy(&record, index.data() + at, sizeof record);
            all.push_back(record);
        }
    }
    return all;
}

void KeeperDriver::wait_for_output(const std::string& text) const {
    wait_until([&] { return output().find(text) != std::string::npos; }, "the output did not come");
}

}  // namespace persistproc::tests
