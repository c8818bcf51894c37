#pragma once
/// Projects from the disk, on a pool for files.
#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <functional>
#include <mutex>

#include "daemon/core/projects/project_source.hpp"

namespace persistproc::core::projects {

class LocalProjectSource final : public ProjectSource {
public:
    /// `environment`: what programs inherit from the daemon, asked for on the executor's thread. Digests are made with
    /// 32 secret bytes in `<data>/project.key`, which are made where they are missing. `files` outlives it.
    LocalProjectSource(boost::asio::thread_pool& files, std::filesystem::path data,
                       std::function<std::vector<std::string>()> environment)
        : files_(files), key_file_(data / "project.key"), environment_(std::move(environment)) {}

    Task<Result<LoadedPtr>> load(ProjectQuery query, std::shared_ptr<const PortBook> book) override;

private:
    boost::asio::thread_pool& files_;
    const std::filesystem::path key_file_;
    const std::function<std::vector<std::string>()> environment_;
    struct Secret {
        std::mutex mutex;
        std::string bytes;  // empty: not asked for yet
    };
    std::shared_ptr<Secret> secret_ = std::make_shared<Secret>();
};

}  // namespace persistproc::core::projects
