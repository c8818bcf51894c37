#include "common/rundir/frame.hpp"

#include <cstring>

namespace persistproc::rundir {
namespace {

enum Field : std::uint16_t {
    field_epoch = 1,
    field_request = 2,
    field_nonce = 3,
    field_capabilities = 4,
    field_state = 5,  // RunState, as in the file `state`
    field_signal = 6,
    field_grace = 7,
    field_force = 8,
    field_end = 9,
    field_error = 10,
    field_refusal = 11,
    field_descriptors = 12,
};
constexpr std::uint16_t newest_field = field_descriptors;

struct FieldHeader {
    std::uint16_t number = 0, length = 0;
};

struct RefusalField {
    std::uint16_t type = 0, why = 0;
};

constexpr unsigned bit(Field field) noexcept { return 1u << field; }
constexpr unsigned always = bit(field_epoch) | bit(field_request);

/// What a message of that type consists of; 0: no type of this version.
constexpr unsigned fields_of(MessageType type) noexcept {
    constexpr unsigned from_daemon = always | bit(field_nonce);
    constexpr unsigned greeting = bit(field_capabilities);
    switch (type) {
        case MessageType::hello: return from_daemon | greeting;
        case MessageType::commit: return from_daemon | greeting | bit(field_descriptors);
        case MessageType::stop: return from_daemon | bit(field_signal) | bit(field_grace) | bit(field_force);
        case MessageType::signal: return from_daemon | bit(field_signal);
        case MessageType::flush: return from_daemon;
        case MessageType::ended: return from_daemon | bit(field_end);
        case MessageType::ready:
        case MessageType::state: return always | greeting | bit(field_state) | bit(field_descriptors);
        case MessageType::tree_empty: return always | bit(field_state);
        case MessageType::done: return always | bit(field_error);
        case MessageType::refused: return always | bit(field_error) | bit(field_refusal);
    }
    return 0;
}

constexpr std::size_t padded(std::size_t length) noexcept { return (length + 3) / 4 * 4; }

class FieldWriter {
public:
    FieldWriter(Frame& frame, unsigned wanted) noexcept : frame_(frame), wanted_(wanted) {}

    void put(Field field, const void* value, std::size_t length) noexcept {
        if ((wanted_ & bit(field)) == 0) return;
        const FieldHeader header{field, static_cast<std::uint16_t>(length)};
        std::memcpy(frame_.bytes + frame_.size, &header, sizeof header);
        std::memcpy(frame_.bytes + frame_.size + sizeof header, value, length);
        std::memset(frame_.bytes + frame_.size + sizeof header + length, 0, padded(length) - length);
        frame_.size += sizeof header + padded(length);
    }
    template <class Value>
    void put(Field field, const Value& value) noexcept {
        put(field, &value, sizeof value);
    }

private:
    Frame& frame_;
    unsigned wanted_;
};

/// The bytes of a field as a value that is as large as this version knows it.
template <class Value>
void take(Value& into, const char* bytes, std::size_t length) noexcept {
    std::memcpy(static_cast<void*>(&into), bytes, length < sizeof into ? length : sizeof into);
}

void read_field(std::uint16_t number, const char* bytes, std::size_t length, ControlMessage& out,
                DescriptorList& descriptors) noexcept {
    switch (number) {
        case field_epoch: return take(out.epoch, bytes, length);
        case field_request: return take(out.request, bytes, length);
        case field_nonce: return take(out.nonce, bytes, length);
        case field_capabilities: return take(out.capabilities, bytes, length);
        case field_state: return take(out.state, bytes, length);
        case field_signal: return take(out.signal, bytes, length);
        case field_grace: return take(out.grace_ms, bytes, length);
        case field_end: return take(out.end, bytes, length);
        case field_error: return take(out.error, bytes, length);
        case field_force: {
            std::uint32_t force = 0;
            take(force, bytes, length);
            out.force = force != 0;
            return;
        }
        case field_refusal: {
            RefusalField refusal;
            take(refusal, bytes, length);
            out.refused_type = refusal.type;
            out.refusal = static_cast<Refusal>(refusal.why);
            return;
        }
        case field_descriptors:
            for (std::size_t at = 0; at + sizeof(DescriptorName) <= length; at += sizeof(DescriptorName)) {
                DescriptorName name;
                std::memcpy(&name, bytes + at, sizeof name);
                descriptors.add(name.kind, name.index);
            }
            return;
        default: return;
    }
}

}  // namespace

const char* refusal_name(Refusal refusal) noexcept {
    switch (refusal) {
        case Refusal::none: return "no reason given";
        case Refusal::unknown_type: return "unknown message";
        case Refusal::unknown_major: return "unknown version";
        case Refusal::damaged: return "damaged message";
        case Refusal::descriptors_missing: return "descriptors missing";
        case Refusal::foreign_user: return "another user";
        case Refusal::foreign_run: return "another run";
        case Refusal::old_epoch: return "a later daemon has spoken";
        case Refusal::not_greeted: return "no greeting";
        case Refusal::wrong_time: return "not in this phase";
        case Refusal::failed: return "failed";
    }
    return "unknown reason";
}

void encode_frame(const ControlMessage& message, const DescriptorList& descriptors, Frame& out) noexcept {
    static_assert(sizeof(FrameHeader) + newest_field * sizeof(FieldHeader) + sizeof(ControlMessage) +
                      sizeof(DescriptorList) <
                  most_frame_bytes);
    out.size = sizeof(FrameHeader);
    FieldWriter fields(out, fields_of(message.type));
    fields.put(field_epoch, message.epoch);
    fields.put(field_request, message.request);
    fields.put(field_nonce, message.nonce);
    fields.put(field_capabilities, message.capabilities);
    fields.put(field_state, message.state);
    fields.put(field_signal, message.signal);
    fields.put(field_grace, message.grace_ms);
    fields.put(field_force, std::uint32_t{message.force});
    fields.put(field_end, message.end);
    fields.put(field_error, message.error);
    fields.put(field_refusal, RefusalField{message.refused_type, static_cast<std::uint16_t>(message.refusal)});
    if (descriptors.count > 0)
        fields.put(field_descriptors, descriptors.names, descriptors.count * sizeof(DescriptorName));
    FrameHeader header;
    header.type = static_cast<std::uint16_t>(message.type);
    header.size = static_cast<std::uint32_t>(out.size);
    std::memcpy(out.bytes, &header, sizeof header);
}

Refusal decode_frame(const void* bytes, std::size_t size, ControlMessage& out, DescriptorList& descriptors) noexcept {
    out = ControlMessage{};
    descriptors.count = 0;
    const auto* const frame = static_cast<const char*>(bytes);
    FrameHeader header;
    if (size < sizeof header || size > most_frame_bytes) return Refusal::damaged;
    std::memcpy(&header, frame, sizeof header);
    if (header.magic != frame_magic) return Refusal::damaged;
    out.type = static_cast<MessageType>(header.type);
    if (header.major != frame_major && out.type != MessageType::refused) return Refusal::unknown_major;
    if (header.size != size) return Refusal::damaged;

    std::uint64_t seen = 0;
    for (std::size_t at = sizeof header; at < size;) {
        FieldHeader field;
        if (size - at < sizeof field) return Refusal::damaged;
        std::memcpy(&field, frame + at, sizeof field);
        at += sizeof field;
        if (size - at < padded(field.length)) return Refusal::damaged;
        if (field.number <= newest_field) {
            // Told twice, it would be up to the reader which of them is true.
            if ((seen & std::uint64_t{1} << field.number) != 0) return Refusal::damaged;
            seen |= std::uint64_t{1} << field.number;
            read_field(field.number, frame + at, field.length, out, descriptors);
        }
        at += padded(field.length);
    }
    return fields_of(out.type) == 0 ? Refusal::unknown_type : Refusal::none;
}

}  // namespace persistproc::rundir
