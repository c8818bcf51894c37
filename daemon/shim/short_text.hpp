#pragma once
#include <cstddef>
#include <cstring>
#include <string_view>

namespace persistproc::shim {

/// A short NUL-terminated text built from parts, without the heap and without printf's 100 KiB. What does not fit any
/// more is left out, part by part.
template <std::size_t room>
class ShortText {
public:
    explicit ShortText(const char* text) noexcept { add(text); }
    ShortText& add(std::string_view text) noexcept {
        if (!text.empty() && size_ + text.size() < room) {
            std::memcpy(text_ + size_, text.data(), text.size());
            size_ += text.size();
            text_[size_] = '\0';
        }
        return *this;
    }
    /// A number that is not negative, in decimal.
    ShortText& add(int number) noexcept {
        char digits[12];
        std::size_t at = sizeof digits;
        digits[--at] = '\0';
        do digits[--at] = static_cast<char>('0' + number % 10);
        while ((number /= 10) > 0);
        return add(std::string_view(digits + at));
    }
    const char* c_str() const noexcept { return text_; }
    std::size_t size() const noexcept { return size_; }

private:
    char text_[room] = {};
    std::size_t size_ = 0;
};

}  // namespace persistproc::shim
