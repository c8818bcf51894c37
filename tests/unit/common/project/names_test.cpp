#include "common/project/names.hpp"

#include "tests/support/directory_tree.hpp"

namespace names_test {

using namespace persistproc;
using namespace project;
using tests::DirectoryTree;

namespace {

std::string names_in(const DirectoryTree& tree, const std::string& directory,
                     const std::optional<std::string>& file = std::nullopt) {
    std::string out;
    for (const auto& each : find_names(tree.path(directory), file, tree.path())) {
        out += (out.empty() ? "" : ", ") + each.name;
        if (each.is_group) out += " (group)";
        if (!each.script.empty()) out += " (" + each.script + ")";
        if (!each.about.empty()) out += ": " + each.about;
    }
    return out;
}

}  // namespace

TEST_CASE("given a project, when its names are asked for, then they are those of all of its files") {
    const DirectoryTree tree;
    tree.make_repository("shop");
    tree.write("shop/persistproc.toml",
               "include = ['more.toml']\n[groups]\nback = ['db']\n[process.db]\nrun = 'postgres -p ${db.port}'\n"
               "port = 'auto'\n[process.web]\nrun = ['node', 'web.js']\ndescription = 'the front end'\n");
    tree.write("shop/more.toml", "[process.worker]\nrun = 'x'\n");
    tree.write("shop/persistproc.local.toml", "[process.mine]\nrun = 'y'\n[process.db]\nremove = true\n");
    tree.write("shop/src/x", "");
    CHECK(names_in(tree, "shop/src") == "web: the front end, mine: y, back (group), worker: x");
    CHECK(names_in(tree, "shop", "more.toml") == "worker: x");
    CHECK(names_in(tree, "shop", "none.toml").empty());
    CHECK(names_in(tree, "none").empty());
}

TEST_CASE("given a file with a mistake, when its names are asked for, then what can be named is") {
    const DirectoryTree tree;
    tree.write("shop/persistproc.toml",
               "env_file = 'gone'\n[process.a]\nrun = '${b.port}'\nready_if = 1\n[process.all]\nrun = 'x'\n"
               "[process]\nb = 1\n");
    CHECK(names_in(tree, "shop") == "a: ${b.port}");
    tree.write("shop/persistproc.toml", "[process.a]\nrun = \n");
    CHECK(names_in(tree, "shop").empty());
}

TEST_CASE("given files of other tools, when names are asked for, then they are those that can be typed") {
    const DirectoryTree tree;
    tree.write("web/package.json", R"({"scripts": {"dev": "vite", "dev:api": "node api", "all": "x"}})");
    CHECK(names_in(tree, "web") == "dev: npm run dev, dev-api (dev:api): npm run dev:api");
    tree.write("web/Procfile", "api: node api.js\n");
    CHECK(names_in(tree, "web") == "api: node api.js");
    tree.write("compose/process-compose.yaml", "processes:\n  my db:\n    command: postgres\n    namespace: back\n");
    CHECK(names_in(tree, "compose") == "my-db: bash -c postgres, back (group)");
}

TEST_CASE("given a file that everybody may write, when names are asked for, then it is not read") {
    const DirectoryTree tree;
    tree.write("shop/persistproc.toml", "[process.a]\nrun = 'x'\n");
    CHECK(names_in(tree, "shop") == "a: x");
    std::filesystem::permissions(tree.path("shop/persistproc.toml"), std::filesystem::perms::all);
    CHECK(names_in(tree, "shop").empty());
}

}  // namespace names_test
