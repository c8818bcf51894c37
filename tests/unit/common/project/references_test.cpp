#include "common/project/references.hpp"

#include "tests/support/catch.hpp"

namespace persistproc::project {

namespace {

ReferenceValues known() {
    ReferenceValues out;
    out.project_name = "shop";
    out.project_root = "/shop";
    out.ports = {
        {"db", {{"", 5432}}}, {"api", {{"http", 3000}, {"admin", 3001}}}, {"api.v2", {{"", 4000}}}, {"worker", {}}};
    out.variable = [](const std::string& name) -> std::optional<std::string> {
        if (name == "HOME") return "/home/me";
        if (name == "EMPTY") return "";
        return std::nullopt;
    };
    return out;
}

}  // namespace

TEST_CASE("given a reference, when a text is read, then its value stands there") {
    const std::pair<const char*, const char*> rows[] = {
        {"-p ${db.port}", "-p 5432"},
        {"${api.port.admin}/${api.port.http}", "3001/3000"},
        {"${api.v2.port}", "4000"},
        {"${db.url}/x", "http://localhost:5432/x"},
        {"${project.name} ${project.root}", "shop /shop"},
        {"${env.HOME}/x", "/home/me/x"},
        {"${env.NONE:-a b}${env.EMPTY:-c}${env.NONE:-}", "a bc"},
        {"$${db.port}", "${db.port}"},
    };
    for (const auto& [text, value] : rows) {
        CAPTURE(text);
        CHECK(replace_references(text, known(), Values::allowed).value() == value);
    }
}

TEST_CASE("given what a shell, awk, docker or JSON writes, when a text is read, then it stays byte for byte") {
    for (const char* text : {"$PORT ${PORT} ${PORT:-3000} ${a%.txt} ${#x} ${x/a.b/c}", "awk '{print $1}' {a}",
                             "docker --format '{{.Name}}'", "{\"a\": {\"b.c\": 1}}", "$(date +%s)", "$$ $", "${",
                             "${a.b", "${.a}", "${a.b%c}", "\xff\xfe"}) {
        CAPTURE(text);
        CHECK(replace_references(text, known(), Values::refused).value() == text);
    }
}

TEST_CASE("given a reference to nothing, when a text is read, then it is refused by name") {
    const std::pair<const char*, const char*> rows[] = {
        {"${bd.port}", "${bd.port}: no process \"bd\"; nearest: db; for the shell's own, write $${…}"},
        {"${db.prot}", "${db.prot}: of a process there are port, port.NAME and url"},
        {"${api.port}", "${api.port}: api has several ports; name one: port.NAME"},
        {"${api.url}", "${api.url}: api has several ports; name one: port.NAME"},
        {"${api.port.x}", "${api.port.x}: api has no port of that name"},
        {"${db.port.x}", "${db.port.x}: db has no port of that name"},
        {"${worker.port}", "${worker.port}: worker has no port"},
        {"${env.NONE}", "${env.NONE}: not set; ${env.NONE:-…} says what stands for it then"},
        {"${project.path}",
         "${project.path}: no process \"project\"; nearest: project; for the shell's own, write $${…}"},
        {"-p ${db.port", "${db.port: \"}\" is missing behind it; for the shell's own, write $${…"},
        {"-p ${api.port.http -D x", "${api.port.http: \"}\" is missing behind it; for the shell's own, write $${…"},
        {"${env.HOME/x", "${env.HOME: \"}\" is missing behind it; for the shell's own, write $${…"},
        {"${project.root", "${project.root: \"}\" is missing behind it; for the shell's own, write $${…"},
    };
    for (const auto& [text, told] : rows) {
        CAPTURE(text);
        const auto replaced = replace_references(text, known(), Values::allowed);
        REQUIRE(!replaced);
        CHECK(replaced.error().message == told);
    }
}

TEST_CASE("given a variable in what is listed, when a text is read, then it is refused, its default too") {
    const auto replaced = replace_references("curl ${env.TOKEN:-s3cret}", known(), Values::refused);
    REQUIRE(!replaced);
    CHECK(replaced.error().message ==
          "${env.TOKEN}: values of variables are shown nowhere, and this is; in a command $TOKEN is the shell's");
}

}  // namespace persistproc::project
