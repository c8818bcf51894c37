#include "cli/arguments.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"

namespace persistproc::cli {

namespace {

Error unknown_flag(std::string_view given, const std::vector<FlagShape>& known) {
    std::vector<std::string> names;
    for (const auto& flag : known) names.push_back("--" + flag.long_name);
    const std::string near = nearest_word(given, names);
    return Error{ErrorCode::invalid,
                 fmt::format("unknown flag {}{}", base::excerpt(given),
                             near.empty() ? std::string() : fmt::format("; did you mean {}?", near))};
}

/// Works through one command line.
class Splitter {
public:
    Splitter(const std::vector<std::string>& arguments, const std::vector<FlagShape>& known)
        : arguments_(arguments), known_(known) {}

    Result<SplitArguments> split(FlagPlace place) {
        while (next_ < arguments_.size()) {
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
        }
        out_.words.insert(out_.words.end(), arguments_.begin() + static_cast<std::ptrdiff_t>(next_), arguments_.end());
        return std::move(out_);
    }

private:
    Result<void> take_long(const std::string& word) {
        const std::size_t equals = word.find('=');
        const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
        const auto flag =
            std::find_if(known_.begin(), known_.end(), [&](const FlagShape& each) { return each.long_name == name; });
        if (name.empty() || flag == known_.end()) return unknown_flag(word.substr(0, equals), known_);
        if (equals != std::string::npos) {
            if (!flag->takes_value) return Error{ErrorCode::invalid, fmt::format("--{} takes no value", name)};
            out_.flags.emplace_back(name, word.substr(equals + 1));
            return {};
        }
        return take_value(*flag, "--" + name);
    }

    Result<void> take_short(const std::string& word) {
        for (std::size_t i = 1; i < word.size(); ++i) {
            const auto flag = std::find_if(known_.begin(), known_.end(),
                                           [&](const FlagShape& each) { return each.short_name == word[i]; });
            if (flag == known_.end()) return unknown_flag(word, known_);
            if (flag->takes_value && i + 1 < word.size()) {
                out_.flags.emplace_back(flag->long_name, word.substr(i + 1));
                return {};
            }
            if (auto done = take_value(*flag, std::string("-") + word[i]); !done) return done;
        }
        return {};
    }

    Result<void> take_value(const FlagShape& flag, const std::string& as_given) {
        if (!flag.takes_value) {
            out_.flags.emplace_back(flag.long_name, "");
            return {};
        }
        if (next_ == arguments_.size()) return Error{ErrorCode::invalid, fmt::format("{} needs a value", as_given)};
        out_.flags.emplace_back(flag.long_name, arguments_[next_++]);
        return {};
    }

    const std::vector<std::string>& arguments_;
    const std::vector<FlagShape>& known_;
    std::size_t next_ = 0;
    SplitArguments out_;
};

}  // namespace

Result<SplitArguments> split_arguments(const std::vector<std::string>& arguments, const std::vector<FlagShape>& known,
                                       FlagPlace place) {
    return Splitter(arguments, known).split(place);
}

std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates) {
    std::string best;
    // A third of the letters wrong is still a typing error; more is another word.
    std::size_t best_distance = std::max<std::size_t>(1, word.size() / 3) + 1;
    for (const auto& each : candidates) {
        const std::size_t distance = base::edit_distance(word, each);
        if (distance < best_distance) {
            best_distance = distance;
            best = each;
        }
    }
    return best;
}

}  // namespace persistproc::cli
