#pragma once
/// The real ShimHost: `persistproc-shim` processes of this machine.
#include <boost/asio/any_io_executor.hpp>
#include <filesystem>

#include "common/async/task_group.hpp"
#include "common/base/unique_fd.hpp"
#include "daemon/core/shim_host.hpp"

namespace persistproc::core {

class LocalShimHost final : public ShimHost {
public:
    /// `shim` is the program's absolute path; `data` the data directory.
    LocalShimHost(boost::asio::any_io_executor executor, std::filesystem::path shim, std::filesystem::path data);
    ~LocalShimHost() override;

    Task<Result<std::unique_ptr<ShimLink>>> spawn(RunId run) override;
    Task<Result<std::unique_ptr<ShimLink>>> connect(RunId run) override;
    /// Stops waiting for shims, which live on.
    Task<> close();

private:
    boost::asio::any_io_executor executor_;
    std::filesystem::path shim_;
    std::filesystem::path data_;
    base::UniqueFd null_;
    async::TaskGroup reapers_;
};

}  // namespace persistproc::core
