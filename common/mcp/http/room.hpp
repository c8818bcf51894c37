#pragma once
/// The memory that a connection keeps between requests. A usual request and answer find their room again; a large one
/// is the exception, and its room is given back.
#include <cstddef>
#include <string>

namespace persistproc::mcp::http {

inline constexpr std::size_t kept_room_bytes = 2u << 10;  // of each buffer

inline void clear_text(std::string& text) {
    // To assign an empty text would leave the room where it is.
    if (text.capacity() > kept_room_bytes)
        std::string().swap(text);
    else
        text.clear();
}

/// What `text` holds beyond the room that every connection may keep, bytes.
inline std::size_t held_room(const std::string& text) noexcept {
    return text.capacity() > kept_room_bytes ? text.capacity() : 0;
}

}  // namespace persistproc::mcp::http
