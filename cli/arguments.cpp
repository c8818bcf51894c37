#include "cli/arguments.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/words.hpp"
#include "common/base/text.hpp"

namespace persistproc::cli {

namespace {

/// As it is given, with its dashes.
Error unknown_flag(std::string_view given, const std::vector<FlagShape>& known, std::string_view subcommand) {
    if (const std::string instead = instead_of_flag(subcommand, given); !instead.empty())
        return Error{ErrorCode::invalid, fmt::format("unknown flag {}: {}", base::excerpt(given), instead)};
    std::vector<std::string> names;
    for (const auto& flag : known) names.push_back("--" + flag.long_name);
    const std::string near = given.starts_with("--") ? base::nearest_word(given, names) : std::string();
    return Error{ErrorCode::invalid,
                 fmt::format("unknown flag {}{}", base::excerpt(given),
                             near.empty() ? namesake_hint(subcommand) : fmt::format("; did you mean {}?", near))};
}

/// Works through one command line.
class Splitter {
public:
    Splitter(const std::vector<std::string>& arguments, const std::vector<FlagShape>& known,
             std::string_view subcommand)
        : arguments_(arguments), known_(known), subcommand_(subcommand) {}

    Result<SplitArguments> split(FlagPlace place) {
        while (next_ < arguments_.size()) {
            const auto begin = arguments_.begin() + static_cast<std::ptrdiff_t>(next_);
            const std::string& word = arguments_[next_++];
            if (word == "--") {
                out_.dashes = true;
                break;
            }
            // A single dash is a word by long custom.
            if (word.size() < 2 || word[0] != '-') {
                out_.words.push_back(word);
                if (place == FlagPlace::before_words) break;
                continue;
            }
            auto done = word[1] == '-' ? take_long(word) : take_short(word);
            if (!done) return done.error();
            out_.typed.insert(out_.typed.end(), begin, arguments_.begin() + static_cast<std::ptrdiff_t>(next_));
        }
        out_.words.insert(out_.words.end(), arguments_.begin() + static_cast<std::ptrdiff_t>(next_), arguments_.end());
        return std::move(out_);
    }

private:
    Result<void> take_long(const std::string& word) {
        const std::size_t equals = word.find('=');
        const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
        const auto flag = std::find_if(known_.begin(), known_.end(), [&](const FlagShape& each) {
            return each.long_name == name || (name.size() > 1 && each.is_also(name));
        });
        if (name.empty() || flag == known_.end()) return unknown_flag(word.substr(0, equals), known_, subcommand_);
        const std::string other = name == flag->long_name ? std::string() : name;
        if (equals != std::string::npos) {
            if (!flag->takes_value) return Error{ErrorCode::invalid, fmt::format("--{} takes no value", name)};
            out_.flags.push_back({flag->long_name, word.substr(equals + 1), other});
            return {};
        }
        return take_value(*flag, "--" + name, other);
    }

    const FlagShape* find_short(char letter) const {
        for (const FlagShape& each : known_)
            if (each.short_name == letter || each.is_also(std::string_view(&letter, 1))) return &each;
        return nullptr;
    }

    /// The flag whose value is the whole word behind the dash.
    const FlagShape* find_dashed(const std::string& word) const {
        const bool is_number = word.find_first_not_of("0123456789", 1) == std::string::npos;
        const bool is_group = find_short(word[1]) != nullptr;
        for (const FlagShape& each : known_)
            if ((is_number && each.is_also("#")) || (!is_group && each.is_also("%"))) return &each;
        return nullptr;
    }

    Result<void> take_short(const std::string& word) {
        if (const FlagShape* const whole = find_dashed(word)) {
            out_.flags.push_back({whole->long_name, word.substr(1), {}});
            return {};
        }
        for (std::size_t i = 1; i < word.size(); ++i) {
            const FlagShape* const flag = find_short(word[i]);
            if (flag == nullptr) return unknown_letter(word, word[i]);
            const std::string other = word[i] == flag->short_name ? std::string() : std::string(1, word[i]);
            if (flag->takes_value && i + 1 < word.size()) {
                out_.flags.push_back({flag->long_name, word.substr(i + 1), other});
                return {};
            }
            if (auto done = take_value(*flag, std::string("-") + word[i], other); !done) return done;
        }
        return {};
    }

    /// Of several behind one dash the one is named that is not known, where another tool's is meant by it.
    Error unknown_letter(const std::string& word, char letter) const {
        const std::string instead = instead_of_flag(subcommand_, std::string("-") + letter);
        if (word.size() == 2 || instead.empty() || !instead_of_flag(subcommand_, word).empty())
            return unknown_flag(word, known_, subcommand_);
        return {ErrorCode::invalid, fmt::format("unknown flag -{} in {}: {}", letter, base::excerpt(word), instead)};
    }

    Result<void> take_value(const FlagShape& flag, const std::string& as_given, const std::string& other) {
        if (!flag.takes_value) {
            out_.flags.push_back({flag.long_name, "", other});
            return {};
        }
        if (next_ == arguments_.size()) return Error{ErrorCode::invalid, fmt::format("{} needs a value", as_given)};
        out_.flags.push_back({flag.long_name, arguments_[next_++], other});
        return {};
    }

    const std::vector<std::string>& arguments_;
    const std::vector<FlagShape>& known_;
    std::string_view subcommand_;
    std::size_t next_ = 0;
    SplitArguments out_;
};

}  // namespace

bool FlagShape::is_also(std::string_view name) const {
    for (std::string_view rest = also; !rest.empty();) {
        const std::size_t blank = rest.find(' ');
        if (name == rest.substr(0, blank)) return true;
        rest.remove_prefix(blank == std::string_view::npos ? rest.size() : blank + 1);
    }
    return false;
}

Result<SplitArguments> split_arguments(const std::vector<std::string>& arguments, const std::vector<FlagShape>& known,
                                       FlagPlace place, std::string_view subcommand) {
    return Splitter(arguments, known, subcommand).split(place);
}

std::optional<TypedFlag> find_flag_at(const std::vector<std::string>& words, std::size_t at,
                                      const std::vector<FlagShape>& known) {
    constexpr std::size_t most_words = 2;  // of a flag with its value
    for (std::size_t n = 1; n <= most_words && at + n <= words.size(); ++n) {
        const auto begin = words.begin() + static_cast<std::ptrdiff_t>(at);
        const std::vector<std::string> some(begin, begin + static_cast<std::ptrdiff_t>(n));
        auto split = split_arguments(some, known, FlagPlace::before_words);
        if (!split || split->flags.size() != 1 || !split->words.empty()) continue;
        auto& [name, value, other] = split->flags.front();
        std::string text = n == 1 ? "" : some.front() + " ";
        const std::string& last = some.back();
        if (name == "env")
            text += last.substr(0, last.size() - value.size()) + value.substr(0, value.find('=') + 1) + "…";
        else
            text += base::hide_values(last) == last ? base::shell_quote(last) : base::hide_values(last);
        return TypedFlag{std::move(name), std::move(value), base::escape_line(text), n};
    }
    return std::nullopt;
}

SortedWords sort_out(const std::vector<std::string>& words, const std::vector<FlagShape>& known) {
    SortedWords out;
    std::size_t i = 0;
    while (i < words.size() && words[i] != "--") {
        if (auto flag = find_flag_at(words, i, known)) {
            i += flag->words;
            out.flags.push_back(std::move(*flag));
        } else {
            out.rest.push_back(words[i++]);
        }
    }
    out.rest.insert(out.rest.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
    return out;
}

}  // namespace persistproc::cli
