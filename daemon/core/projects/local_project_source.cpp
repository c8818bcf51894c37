#include "daemon/core/projects/local_project_source.hpp"

#include <fmt/format.h>

#include <array>

#include "common/async/offload.hpp"
#include "common/base/file.hpp"
#include "common/base/proc.hpp"
#include "common/base/random.hpp"
#include "common/base/time.hpp"
#include "daemon/core/projects/load_project.hpp"

namespace persistproc::core::projects {

namespace {

constexpr std::size_t secret_bytes = 32;
// Of the processor. Others wait meanwhile; what people write takes some milliseconds.
constexpr std::chrono::seconds longest_load_of_agent{2};

/// Where there is no room for it, it is of this daemon alone. Errors: denied, io.
Result<std::string> load_project_key(const std::filesystem::path& file) {
    auto known = base::read_own_file(file, 4096);
    if (known && known->size() == secret_bytes) return known;
    if (!known && known.error().code != ErrorCode::not_found) return known.error();
    std::array<std::uint8_t, secret_bytes> fresh;
    base::fill_random(fresh);
    std::string text(reinterpret_cast<const char*>(fresh.data()), fresh.size());
    const auto written = base::atomic_write(file, text);
    if (!written && !base::lack_of_room(file.parent_path(), written.error().os_error)) return written.error();
    return text;
}

std::set<int> machine_ports() {
    std::set<int> out;
    for (const auto& [inode, port] : base::listening_ports()) out.insert(port);
    return out;
}

}  // namespace

Task<Result<LoadedPtr>> LocalProjectSource::load(ProjectQuery query, std::shared_ptr<const PortBook> book) {
    async::Place place(turns_, query.who.party, query.who.process);
    if (!query.who.is_person) {
        const bool has_place = co_await place.wait();
        if (!has_place)
            co_return Error{ErrorCode::limit, "too many projects wait to be read; try again when some have been"};
    }
    auto environment = environment_();
    const bool is_bounded = !query.who.is_person;
    auto work = [query = std::move(query), book = std::move(book), environment = std::move(environment),
                 secret = secret_, key_file = key_file_, is_bounded](std::stop_token stop) -> Result<LoadedPtr> {
        Surroundings surroundings{environment, {}, machine_ports};
        surroundings.end = [stop = std::move(stop), began = base::thread_time(), is_bounded]() -> std::optional<Error> {
            if (stop.stop_requested()) return Error{ErrorCode::unavailable, "nobody waits for the project any more"};
            if (is_bounded && base::thread_time() - began > longest_load_of_agent)
                return Error{ErrorCode::limit,
                             fmt::format("the project's files take more than {} s of the processor to read, which is "
                                         "what an agent has; ask the person to run: persistproc up",
                                         longest_load_of_agent.count())};
            return std::nullopt;
        };
        {
            const std::lock_guard lock(secret->mutex);
            if (secret->bytes.empty()) {
                auto bytes = load_project_key(key_file);
                if (!bytes) return bytes.error();
                secret->bytes = std::move(*bytes);
            }
            surroundings.secret = secret->bytes;
        }
        return load_project(query, *book, surroundings);
    };
    co_return co_await async::offload_stoppable(loading_, std::move(work));
}

}  // namespace persistproc::core::projects
