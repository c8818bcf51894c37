#pragma once
/// How control messages are written down: one frame in each packet.
///
///     u32 magic "PPCT"   u16 major   u16 minor   u16 type   u16 reserved (0)   u32 size of the whole frame
///     fields, each: u16 number   u16 length   bytes   zeros up to a multiple of four
///
/// Little-endian; at most 4 KiB. FROZEN: the header, the shape of a field, and every number that was ever given out (of
/// a type, field, refusal, capability, kind of descriptor). Shims and daemons of different versions speak to each
/// other, so that all growth keeps to these rules:
/// - A new fact is a new field, or more bytes at the end of one. A reader skips fields that it does not know and
/// ignores
///   bytes behind those that it knows; what is missing is zero.
/// - A new type is sent only to a peer that has said a capability for it; so is a field that must not be ignored.
/// - The minor says who wrote the frame and changes nothing about reading it.
/// - A reader of another major reads the header alone and answers `refused`, which is the same in every major.
/// - What descriptors are is a list in the message, in the order in which they travel.
#include <cstddef>
#include <cstdint>

#include "common/rundir/control.hpp"

namespace persistproc::rundir {

inline constexpr std::uint32_t frame_magic = 0x50504354;
inline constexpr std::uint16_t frame_major = 2;  // 1: packets of a fixed size, which nobody understands any more
inline constexpr std::uint16_t frame_minor = 0;
inline constexpr std::size_t most_frame_bytes = 4096;
inline constexpr std::size_t most_descriptors = 16;

struct FrameHeader {
    std::uint32_t magic = frame_magic;
    std::uint16_t major = frame_major, minor = frame_minor;
    std::uint16_t type = 0, reserved = 0;
    std::uint32_t size = 0;
};
static_assert(sizeof(FrameHeader) == 16);

struct DescriptorName {
    DescriptorKind kind{};
    std::uint16_t index = 0;
};
static_assert(sizeof(DescriptorName) == 4);

/// The descriptors that travel with a message, in their order.
struct DescriptorList {
    DescriptorName names[most_descriptors] = {};
    std::size_t count = 0;
    /// Beyond `most_descriptors` nothing is added.
    void add(DescriptorKind kind, std::uint16_t index = 0) noexcept {
        if (count < most_descriptors) names[count++] = {kind, index};
    }
};

/// A frame ready to be sent. No heap, as everything here: the shim uses it.
struct Frame {
    alignas(8) char bytes[most_frame_bytes];
    std::size_t size = 0;
};

/// Writes the members that belong to the message's type, and the list where the type has one.
void encode_frame(const ControlMessage& message, const DescriptorList& descriptors, Frame& out) noexcept;

/// Reads a packet. Returns `none`, `unknown_type`, `unknown_major` or `damaged`. Where the header could be read,
/// `out.type` is the type's number, known or not; the fields are in `out` with `none` and `unknown_type`.
Refusal decode_frame(const void* bytes, std::size_t size, ControlMessage& out, DescriptorList& descriptors) noexcept;

}  // namespace persistproc::rundir
