#include "cli/agents/toml_edit.hpp"

#include "tests/support/catch.hpp"

namespace toml_edit_test {

using namespace persistproc;
using namespace persistproc::cli::agents;

namespace {

const std::string url = "http://127.0.0.1:8947/mcp";

ops::AgentEntry http_entry() {
    ops::AgentEntry entry;
    entry.name = "persistproc";
    entry.url = url;
    return entry;
}

ops::AgentEntry stdio_entry() {
    ops::AgentEntry entry;
    entry.name = "persistproc";
    entry.command = {"persistproc", "mcp"};
    return entry;
}

const ops::Agent& codex() { return *ops::find_agent("codex"); }

EditedText edited(std::string_view text, const ops::AgentEntry& entry = http_entry()) {
    auto result = set_entry(text, codex(), entry);
    if (!result) throw std::runtime_error(result.error().message);
    return *result;
}

std::string refusal(std::string_view text, const ops::AgentEntry& entry = http_entry()) {
    auto result = set_entry(text, codex(), entry);
    return result ? "understood" : result.error().message;
}

struct Row {
    std::string before, after;
};

const std::string table = "[mcp_servers.persistproc]\nurl = \"" + url + "\"\n";

}  // namespace

TEST_CASE("an entry comes to the end of a TOML file, which stays as it is") {
    const std::vector<Row> rows = {
        {"", table},
        {"\xef\xbb\xbf", "\xef\xbb\xbf" + table},
        {"\n", "\n" + table},
        {"model = \"x\"", "model = \"x\"\n\n" + table},
        {"model = \"x\"\n", "model = \"x\"\n\n" + table},
        {"model = \"x\"\n\n", "model = \"x\"\n\n" + table},
        {"# a comment", "# a comment\n\n" + table},
        {"[mcp_servers.other]\ncommand = \"a\"\n", "[mcp_servers.other]\ncommand = \"a\"\n\n" + table},
        // What looks like our table is none.
        {"a = \"\"\"\n[mcp_servers.persistproc]\n\"\"\"\nb = '''\n[mcp_servers.persistproc]'''\n# "
         "[mcp_servers.persistproc]\n",
         "a = \"\"\"\n[mcp_servers.persistproc]\n\"\"\"\nb = '''\n[mcp_servers.persistproc]'''\n"
         "# [mcp_servers.persistproc]\n\n" +
             table},
        {"[x.mcp_servers.persistproc]\nurl = \"y\"\n", "[x.mcp_servers.persistproc]\nurl = \"y\"\n\n" + table},
        {"[\"mcp_servers.persistproc\"]\nurl = 1\n", "[\"mcp_servers.persistproc\"]\nurl = 1\n\n" + table},
        // A sub-table of the user's without its table.
        {"[mcp_servers.persistproc.http_headers]\nX = \"1\"\n",
         table + "\n[mcp_servers.persistproc.http_headers]\nX = \"1\"\n"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.before);
        const EditedText result = edited(row.before);
        CHECK(result.text == row.after);
        CHECK(result.change == Change::added);
        const EditedText again = edited(result.text);
        CHECK(again.text == result.text);
        CHECK(again.change == Change::none);
    }
    CHECK(edited("a = 1\r\n").text == "a = 1\r\n\r\n[mcp_servers.persistproc]\r\nurl = \"" + url + "\"\r\n");
    CHECK(edited("", stdio_entry()).text == "[mcp_servers.persistproc]\ncommand = \"persistproc\"\nargs = [\"mcp\"]\n");
}

TEST_CASE("a table that is there is corrected, and what is not ours in it stays") {
    const std::vector<Row> rows = {
        {"[mcp_servers.persistproc]\nurl = \"old\" # note\n",
         "[mcp_servers.persistproc]\nurl = \"" + url + "\" # note\n"},
        {"[mcp_servers.persistproc]", "[mcp_servers.persistproc]\nurl = \"" + url + "\""},
        {"[ mcp_servers . \"persistproc\" ] # c\n\n[other]\n",
         "[ mcp_servers . \"persistproc\" ] # c\nurl = \"" + url + "\"\n\n[other]\n"},
        {"[mcp_servers.persistproc]\n  enabled = true\n  startup_timeout_sec = 10\n\n# about the next\n[other]\nx = 1",
         "[mcp_servers.persistproc]\n  enabled = true\n  startup_timeout_sec = 10\n  url = \"" + url +
             "\"\n\n# about the next\n[other]\nx = 1"},
        // From a command to a URL.
        {"[mcp_servers.persistproc]\ncommand = \"persistproc\"\nargs = [\n  \"mcp\", # it\n]\nenabled = false\n[z]\n",
         "[mcp_servers.persistproc]\nenabled = false\nurl = \"" + url + "\"\n[z]\n"},
        {"[mcp_servers.persistproc]\nurl = 'old'\n[mcp_servers.persistproc.http_headers]\nX = \"1\"\n",
         "[mcp_servers.persistproc]\nurl = \"" + url + "\"\n[mcp_servers.persistproc.http_headers]\nX = \"1\"\n"},
        {"# \xc3\xa9\n[mcp_servers.persistproc]\n\"u\xc3\xa9\" = \"\xe2\x82\xac\" # \xc3\xa9\nurl = \"\xc3\xa9\" # "
         "\xc3\xa9\n",
         "# \xc3\xa9\n[mcp_servers.persistproc]\n\"u\xc3\xa9\" = \"\xe2\x82\xac\" # \xc3\xa9\nurl = \"" + url +
             "\" # \xc3\xa9\n"},
        // Numbers that equal nothing, times, and tables below ours.
        {"n = nan\nd = 1979-05-27 07:32:00Z\n[mcp_servers.persistproc]\nenv_x.y = [1, {a = 2}]\nurl = 1\n",
         "n = nan\nd = 1979-05-27 07:32:00Z\n[mcp_servers.persistproc]\nenv_x.y = [1, {a = 2}]\nurl = \"" + url +
             "\"\n"},
        {"[mcp_servers.persistproc]\nx.y = [\n1,\n]\n[mcp_servers.persistproc.t]\nz = 1\n",
         "[mcp_servers.persistproc]\nx.y = [\n1,\n]\nurl = \"" + url + "\"\n[mcp_servers.persistproc.t]\nz = 1\n"},
        {"[mcp_servers.persistproc]\nurl = 5\nenv = {}\n", "[mcp_servers.persistproc]\nurl = \"" + url + "\"\n"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.before);
        const EditedText result = edited(row.before);
        CHECK(result.text == row.after);
        CHECK(result.change == Change::updated);
        CHECK(edited(result.text).change == Change::none);
    }
    CHECK(
        edited("[mcp_servers.persistproc]\nurl = \"x\"\n\n[mcp_servers.persistproc.env]\nA = \"b\"\n", stdio_entry())
            .text ==
        "[mcp_servers.persistproc]\ncommand = \"persistproc\"\nargs = [\"mcp\"]\n\n[mcp_servers.persistproc.env]\nA = "
        "\"b\"\n");
}

TEST_CASE("an entry is taken out of a TOML file again, in whatever form, and nothing else") {
    const std::vector<Row> rows = {
        {"", ""},
        {"model = 'x'\n", "model = 'x'\n"},
        {"[mcp_servers.other]\nurl = 'x'\n", "[mcp_servers.other]\nurl = 'x'\n"},
        {table, ""},
        {"# mine\nmodel = 'x'\n\n" + table + "# b's\n[profiles.b]\nmodel = 'y'\n",
         "# mine\nmodel = 'x'\n\n# b's\n[profiles.b]\nmodel = 'y'\n"},
        {"a = 1\n\n" + table + "\n[b]\nc = 2\n", "a = 1\n\n[b]\nc = 2\n"},
        // Tables of the entry stand where their author put them.
        {table + "args = [\n  'x', # one\n]\n\n[mcp_servers.a]\nurl = 'x'\n\n[mcp_servers.persistproc.tools.b]\nc = 1 "
                 "# c\n",
         "\n[mcp_servers.a]\nurl = 'x'\n"},
        {"[mcp_servers.persistproc.env]\r\nA = 'b'\r\n\r\n[c]\r\n", "\r\n[c]\r\n"},
        {"[[mcp_servers.persistproc.x]]\na = 1\n[[mcp_servers.persistproc.x]]\na = 2\n[b]\n", "[b]\n"},
        {"[mcp_servers]\npersistproc = { url = 'x' } # old\na = { url = 'y' }\n", "[mcp_servers]\na = { url = 'y' }\n"},
        {"[mcp_servers]\npersistproc.command = 'x'\na.url = 'y'\npersistproc.args = ['m']\n",
         "[mcp_servers]\na.url = 'y'\n"},
        {"mcp_servers.persistproc.url = 'x'\nb = 1", "b = 1"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.before);
        const auto removed = remove_entry(row.before, codex(), "persistproc");
        REQUIRE(removed);
        CHECK(removed->text == row.after);
        CHECK(removed->change == (row.before == row.after ? Change::none : Change::removed));
    }
    for (const std::string before : {"", "model = 'x'\n", "[mcp_servers.a]\nurl = 'x'\n"})
        CHECK(remove_entry(edited(before, stdio_entry()).text, codex(), "persistproc")->text == before);
    for (const std::string bad : {"a = ", "mcp_servers = { persistproc = { url = 'x' } }\n"}) {
        CAPTURE(bad);
        const auto refused = remove_entry(bad, codex(), "persistproc");
        REQUIRE(!refused);
        CHECK(refused.error().message.starts_with("line 1, column "));
    }
}

TEST_CASE("what is right is not written again, in any form TOML has for it") {
    for (const std::string& text : std::vector<std::string>{
             "[mcp_servers.persistproc]\nurl = '" + url + "'\n",
             "[mcp_servers.persistproc]\n\"url\" = \"\"\"" + url + "\"\"\"\n",
             "[mcp_servers.persistproc]\nurl = \"\\u0068ttp://127.0.0.1:8947/mcp\"\n",
             "mcp_servers = { persistproc = { url = \"" + url + "\" } }\n",
             "[mcp_servers]\npersistproc = { url = \"" + url + "\" }\n",
             "mcp_servers.persistproc.url = \"" + url + "\"\n",
         }) {
        CAPTURE(text);
        const EditedText result = edited(text);
        CHECK(result.change == Change::none);
        CHECK(result.text == text);
    }
}

TEST_CASE("a TOML file that is not understood is refused with the position") {
    const std::vector<Row> rows = {
        // The parser's words.
        {"[mcp_servers.persistproc", "line 1, column 25: Error while parsing table header: "},
        {"a = 1 b = 2\n", "line 1, column 7: Error while parsing key-value pair: "},
        {"a\n", "line 1, column 2: Error while parsing key-value pair: "},
        {"a = \n", "line 1, column 5: Error while parsing key-value pair: "},
        {"a = yes\n", "line 1, column 5: Error while parsing value: "},
        {"a = \"x\n", "line 1, column 7: Error while parsing string: "},
        {"a = \"\"\"x\n", "line 1, column 10: Error while parsing string: "},
        {"a = [1, 2\nb = 3\n", "line 2, column 1: Error while parsing array: "},
        {"a = \"\\q\"\n", "line 1, column 7: Error while parsing string: "},
        {"= 1\n", "line 1, column 1: "},
        {"a = 1\nb = \"\xff\"\n", "line 2, column "},
        {"[mcp_servers.persistproc]\n[mcp_servers.persistproc]\n", "line 2, column 1: "},
        {"[mcp_servers.persistproc]\nurl = 1\nurl = 2\n", "line 3, column "},
        // Ours.
        {"mcp_servers = { a = { url = \"x\" } }\n", "line 1, column 1: mcp_servers is written as a value on one line"},
        {"mcp_servers = 1\n", "line 1, column 1: mcp_servers is written as a value on one line"},
        {"[mcp_servers]\npersistproc = { url = \"x\" }\n",
         "line 2, column 1: mcp_servers.persistproc is written as a value on one line"},
        {"[mcp_servers]\npersistproc.url = \"x\"\n",
         "line 2, column 1: mcp_servers.persistproc is written with dotted keys"},
        {"[[mcp_servers]]\n", "line 1, column 1: mcp_servers is a list of tables"},
        {"[[mcp_servers.persistproc]]\n", "line 1, column 1: mcp_servers.persistproc is a list of tables"},
        {"[mcp_servers.persistproc]\nurl.x = 1\n", "line 2, column 1: url is a table"},
        {"[mcp_servers.persistproc]\n[mcp_servers.persistproc.url]\nx = 1\n", "line 2, column 1: url is a table"},
        {"[mcp_servers.persistproc.url]\nx = 1\n", "line 1, column 1: url is a table"},
        {"[mcp_servers.persistproc]\n[[mcp_servers.persistproc.url]]\nx = 1\n", "line 2, column 1: url is a table"},
        {"[mcp_servers.persistproc]\nenv = { TOKEN = \"s3cret\" }\n",
         "line 2, column 1: \"env\" of the entry \"persistproc\" is for a command alone; remove it, or leave out "
         "--http"},
        {"[mcp_servers.persistproc]\ncommand = \"x\"\n[mcp_servers.persistproc.env]\nTOKEN = \"s3cret\"\n",
         "line 3, column 1: \"env\" of the entry \"persistproc\" is for a command alone; remove it, or leave out "
         "--http"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.before);
        const std::string said = refusal(row.before);
        CAPTURE(said);
        CHECK(said.starts_with(row.after));
        CHECK(said.find('\n') == std::string::npos);
    }
    for (const char* deep : {"[", "{a=", "a."}) {
        std::string text = *deep == 'a' ? "" : "a = ";
        for (int i = 0; i < 40'000; ++i) text += deep;
        CHECK(refusal("b = 1\n" + text).starts_with("line 2: more than 64 tables or lists within each other"));
    }
    CHECK(refusal(std::string(2u << 20, '#')) == "more than 1 MiB, which no settings need");
}

TEST_CASE("no cut of a TOML file leads to a loss: it is refused, or all of it is kept") {
    const std::string whole =
        "\xef\xbb\xbf# settings\nmodel = 'x' # c\nn = [1, 2.5,\n  # in\n  \"]\",\n]\nwhen = 1979-05-27 07:32:00Z\n"
        "t = \"\"\"a\\\n  b\"\"\"\"\n[a.\"b c\"]\nd = { e = { f = true } }\n[[g]]\n[mcp_servers.other]\nurl = \"y\"\n"
        "[mcp_servers.persistproc]\nurl = \"old\"\nenabled = true\n[mcp_servers.persistproc.http_headers]\nX = \"1\"\n";
    int added = 0;
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        const std::string cut = whole.substr(0, size);
        CAPTURE(size);
        auto result = set_entry(cut, codex(), http_entry());
        if (!result) continue;
        if (result->change == Change::added) {
            ++added;
            CHECK(result->text.starts_with(cut));
        } else if (cut.find("\"old\"") != std::string::npos) {
            std::string expected = cut;
            expected.replace(expected.find("\"old\""), 5, "\"" + url + "\"");
            CHECK(result->text == expected);
        } else {
            CHECK(result->text.starts_with(cut));
        }
    }
    CHECK(added > 20);
}

TEST_CASE("entries are found in every form") {
    const auto found = find_toml_entries(
        "[mcp_servers]\na.url = \"1\"\nb = { command = \"c\", args = [\"d\"], env = {} "
        "}\n[mcp_servers.e]\nenabled = "
        "false\n[mcp_servers.e.env]\nX = \"1\"\n[other]\nurl = \"2\"\n",
        {"mcp_servers"});
    REQUIRE(found);
    REQUIRE(found->size() == 3);
    CHECK((*found)[0].name == "a");
    CHECK((*found)[0].text("url") == "1");
    CHECK((*found)[1].text("command") == "c");
    CHECK((*found)[1].find("env")->is_empty);
    CHECK(std::get<std::vector<std::string>>((*found)[1].find("args")->value) == std::vector<std::string>{"d"});
    CHECK(std::get<bool>((*found)[2].find("enabled")->value) == false);
    CHECK_FALSE((*found)[2].find("env")->is_empty);
    CHECK((*found)[2].position == "line 4, column 1");
}

TEST_CASE("the token stands among the fields that a TOML entry sends") {
    ops::AgentEntry entry = http_entry();
    entry.token = "abc";
    const std::string with_token = table + "http_headers = {\"Authorization\" = \"Bearer abc\"}\n";
    CHECK(edited("", entry).text == with_token);
    CHECK(edited(table, entry).text == with_token);
    CHECK(edited(with_token, entry).change == Change::none);
    CHECK(edited(table + "http_headers = { A = \"b\", Authorization = \"old\" }\n", entry).text ==
          table + "http_headers = {\"A\" = \"b\", \"Authorization\" = \"Bearer abc\"}\n");
    const std::string apart = table + "[mcp_servers.persistproc.http_headers]\n";
    CHECK(refusal(apart + "A = \"b\"\n", entry).find("http_headers is a table") != std::string::npos);
    CHECK(edited(apart + "Authorization = \"Bearer abc\"\n", entry).change == Change::none);
    CHECK(edited(with_token, stdio_entry()).text.find("http_headers") == std::string::npos);
}

}  // namespace toml_edit_test
