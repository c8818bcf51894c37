#include "common/domain/process.hpp"

#include <csignal>

#include "common/base/text.hpp"
#include "tests/support/catch.hpp"

namespace process_test {

using namespace persistproc;
using Words = std::vector<std::string>;

TEST_CASE("a cause tells its values, and none that cannot be") {
    using domain::cause_text;
    Cause newer{.count = 3, .seconds = 1.5, .text = "disk"};
    newer.code = schema::Open<CauseCode>::from_word("over_quota");
    newer.unknown.members.emplace_back("share", "\"40%\"");
    CHECK(cause_text(newer) == "over_quota (count 3, seconds 1.5, text disk, share \"40%\")");
    CHECK(cause_text(Cause{.code = schema::Open<CauseCode>::from_word("bored")}) == "bored");
    for (const auto code : {CauseCode::killed_by_other, CauseCode::left_running, CauseCode::leftovers_ended,
                            CauseCode::shim_replaced, CauseCode::output_lost}) {
        const std::string told = cause_text(Cause{.code = code, .count = -1, .bytes = -1});
        INFO(told);
        CHECK(told.find("-1") == std::string::npos);
    }
    // A program may be in another one, of which nobody here is told.
    CHECK(cause_text(Cause{.code = CauseCode::killed_by_other, .count = 0})
              .ends_with("; the kernel killed nothing in its keeper's cgroup for want of memory meanwhile"));
    CHECK(cause_text(Cause{.code = CauseCode::quick_failures, .count = 3, .seconds = 0.5}) ==
          "3 runs in a row were shorter than 500ms");
}

TEST_CASE("ids have one form each") {
    CHECK(domain::find_process_id("p12")->number == 12);
    for (const char* text : {"", "p", "p0", "p01", "p-1", "P1", "p1 ", "p1.1", "12", "p4294967296"}) {
        INFO(text);
        CHECK(!domain::find_process_id(text));
    }
    CHECK(domain::find_process_id(to_string(ProcessId{domain::last_number}))->number == domain::last_number);
    CHECK(!domain::find_process_id(to_string(ProcessId{domain::last_number + 1})));
    CHECK(domain::find_run_number("p3.2", {3}) == 2u);
    CHECK(domain::find_run_number("2", {3}) == 2u);
    CHECK(!domain::find_run_number("p4.2", {3}));
    CHECK(!domain::find_run_number("p3.0", {3}));
    CHECK(to_string(RunId{{3}, 2}) == "p3.2");
}

TEST_CASE("a command line is split as a shell would, without one") {
    const auto split = [](std::string_view line) { return domain::split_command(line).value(); };
    CHECK(split("npm run dev") == Words{"npm", "run", "dev"});
    CHECK(split("  a\t b\n") == Words{"a", "b"});
    CHECK(split("a 'b c' \"d \\\" e\" f\\ g") == Words{"a", "b c", "d \" e", "f g"});
    CHECK(split("a '' \"\"") == Words{"a", "", ""});
    CHECK(split("a'b'\"c\"d") == Words{"abcd"});
    CHECK(split("echo 'a|b' x=1 ü") == Words{"echo", "a|b", "x=1", "ü"});
    for (const char* line : {"", "  ", "a | b", "a && b", "a > f", "a $HOME", "a `b`", "a *.js", "a \"$X\"", "a 'b",
                             "a \"b", "a \\", "A=1 b", "a # c", "cat ~/x"}) {
        INFO(line);
        const auto words = domain::split_command(line);
        REQUIRE(!words);
        CHECK(words.error().code == ErrorCode::invalid);
        CHECK(words.error().message.starts_with("command: "));
    }
}

TEST_CASE("quoting and splitting undo each other") {
    for (const Words& words : {Words{"a", "b c", "it's", "", "$x", "é", "a\"b", "--port=1"}, Words{"x;y", "\\", "*"}})
        CHECK(domain::split_command(domain::command_line(words)).value() == words);
}

TEST_CASE("a variable's name is a word") {
    for (const char* name : {"A", "_", "a1", "npm_config_x", "a.b-c"}) CHECK(domain::is_variable_name(name));
    for (const char* name : {"", "1A", "A B", "A=B", "-A", ".a", "A%", "é", "A\n"})
        CHECK(!domain::is_variable_name(name));
    CHECK(domain::check_environment({{"A", "\xff \n"}}));
    CHECK(domain::check_environment({{"1A", "secret"}}).error().message ==
          "environment: \"1A\" is not a variable's name, which is letters, digits, \"_\", \".\" and \"-\", the first a "
          "letter or \"_\"");
    CHECK(domain::check_environment({{"A", std::string("x\0y", 3)}}).error().message ==
          "environment: the value of A holds a NUL byte");
}

TEST_CASE("labels are short, plain and no ids") {
    CHECK(domain::check_label("web"));
    CHECK(domain::check_label(std::string(200, 'x')));
    CHECK(domain::check_label("日本"));
    CHECK(domain::check_label("⚙️ build"));
    for (const char* shown :
         {"\u0606", "\u06de", "|\u200a|", "\u2070", "\ufffc", "\U00013440", "\U0001d172", "\U000e1000"})
        CHECK(domain::check_label(shown));
    for (const std::string& label : {std::string(),
                                     std::string(201, 'x'),
                                     std::string("a\nb"),
                                     std::string("a\x1b[31m"),
                                     std::string("a\xe2\x80\xae"
                                                 "b"),
                                     std::string("\xff"),
                                     std::string("p7"),
                                     std::string("-x"),
                                     std::string("all"),
                                     std::string("  "),
                                     std::string("\u00a0\u3000"),
                                     std::string("\u200b"),
                                     std::string("we\u200bb"),
                                     std::string("web\ufe0f"),
                                     std::string("\ufeffweb"),
                                     std::string("web\u206a"),
                                     std::string("web\u2065"),
                                     std::string("web\ufff9"),
                                     std::string("web\U0001d173"),
                                     std::string("web\U0001bca0"),
                                     std::string("p3.1"),
                                     std::string("web\U00013430"),
                                     std::string("web\u0600"),
                                     std::string("web\ufdd0"),
                                     std::string("web\U0010ffff"),
                                     std::string("web\U000e0fff")}) {
        INFO(base::escape_line(label));
        CHECK(!domain::check_label(label));
    }
    CHECK(domain::check_label("we\u200bb").error().message == "label: holds U+200B, which does not show");
    CHECK(domain::check_label("  ").error().message == "label: must hold something that shows");
    for (const char* mark : {"\u0300", "\u20e3", "\u0488"}) {
        CHECK(domain::check_label(mark).error().message == "label: must hold something that shows");
        CHECK(domain::check_label("e" + std::string(mark)));
    }
    for (const char* label : {" a", "a ", "a\u3000", "\u00a0a"}) CHECK(!domain::check_label(label));
    CHECK(domain::check_label("a b"));
    CHECK(domain::default_label({"a"}, "/x ") == "a in /x\\u{0020}");
    CHECK(domain::check_label(domain::default_label({"\u00a0"}, "/" + std::string(200, ' '))));
    const auto label = domain::default_label({std::string(500, 'c'), "d"}, "/some/where");
    CHECK(label.size() <= 200);
    CHECK(domain::check_label(label));
    CHECK(label.ends_with(" in /some/where"));
    // What tells is at its ends.
    domain::Definition dev;
    dev.command = {"sh", "-c", "cd x && " + std::string(300, 'y') + " npm run dev"};
    dev.working_directory = "/some/where";
    const auto long_command = dev.label = domain::default_label(dev.command, dev.working_directory);
    CHECK(long_command.size() <= 200);
    CHECK(long_command.starts_with("sh -c 'cd x && yyy"));
    CHECK(long_command.ends_with("yyy npm run dev' in /some/where"));
    CHECK(domain::name_text("p1", dev).ends_with("dev' in /some/where\""));
    for (std::size_t size = 180; size < 230; ++size) {
        INFO(size);
        std::string joined(size, 'a');
        for (int i = 0; i < 60; ++i) joined += "\u2699\ufe0f";
        CHECK(domain::check_label(domain::default_label({joined}, "/some/where")));
    }
    CHECK(domain::check_label(domain::default_label({"soft\u00adhyphen", "\u200b"}, "/\ufeff")));
    CHECK(domain::check_label(domain::default_label({"a\nb\x1b"}, "/x\n" + std::string(400, 'y'))));
    // A joiner behind what is escaped joins nothing.
    for (const char* before : {"\xe2", "\u200e", "\u0085", "\u00ad"})
        CHECK(domain::check_label(domain::default_label({std::string("a") + before + "\u200d"}, "/")));
    CHECK(domain::default_label({"-x", "1"}, "/") == "./-x 1 in /");
    CHECK(domain::check_label(domain::default_label({std::string(199, 'a') + "é"}, "/" + std::string(300, 'z'))));
}

TEST_CASE("every signal that can end a program is found by its name again") {
    for (int signal = 1; signal <= SIGRTMAX; ++signal) {
        CAPTURE(signal);
        CHECK(domain::find_signal(domain::signal_name(signal)) == signal);
    }
    for (const char* name : {"", "SIG", "TERM", "SIGRTMIN+", "SIGRTMIN+x", "signal -1"})
        CHECK(!domain::find_signal(name));
}

TEST_CASE("signals have names") {
    CHECK(domain::signal_name(SIGTERM) == "SIGTERM");
    CHECK(domain::signal_name(SIGSEGV) == "SIGSEGV");
    CHECK(domain::parse_signal("term").value() == SIGTERM);
    CHECK(domain::parse_signal("SIGHUP").value() == SIGHUP);
    CHECK(domain::parse_signal("9").value() == SIGKILL);
    for (const char* text : {"", "0", "SIGSEGV", "999", "-9", "SIGSIGTERM", "foo"}) {
        INFO(text);
        CHECK(!domain::parse_signal(text));
    }
}

TEST_CASE("a command has its limits") {
    CHECK(domain::check_command({"a"}));
    CHECK(!domain::check_command({}));
    CHECK(!domain::check_command({""}));
    CHECK(!domain::check_command({"a", std::string("b\0c", 3)}));
    CHECK(!domain::check_command(Words(4097, "a")));
    CHECK(!domain::check_command({"a", std::string(1u << 20, 'x')}));
    // One that is a text is not split to the end first.
    std::string many;
    for (int i = 0; i < 5000; ++i) many += "a ";
    const auto split = domain::split_command(many + "'");
    REQUIRE(!split);
    CHECK(split.error().message == "command: at most 4096 words");
}

}  // namespace process_test
