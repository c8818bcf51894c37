/// Packets between daemon and shim.
#include <cstring>

#include "common/rundir/frame.hpp"
#include "tests/fuzz/input.hpp"

using namespace persistproc;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    rundir::ControlMessage message;
    rundir::DescriptorList descriptors;
    const auto refusal = rundir::decode_frame(bytes, size, message, descriptors);
    require(descriptors.count <= rundir::most_descriptors, "descriptors are bounded");
    if (refusal != rundir::Refusal::none) {
        require(refusal == rundir::Refusal::damaged || refusal == rundir::Refusal::unknown_major ||
                    refusal == rundir::Refusal::unknown_type,
                "a refusal is one of three");
        return 0;
    }
    // Fields that do not belong to the type are dropped; what is left must stay.
    rundir::Frame first, second;
    rundir::encode_frame(message, descriptors, first);
    rundir::ControlMessage again;
    rundir::DescriptorList named;
    require(rundir::decode_frame(first.bytes, first.size, again, named) == rundir::Refusal::none,
            "what is written is read");
    require(again.type == message.type && again.epoch == message.epoch && again.request == message.request,
            "what every message has stays");
    rundir::encode_frame(again, named, second);
    require(first.size == second.size && std::memcmp(first.bytes, second.bytes, first.size) == 0,
            "what is written is read as it was");
    for (std::size_t cut = 0; cut < first.size; ++cut)
        require(rundir::decode_frame(first.bytes, cut, again, named) == rundir::Refusal::damaged,
                "a frame that was cut is damaged");
    return 0;
}
