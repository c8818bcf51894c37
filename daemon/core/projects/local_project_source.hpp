#pragma once
/// Projects from the disk, on threads of their own: a file of hundreds of expressions takes seconds.
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <functional>
#include <mutex>

#include "common/async/turns.hpp"
#include "daemon/core/projects/project_source.hpp"

namespace persistproc::core::projects {

class LocalProjectSource final : public ProjectSource {
public:
    /// `environment`: what programs inherit from the daemon, asked for on the executor's thread. Digests are made with
    /// 32 secret bytes in `<data>/project.key`, which are made where they are missing.
    LocalProjectSource(std::filesystem::path data, std::function<std::vector<std::string>()> environment)
        : key_file_(data / "project.key"), environment_(std::move(environment)) {}

    Task<Result<LoadedPtr>> load(ProjectQuery query, std::shared_ptr<const PortBook> book) override;

private:
    // Agents have one of the threads, in turn; the person finds the other one free.
    boost::asio::thread_pool loading_{2};
    async::Turns turns_{{.places = 1, .per_party = 1, .waiting_per_party = 16, .waiting = 64}};
    const std::filesystem::path key_file_;
    const std::function<std::vector<std::string>()> environment_;
    struct Secret {
        std::mutex mutex;
        std::string bytes;  // empty: not asked for yet
    };
    std::shared_ptr<Secret> secret_ = std::make_shared<Secret>();
};

}  // namespace persistproc::core::projects
