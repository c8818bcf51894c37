#include "common/terminal/tokens.hpp"

#include <algorithm>
#include <cstring>

namespace persistproc::terminal {

namespace {

constexpr unsigned char esc = 0x1b, bel = 0x07, can = 0x18, sub = 0x1a, del = 0x7f;

bool is_final(unsigned char byte) noexcept { return byte >= 0x40 && byte < del; }
bool is_parameter_or_intermediate(unsigned char byte) noexcept { return byte >= 0x20 && byte < 0x40; }

/// The size of the control sequence at the front of `bytes`, which stands there whole; 0: it may not.
std::size_t whole_csi(std::string_view bytes) noexcept {
    if (bytes.size() < 3 || bytes[1] != '[') return 0;
    std::size_t end = 2;
    while (end < bytes.size() && is_parameter_or_intermediate(static_cast<unsigned char>(bytes[end]))) ++end;
    if (end == bytes.size() || !is_final(static_cast<unsigned char>(bytes[end]))) return 0;
    return end - 1 <= Tokenizer::longest_bytes ? end + 1 : 0;
}

}  // namespace

void Tokenizer::begin(State state) noexcept {
    state_ = state;
    size_ = 0;
    is_too_long_ = false;
}

void Tokenizer::hold(unsigned char byte) noexcept {
    if (size_ < held_.size())
        held_[size_++] = static_cast<char>(byte);
    else
        is_too_long_ = true;
}

Token Tokenizer::end(Token::Kind kind) noexcept {
    state_ = State::ground;
    return {kind, {held_.data(), size_}};
}

void Tokenizer::skip_text(std::string_view& bytes) const noexcept {
    if (state_ != State::ground) return;
    const char *at = bytes.data(), *const end = at + bytes.size();
    while (at != end) {
        const void* found = std::memchr(at, esc, static_cast<std::size_t>(end - at));
        at = found == nullptr ? end : static_cast<const char*>(found);
        if (end - at < 3 || at[1] != '[') break;
        const char* final = at + 2;
        while (final != end && *final >= '0' && *final <= ';') ++final;
        if (final == end || *final != 'm') break;
        at = final + 1;
    }
    bytes.remove_prefix(static_cast<std::size_t>(at - bytes.data()));
}

Token Tokenizer::next(std::string_view& bytes) noexcept {
    while (!bytes.empty()) {
        if (state_ == State::ground) {
            if (static_cast<unsigned char>(bytes.front()) != esc) {
                const void* found = std::memchr(bytes.data(), esc, bytes.size());
                const std::size_t size = found == nullptr
                                             ? bytes.size()
                                             : static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
                const std::string_view text = bytes.substr(0, size);
                bytes.remove_prefix(size);
                return {Token::Kind::text, text};
            }
            // Most sequences are colours that stand in one piece.
            if (const std::size_t size = whole_csi(bytes); size > 0) {
                const std::string_view text = bytes.substr(2, size - 2);
                bytes.remove_prefix(size);
                return {Token::Kind::csi, text};
            }
            begin(State::escape);
            bytes.remove_prefix(1);
            continue;
        }
        const auto byte = static_cast<unsigned char>(bytes.front());
        // A control within a sequence acts at once, as if it stood in front of it.
        if (byte < 0x20 && byte != esc && byte != can && byte != sub &&
            (state_ == State::escape || state_ == State::csi)) {
            const std::string_view control = bytes.substr(0, 1);
            bytes.remove_prefix(1);
            return {Token::Kind::text, control};
        }
        Token token;
        if (step(byte, token)) bytes.remove_prefix(1);
        if (token.kind != Token::Kind::none) return token;
    }
    return {};
}

/// Whether `byte` belongs to the sequence; else it is looked at again.
bool Tokenizer::step(unsigned char byte, Token& token) noexcept {
    if (byte == can || byte == sub) {
        state_ = State::ground;
        return true;
    }
    if (state_ != State::escape && state_ != State::csi) return step_string(byte, token);
    if (byte == esc) {
        begin(State::escape);
        return true;
    }
    if (byte == del) return true;
    if (byte > del) {  // text, which ends what was no sequence
        state_ = State::ground;
        return false;
    }
    if (state_ == State::csi) {
        hold(byte);
        if (is_final(byte)) {
            const Token found = end(Token::Kind::csi);
            if (!is_too_long_) token = found;
        }
        return true;
    }
    if (size_ == 0 && byte == '[') {
        begin(State::csi);
    } else if (size_ == 0 && byte == ']') {
        begin(State::osc);
    } else if (size_ == 0 && byte == 'P') {
        begin(State::dcs);
    } else if (size_ == 0 && (byte == 'X' || byte == '^' || byte == '_')) {
        begin(State::dropped);
    } else {
        hold(byte);
        if (byte >= 0x30) token = end(Token::Kind::escape);
    }
    return true;
}

bool Tokenizer::step_string(unsigned char byte, Token& token) noexcept {
    if (state_ == State::string_end) {
        if (byte != '\\') {  // another sequence, which cancels the string
            begin(State::escape);
            return false;
        }
        if (string_ == State::dropped)
            state_ = State::ground;
        else
            token = end(string_ == State::osc ? Token::Kind::osc : Token::Kind::dcs);
        return true;
    }
    if (byte == esc) {
        string_ = state_;
        state_ = State::string_end;
    } else if (byte == bel && state_ == State::osc) {
        token = end(Token::Kind::osc);
    } else if (byte >= 0x20 && byte != del && state_ != State::dropped) {
        hold(byte);
    }
    return true;
}

std::uint16_t Csi::at(std::size_t place, std::uint16_t otherwise) const noexcept {
    return place < count && values[place] != missing && values[place] != 0 ? values[place] : otherwise;
}

bool parse_csi(std::string_view bytes, Csi& into) noexcept {
    into = {};
    if (bytes.empty()) return false;
    into.final = bytes.back();
    bytes.remove_suffix(1);
    if (!bytes.empty() && bytes.front() >= '<' && bytes.front() <= '?') {
        into.leader = bytes.front();
        bytes.remove_prefix(1);
    }
    if (!bytes.empty() && bytes.back() >= ' ' && bytes.back() <= '/') {
        into.intermediate = bytes.back();
        bytes.remove_suffix(1);
    }
    if (bytes.empty()) return true;
    std::uint32_t value = Csi::missing;
    const auto store = [&into](std::uint32_t number) {
        if (into.count < Csi::most_values) into.values[into.count++] = static_cast<std::uint16_t>(number);
    };
    for (const char c : bytes) {
        if (c >= '0' && c <= '9') {
            if (value == Csi::missing) value = 0;
            value = std::min<std::uint32_t>(value * 10 + static_cast<std::uint32_t>(c - '0'), Csi::largest);
        } else if (c == ';' || c == ':') {
            store(value);
            if (c == ':' && into.count < Csi::most_values) into.subs |= 1u << into.count;
            value = Csi::missing;
        } else {
            return false;
        }
    }
    store(value);
    return true;
}

}  // namespace persistproc::terminal
