// Completion for shells. `completion SHELL` prints a script that knows nothing; at each TAB it asks the reserved word
// `__complete`, which answers from the table of subcommands, from the daemon and from the project's file. Nothing that
// comes from these two is ever a word of the shell's language in these scripts: it is other people's text.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "cli/client.hpp"
#include "cli/commands/arguments.hpp"
#include "cli/common_flags.hpp"
#include "cli/subcommand.hpp"
#include "common/base/text.hpp"
#include "common/ops/agent_setup.hpp"
#include "common/project/names.hpp"
#include "common/rundir/daemon_paths.hpp"

namespace persistproc::cli::commands {

namespace {

using boost::asio::experimental::awaitable_operators::operator||;
using schema::ValueKind;

/// Nobody waits longer at a TAB than 150 ms, in which this program begins and ends, too, on a busy machine.
constexpr auto daemon_bound = std::chrono::milliseconds(80);

constexpr std::string_view bash_script = R"BASH(# bash completion of persistproc; made by "persistproc completion bash"
_persistproc() {
    # bash cuts words at ":" and "=", too: what stands together in the line is one word.
    local rest=${COMP_LINE:0:COMP_POINT} stripped piece i glued=
    local -a words=() places=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        stripped=${rest#"${rest%%[![:space:]]*}"}
        ((i == COMP_CWORD)) && piece=$stripped
        if ((i > 0)) && [[ -n $rest && $stripped == "$rest" ]]; then
            words[${#words[@]} - 1]+=$piece
            glued=1
        else
            words+=("$piece")
            places+=("$i")
            glued=
        fi
        rest=${stripped#"$piece"}
    done
    local typed=${words[${#words[@]} - 1]} quote=
    COMPREPLY=()
    # It cuts behind one that a word begins with, too.
    [[ $typed == [:=] && $COMP_WORDBREAKS == *"$typed"* ]] && glued=1
    # What is offered behind an open quote stands within it.
    if [[ $typed == [\"\']* ]]; then
        quote=${typed:0:1}
        typed=${typed:1}
    fi
    local -a asked=("${words[@]:1}") answer=()
    for i in "${!asked[@]}"; do
        case ${asked[i]} in
            \'*) asked[i]=${asked[i]:1} asked[i]=${asked[i]%\'} ;;
            \"*) asked[i]=${asked[i]:1} asked[i]=${asked[i]%\"} asked[i]=${asked[i]//\\/} ;;
            *) asked[i]=${asked[i]//\\/} ;;
        esac
    done
    # As it is typed nothing has been expanded.
    local program=${words[0]}
    [[ $program == @(\~|\$HOME)/* ]] && program=$HOME/${program#*/}
    type -P "$program" >/dev/null || program=persistproc
    mapfile -t answer < <("$program" __complete -- "${asked[@]}" 2>/dev/null)
    case ${answer[0]-} in
        directories*) _persistproc_paths -d "${answer[0]#directories}" ;;
        files*) _persistproc_paths -f "${answer[0]#files}" ;;
        "command "*)
            _persistproc_command "${places[1 + ${answer[0]#command }]}"
            ((${#answer[@]} > 1)) || return
            # Beside them words are offered, which are quoted here: then all are.
            compopt +o filenames 2>/dev/null
            for i in "${!COMPREPLY[@]}"; do printf -v "COMPREPLY[i]" %q "${COMPREPLY[i]}"; done
            ;;
    esac
    local value prefix=
    [[ -n $glued ]] && prefix=${typed%"${typed##*[:=]}"}
    for value in "${answer[@]:1}"; do
        value=${value%%$'\t'*}
        case $quote in
            \') value=${value//\'/\'\\\'\'} ;;
            \") value=${value//\\/\\\\} value=${value//\"/\\\"} value=${value//\$/\\\$} value=${value//\`/\\\`} ;;
            *) printf -v value %q "$value" ;;
        esac
        COMPREPLY+=("${value#"$prefix"}")
    done
}
# Paths of kind $1 begin behind the first $2 letters of what is typed.
_persistproc_paths() {
    local path=${typed:$(($2))} flag= prefix=
    [[ -n $glued ]] && prefix=${path%"${path##*[:=]}"}
    # bash puts back no flag that stands in the same word.
    [[ -z $glued ]] && flag=${typed:0:$(($2))}
    mapfile -t COMPREPLY < <(compgen "$1" -- "$path")
    if [[ -n $flag ]]; then
        local i end
        for i in "${!COMPREPLY[@]}"; do
            end=
            [[ -d ${COMPREPLY[i]} ]] && end=/ && compopt -o nospace 2>/dev/null
            printf -v "COMPREPLY[i]" '%s%q%s' "$flag" "${COMPREPLY[i]}" "$end"
        done
        return
    fi
    compopt -o filenames 2>/dev/null
    COMPREPLY=("${COMPREPLY[@]#"${prefix//\\/}"}")
}
# The words from $1 on belong to a command: its own completion decides.
_persistproc_command() {
    if declare -F _command_offset >/dev/null; then
        _command_offset "$1"
        return
    fi
    if ((COMP_CWORD == $1)); then
        mapfile -t COMPREPLY < <(compgen -c -- "${COMP_WORDS[COMP_CWORD]}")
        return
    fi
    local command=${COMP_WORDS[$1]} how i before=
    how=$(complete -p -- "${command##*/}" 2>/dev/null)
    if [[ $how == *" -F "* ]]; then
        how=${how#* -F }
        for ((i = 0; i < $1; i++)); do before+="${COMP_WORDS[i]} "; done
        local COMP_LINE=${COMP_LINE#"$before"} COMP_POINT=$((COMP_POINT - ${#before})) COMP_CWORD=$((COMP_CWORD - $1))
        local -a COMP_WORDS=("${COMP_WORDS[@]:$1}")
        "${how%% *}" "$command" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
    fi
}
complete -F _persistproc persistproc
)BASH";

constexpr std::string_view zsh_script = R"ZSH(#compdef persistproc
# zsh completion of persistproc; made by "persistproc completion zsh"
_persistproc() {
    local -a asked answer values shown
    local line ret=1
    asked=("${(@Q)words[2,CURRENT]}")
    # Behind an open quote.
    [[ -n $QIPREFIX ]] && asked[-1]=${(Q)PREFIX}
    # As it is typed nothing has been expanded.
    local program=$words[1]
    [[ $program == (\~|\$HOME)/* ]] && program=$HOME/${program#*/}
    whence -p -- "$program" >/dev/null || program=persistproc
    answer=("${(@f)$("$program" __complete -- "${asked[@]}" 2>/dev/null)}")
    # A path may begin behind some letters: those of --flag=.
    [[ $answer[1] == (directories|files)\ * ]] && compset -p ${answer[1]#* }
    for line in "${(@)answer[2,-1]}"; do
        values+=("${line%%$'\t'*}")
        shown+=("${line/$'\t'/  -- }")
    done
    (( $#values )) && compadd -l -d shown -a -- values && ret=0
    case $answer[1] in
        directories*) _files -/ && ret=0 ;;
        files*) _files && ret=0 ;;
        command\ *)
            shift ${answer[1]#command } words
            shift words
            (( CURRENT -= ${answer[1]#command } + 1 ))
            _normal && ret=0
            ;;
    esac
    return ret
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _persistproc "$@"
else
    compdef _persistproc persistproc
fi
)ZSH";

constexpr std::string_view fish_script = R"FISH(# fish completion of persistproc; made by "persistproc completion fish"
function __persistproc_complete
    # Without the quote that it may stand behind.
    set -l token (string replace -r '^["\']' '' -- (commandline -ct))
    set -l words (commandline -opc) "$token"
    # As it is typed nothing has been expanded.
    set -l program (string replace -r '^(~|\$HOME)/' "$HOME/" -- $words[1])
    type -q $program; or set program persistproc
    set -l answer ($program __complete -- $words[2..-1] 2>/dev/null)
    # A path may begin behind some letters: those of --flag=.
    set -l skipped (string replace -rf '^(directories|files) ' '' -- $answer[1]; or echo 0)
    set -l before (string sub -l $skipped -- "$token")
    set -l path (string sub -s (math $skipped + 1) -- "$token")
    switch "$answer[1]"
        case 'directories*'
            string join \n -- $before(__fish_complete_directories "$path")
        case 'files*'
            string join \n -- $before(__fish_complete_path "$path")
        case 'command *'
            set -l first (math 2 + (string replace 'command ' '' -- $answer[1]))
            complete -C (string join ' ' -- (string escape -- $words[$first..-1]))
    end
    set -e answer[1]
    string join \n -- $answer
end
complete -c persistproc -f -a '(__persistproc_complete)'
)FISH";

constexpr std::pair<std::string_view, std::string_view> scripts[] = {
    {"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};

struct CompletionArguments {
    std::string_view script;

    template <class Each>
    static constexpr void fields(Each&&) {}
    Result<void> take(std::vector<std::string> words, const Given& given) {
        if (words.size() > 1) return unexpected_word(given.subcommand, words[1]);
        for (const auto& [shell, text] : scripts)
            if (!words.empty() && words[0] == shell) script = text;
        if (!script.empty()) return {};
        return Error{ErrorCode::invalid, "completion: for which shell? bash, zsh or fish"};
    }
};

int print_script(const CommonOptions&, const Console& console, CompletionArguments arguments) {
    console.print(arguments.script);
    return 0;
}

/// One word that can stand there, and what it is.
struct Candidate {
    std::string word;
    std::string about;
};

/// Which processes can be named there: those that a daemon knows, or those of the project's file.
enum class Targets { none, all, ended };
enum class ProjectNames { none, processes, groups_too };

/// What can stand at the end of a line.
struct Answer {
    /// words: the candidates; files or directories, "files 11" where the path begins behind the first 11 letters of the
    /// word; "command 3": the words from there on are another program's. The candidates can stand beside all of these.
    std::string directive = "words";
    std::vector<Candidate> candidates;
    Targets targets = Targets::none;
    ProjectNames project_names = ProjectNames::none;
    std::vector<std::string> named;            // targets, or names, that stand before
    std::map<std::string, std::string> given;  // values of flags, by the flag's long name
    std::string_view typed;                    // so far, of the word that is asked for

    void add(std::string_view word, std::string_view about = {}) {
        candidates.push_back({std::string(word), std::string(about)});
    }
};

void add_kind(Answer& answer, ValueKind kind) {
    switch (kind) {
        case ValueKind::target: answer.targets = Targets::all; break;
        case ValueKind::directory: answer.directive = "directories"; break;
        case ValueKind::file: answer.directive = "files"; break;
        case ValueKind::signal:
            for (const std::string_view name : domain::sendable_signals())
                answer.add(answer.typed.starts_with("SIG") ? name : name.substr(3));
            break;
        case ValueKind::agent:
            for (const ops::Agent& agent : ops::known_agents()) answer.add(agent.name, agent.title);
            answer.add("all", "those that are installed");
            break;
        case ValueKind::shell:
            for (const auto& [shell, text] : scripts) answer.add(shell);
            break;
        default: break;
    }
}

void add_value(Answer& answer, const Flag& flag) {
    for (const std::string_view each : flag.words) {
        std::string word(each);
        if (!flag.has_words_of_answers) std::replace(word.begin(), word.end(), '_', '-');
        answer.add(word);
    }
    add_kind(answer, flag.facts.kind);
}

void add_subcommands(Answer& answer) {
    for (const Subcommand* each : all_subcommands())
        if (!each->typed.summary.empty()) answer.add(each->typed.name, each->typed.summary);
}

struct Flags {
    std::shared_ptr<void> arguments;
    CommonFlags common;
    std::vector<Flag> all;
    std::vector<FlagShape> shapes;  // of each

    explicit Flags(const Subcommand& subcommand)
        : arguments(subcommand.make()), all(subcommand.flags(arguments.get())) {
        add_common_flags(common, all);
        shapes = shapes_of(all);
    }
    /// The flag that `word` begins with; nullptr: none.
    const Flag* find(const std::string& word) const {
        if (word.size() < 2 || word[0] != '-') return nullptr;
        const bool is_long = word[1] == '-';
        const std::string name = is_long ? word.substr(2, word.find('=') - 2) : word.substr(1, 1);
        for (std::size_t i = 0; i < all.size(); ++i) {
            const FlagShape& shape = shapes[i];
            const bool is_own = is_long ? name == shape.long_name : word[1] == shape.short_name;
            if (is_own || (is_long == (name.size() > 1) && shape.is_also(name))) return &all[i];
        }
        return nullptr;
    }
    /// The flag whose value is the whole word behind the dash, as -HUP or -9; nullptr: none.
    const Flag* find_dashed(const std::string& word) const {
        if (word.size() < 2 || word[0] != '-' || word[1] == '-' || find(word) != nullptr) return nullptr;
        const bool is_number = word.find_first_not_of("0123456789", 1) == std::string::npos;
        for (std::size_t i = 0; i < all.size(); ++i)
            if (shapes[i].is_also("%") || (is_number && shapes[i].is_also("#"))) return &all[i];
        return nullptr;
    }
    /// The flag that takes the word after `word` as its value; nullptr: none.
    const Flag* awaiting(const std::string& word) const {
        const Flag* flag = find(word);
        if (flag == nullptr || !flag->takes_value) return nullptr;
        const bool has_value = word[1] == '-' ? word.find('=') != std::string::npos : word.size() > 2;
        return has_value ? nullptr : flag;
    }
};

/// `words`: the line after our own name; the last one is being typed. Pure.
Answer complete(const std::vector<std::string>& words) {
    Answer answer;
    const std::string& typed = words.back();
    answer.typed = typed;
    const Subcommand* subcommand = find_subcommand("run");
    bool is_named = false;
    std::vector<std::string> before;             // words that are no flags, before the one that is typed
    std::vector<std::string_view> given_values;  // names of the values of flags
    const Flag* awaiting = nullptr;
    auto flags = std::make_shared<Flags>(*subcommand);
    bool dashes = false;
    bool defines = false;  // a new process
    bool is_help = false;
    const auto takes_target = [&] {
        return subcommand->typed.words.find("| TARGET") != std::string_view::npos && !dashes && !defines;
    };
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        const std::string& word = words[i];
        if (awaiting != nullptr) {
            answer.given[awaiting->name] = word;
            awaiting = nullptr;
        } else if (!dashes && word == "--") {
            dashes = true;
        } else if (!dashes && word.size() > 1 && word[0] == '-') {
            awaiting = flags->awaiting(word);
            const Flag* flag = flags->find(word);
            if (flag == nullptr) flag = flags->find_dashed(word);
            if (flag != nullptr) given_values.push_back(flag->facts.value_name);
            if (flag != nullptr && flag->takes_value && awaiting == nullptr)
                answer.given[flag->name] = word.substr(word[1] == '-' ? word.find('=') + 1 : 2);
            defines = defines || (flag != nullptr && is_defining_flag(flag->name));
        } else if (i == 0 && word == "help") {
            is_help = true;
        } else if (const Subcommand* found = is_named || dashes ? nullptr : find_subcommand(word)) {
            subcommand = found;
            is_named = true;
            flags = std::make_shared<Flags>(*found);
        } else if (!is_help) {
            // The first word of a command: it and all after it are the command's.
            if (subcommand->place() == FlagPlace::before_words) {
                answer.directive = fmt::format("command {}", i);
                if (takes_target()) answer.targets = Targets::ended;
                answer.named.assign(words.begin() + static_cast<std::ptrdiff_t>(i), words.end() - 1);
                return answer;
            }
            before.push_back(word);
        }
    }
    if (awaiting != nullptr) {
        add_value(answer, *awaiting);
        return answer;
    }
    if (!dashes && typed.starts_with('-')) {
        // A value in the same word: --cwd=/tmp, -C/tmp.
        const bool is_long = typed.starts_with("--");
        const std::size_t begin = is_long ? typed.find('=') + 1 : 2;
        const bool has_value = begin > 0 && typed.size() >= begin + (is_long ? 0 : 1);
        const Flag* assigned = has_value ? flags->awaiting(typed.substr(0, is_long ? begin - 1 : begin)) : nullptr;
        if (assigned != nullptr) {
            answer.typed.remove_prefix(begin);
            add_value(answer, *assigned);
            if (answer.directive != "words") answer.directive += fmt::format(" {}", begin);
            for (Candidate& each : answer.candidates) each.word.insert(0, typed, 0, begin);
            return answer;
        }
        for (const Flag& flag : flags->all) answer.add("--" + flag.name, flag.facts.sentence());
        return answer;
    }
    if (is_help) {
        if (!is_named) add_subcommands(answer);
        return answer;
    }
    if (!is_named && !dashes) {
        add_subcommands(answer);
        answer.add("help", "what there is, and how a subcommand is used");
        const bool is_one = std::any_of(answer.candidates.begin(), answer.candidates.end(),
                                        [&](const Candidate& each) { return each.word.starts_with(typed); });
        if (!is_one) answer.directive = fmt::format("command {}", words.size() - 1);
        return answer;
    }
    const ops::Typed& how = subcommand->typed;
    if (how.words_kind == ValueKind::command) {
        answer.directive = fmt::format("command {}", words.size() - 1);
        if (takes_target()) answer.targets = Targets::ended;
        return answer;
    }
    const bool takes_many = how.words.find("…") != std::string_view::npos;
    // Its first word may have been given as a flag.
    const bool is_first_given = std::find(given_values.begin(), given_values.end(),
                                          how.words.substr(0, how.words.find(' '))) != given_values.end();
    const bool signal_first = how.words.starts_with("SIGNAL") && !is_first_given;
    if (signal_first && before.empty()) {
        add_kind(answer, ValueKind::signal);
        return answer;
    }
    const bool is_signal_there = signal_first && domain::parse_signal(before.front());
    if (is_signal_there) before.erase(before.begin());
    // It may as well stand last.
    if (signal_first && !is_signal_there) {
        if (domain::parse_signal(before.back())) return answer;
        add_kind(answer, ValueKind::signal);
    }
    if (before.empty() || takes_many) {
        add_kind(answer, how.words_kind);
        if (how.words.starts_with("[NAME | GROUP]")) answer.project_names = ProjectNames::groups_too;
        if (how.words.starts_with("PROCESS ")) answer.project_names = ProjectNames::processes;
        if (answer.project_names != ProjectNames::none) answer.named = before;
    }
    if (answer.targets != Targets::all) return answer;
    // It stands for itself.
    if (std::find(before.begin(), before.end(), "all") != before.end()) answer.targets = Targets::none;
    if (before.empty() && how.words.find("| all") != std::string_view::npos) answer.add("all", "every process");
    answer.named = std::move(before);
    return answer;
}

std::string show(const Answer& answer, const std::string& typed) {
    std::string out = answer.directive + "\n";
    for (const Candidate& each : answer.candidates) {
        const bool is_line = base::is_utf8(each.word) && !base::has_control_or_bidi(each.word);
        if (!is_line || !each.word.starts_with(typed)) continue;
        out +=
            each.about.empty() ? each.word + "\n" : fmt::format("{}\t{}\n", each.word, base::escape_line(each.about));
    }
    return out;
}

/// Nothing: no daemon has answered.
Task<std::optional<std::vector<ProcessView>>> list_all(boost::asio::any_io_executor executor,
                                                       std::filesystem::path data) {
    std::optional<std::vector<ProcessView>> out;
    auto client = co_await DaemonClient::connect(executor, data);
    if (!client) co_return out;
    auto views = co_await (*client)->list_all();
    if (views) out = std::move(*views);
    co_return out;
}

void add_targets(Answer& answer, const std::vector<ProcessView>& views) {
    // A command of which one word is no process takes none as another.
    std::set<const ProcessView*> named;
    for (const std::string& word : answer.named) {
        const auto view = std::find_if(views.begin(), views.end(), [&word](const ProcessView& each) {
            return word == each.id || word == each.label;
        });
        const ProcessView* const found = view != views.end() ? &*view : find_in_project_here(views, word);
        if (found == nullptr && answer.targets == Targets::ended) return;
        named.insert(found);
    }
    for (const ProcessView& view : views) {
        if (named.contains(&view)) continue;
        const bool can_start = !domain::is_live(view);
        // Short, where the project is that of this directory.
        const bool is_here = view.project && find_in_project_here(views, view.project->process) == &view;
        if (answer.targets == Targets::ended && (!can_start || view.state == ProcessState::unsupported)) continue;
        const std::string what =
            fmt::format("{}, {} in {}", view.state.word(), domain::command_line(view.command), view.working_directory);
        if (is_here && view.label != view.project->process) answer.add(view.project->process, what);
        // A default label says no more than command and directory do.
        if (view.label != domain::default_label(view.command, view.working_directory)) answer.add(view.label, what);
        answer.add(view.id, what);
    }
}

void add_project_names(Answer& answer) {
    std::error_code failed;
    const std::filesystem::path here = std::filesystem::current_path(failed);
    if (failed) return;
    const auto given = [&answer](const char* flag) -> std::optional<std::string> {
        const auto found = answer.given.find(flag);
        return found == answer.given.end() ? std::nullopt : std::optional(found->second);
    };
    const char* const home = std::getenv("HOME");
    const std::string directory = (here / given("working-directory").value_or("")).native();
    for (const auto& each : project::find_names(directory, given("file"), home != nullptr ? home : "/")) {
        if (each.is_group && answer.project_names != ProjectNames::groups_too) continue;
        const auto& named = answer.named;
        const bool is_named = std::any_of(named.begin(), named.end(), [&each](const std::string& word) {
            return word == each.name || (!each.script.empty() && word == each.script);
        });
        if (is_named) continue;
        answer.add(each.name, each.is_group ? "a group" : each.about);
        if (!each.script.empty() && !each.name.starts_with(answer.typed)) answer.add(each.script, each.about);
    }
}

/// As the line that is being typed has it.
std::filesystem::path data_directory_of(const std::vector<std::string>& words, const CommonOptions& common) {
    constexpr std::string_view flag = "--data-dir";
    std::string given;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
        if (words[i] == flag && i + 2 < words.size()) given = words[i + 1];
        if (words[i].starts_with("--data-dir=")) given = words[i].substr(flag.size() + 1);
    }
    const auto directory = rundir::resolve_data_directory(given);
    return !given.empty() && directory ? *directory : std::filesystem::path(common.data_directory);
}

struct CompleteArguments {
    std::vector<std::string> words;

    template <class Each>
    static constexpr void fields(Each&&) {}
    Result<void> take(std::vector<std::string> given, const Given&) {
        words = std::move(given);
        return {};
    }
};

Task<int> answer_shell(Context context, CompleteArguments arguments) {
    if (arguments.words.empty()) co_return 0;
    Answer answer = complete(arguments.words);
    if (answer.targets != Targets::none) {
        async::SystemClock clock;
        const std::filesystem::path data = data_directory_of(arguments.words, context.common);
        const MonoTime until = clock.now() + daemon_bound;
        auto asked = list_all(context.executor, data);
        auto limit = clock.sleep_until(until);
        auto first = co_await (std::move(asked) || std::move(limit));
        const bool is_answered = first.index() == 0 && std::get<0>(first).has_value();
        if (is_answered) add_targets(answer, *std::get<0>(first));
        if (!is_answered) answer.project_names = ProjectNames::processes;
    }
    if (answer.project_names != ProjectNames::none) add_project_names(answer);
    context.console.print(show(answer, arguments.words.back()));
    co_return 0;
}

}  // namespace

extern const Subcommand completion_subcommand = without_settings(make_subcommand<print_script>(
    {.name = "completion",
     .words = "SHELL",
     .summary = "print the completion of bash, zsh or fish",
     .text =
         "Prints a script for the shell that completes subcommands, flags, the labels and ids of processes, and the "
         "names in a project's file.",
     .examples = {"persistproc completion bash > ~/.local/share/bash-completion/completions/persistproc",
                  "persistproc completion zsh > ~/.zfunc/_persistproc",
                  "persistproc completion fish > ~/.config/fish/completions/persistproc.fish"},
     .words_kind = ValueKind::shell}));

/// Reserved: what the scripts ask. Not shown anywhere.
extern const Subcommand complete_subcommand = without_settings(make_subcommand<answer_shell>({.name = "__complete"}));

}  // namespace persistproc::cli::commands
