#include "common/mcp/subscriptions.hpp"

#include <vector>

#include "tests/support/catch.hpp"

namespace subscriptions_test {

using namespace persistproc;
using namespace persistproc::mcp;

namespace {

struct Fixture {
    Subscriptions all;
    std::vector<std::string> interest;
    std::vector<std::string> heard;

    Fixture() {
        all.on_interest = [this](const std::string& uri, bool wanted) {
            interest.push_back((wanted ? '+' : '-') + uri);
        };
    }
    Subscriptions::Id add(std::string name, Subscriptions::Wants wants) {
        return all.add(std::move(wants), [this, name](std::string_view method, std::string_view members) {
            heard.push_back(name + ' ' + std::string(method.substr(14)) + ' ' + std::string(members));
        });
    }
    std::vector<std::string> take(std::vector<std::string>& list) { return std::exchange(list, {}); }
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("interest is told once: of the first subscriber of a URI, and when the last has left") {
    Fixture f;
    const auto a = f.add("a", {.uris = {"x", "y"}});
    CHECK(f.take(f.interest) == Lines{"+x", "+y"});
    const auto b = f.add("b", {.uris = {"x"}});
    const auto c = f.add("c", {});
    f.all.want(c, "x");
    f.all.want(c, "x");
    f.all.want(99, "z");
    CHECK(f.interest.empty());
    CHECK(f.all.uris(a) == 2);
    CHECK(f.all.uris(c) == 1);
    CHECK(f.all.uris(99) == 0);
    f.all.unwant(c, "x");
    f.all.unwant(c, "x");
    f.all.remove(a);
    f.all.remove(a);
    CHECK(f.take(f.interest) == Lines{"-y"});
    f.all.unwant(b, "x");
    CHECK(f.take(f.interest) == Lines{"-x"});
    f.all.want(b, "x");
    f.all.remove(b);
    CHECK(f.take(f.interest) == Lines{"+x", "-x"});
    CHECK(f.all.size() == 1);
}

TEST_CASE("everybody hears what they want, in the order they came") {
    Fixture f;
    f.add("tools", {.tools = true});
    f.add("prompts", {.prompts = true});
    f.add("resources", {.resources = true, .uris = {"u"}});
    f.add("all", {.tools = true, .prompts = true, .resources = true});
    f.all.tools_changed();
    CHECK(f.take(f.heard) == Lines{"tools tools/list_changed ", "all tools/list_changed "});
    f.all.prompts_changed();
    CHECK(f.take(f.heard) == Lines{"prompts prompts/list_changed ", "all prompts/list_changed "});
    f.all.resources_changed();
    CHECK(f.take(f.heard) == Lines{"resources resources/list_changed ", "all resources/list_changed "});
    f.all.updated("u");
    CHECK(f.take(f.heard) == Lines{R"(resources resources/updated "uri":"u")"});
    f.all.updated("v\"");
    CHECK(f.heard.empty());
}

TEST_CASE("who is told may end subscriptions, its own and others") {
    Fixture f;
    Subscriptions::Id second = 0;
    const auto first = f.all.add({.tools = true}, [&](auto, auto) {
        f.heard.push_back("first");
        f.all.remove(second);
        f.all.remove(1);
        f.add("late", {.tools = true});
    });
    second = f.add("second", {.tools = true});
    CHECK(first == 1);
    f.all.tools_changed();
    CHECK(f.take(f.heard) == Lines{"first"});
    f.all.tools_changed();
    CHECK(f.take(f.heard) == Lines{"late tools/list_changed "});
}

}  // namespace subscriptions_test
