#include "common/schema/codec.hpp"

#include "tests/support/catch.hpp"

using namespace persistproc;
using schema::Audience;
using schema::Json;

namespace {

enum class Colour { red, green, dark_red };

struct Inner {
    int depth = 0;
    template <class Each>
    static constexpr void fields(Each&& each) {
        each(schema::field("depth", &Inner::depth));
    }
};

struct Request {
    std::string name;
    int lines = 100;
    std::optional<double> ratio;
    bool follow = false;
    Colour colour = Colour::green;
    std::vector<std::string> labels;
    std::map<std::string, std::string> variables;
    std::optional<Inner> inner;
    std::optional<std::string> secret;
    std::map<std::string, std::string> hidden;
    std::optional<std::vector<std::string>> hidden_list;

    template <class Each>
    static constexpr void fields(Each&& each) {
        using R = Request;
        using schema::field;
        each(schema::required("name", &R::name, "who"));
        each(field("lines", &R::lines, "how many").range(1, 1000));
        each(field("ratio", &R::ratio).range(0, 1));
        each(field("follow", &R::follow));
        each(field("colour", &R::colour));
        each(field("labels", &R::labels));
        each(field("variables", &R::variables));
        each(field("inner", &R::inner));
        each(field("secret", &R::secret).client_only());
        each(field("hidden", &R::hidden).client_only().secret());
        each(field("hidden_list", &R::hidden_list).client_only().secret());
    }
};

std::string error_of(const char* text, Audience audience = Audience::agent) {
    const auto request = schema::parse<Request>(Json::parse(text), audience);
    return request ? std::string("fine") : request.error().message;
}

}  // namespace

namespace persistproc::schema {
template <>
struct EnumNames<Colour> {
    static constexpr std::pair<Colour, std::string_view> names[] = {
        {Colour::red, "red"}, {Colour::green, "green"}, {Colour::dark_red, "dark_red"}};
};
}  // namespace persistproc::schema

TEST_CASE("arguments are read, and what is not given keeps its default") {
    const auto request = schema::parse<Request>(Json::parse(
        R"({"name":"a","lines":7,"ratio":0.5,"colour":"red","labels":["x","y"],"variables":{"K":"v"},"inner":{"depth":3},"follow":null})"));
    REQUIRE(request);
    CHECK(request->name == "a");
    CHECK(request->lines == 7);
    CHECK(request->ratio == 0.5);
    CHECK(request->colour == Colour::red);
    CHECK(request->labels == std::vector<std::string>{"x", "y"});
    CHECK(request->variables.at("K") == "v");
    CHECK(request->inner->depth == 3);
    CHECK(!request->follow);
    CHECK(!request->secret);
}

TEST_CASE("wrong arguments are named, with what is accepted") {
    CHECK(error_of(R"({})") == "name: required");
    CHECK(error_of(R"({"name":null})") == "name: expected string, got null");
    CHECK(error_of(R"({"name":5})") == "name: expected string, got number 5");
    CHECK(error_of(R"({"name":"a","lines":"5"})") == "lines: expected integer, got string \"5\"");
    CHECK(error_of(R"({"name":"a","lines":5.5})") == "lines: expected integer, got number 5.5");
    CHECK(error_of(R"({"name":"a","lines":0})") == "lines: must be 1 to 1000, got 0");
    CHECK(error_of(R"({"name":"a","lines":99999999999999})") == "lines: expected integer, got number 99999999999999");
    CHECK(error_of(R"({"name":"a","ratio":2})") == "ratio: must be 0 to 1, got 2");
    CHECK(error_of(R"({"name":"a","colour":"blue"})") ==
          "colour: expected one of red, green, dark_red, got string \"blue\"");
    CHECK(error_of(R"({"name":"a","labels":["x",1]})") == "labels[1]: expected string, got number 1");
    CHECK(error_of(R"({"name":"a","variables":{"K":1}})") == "variables.K: expected string, got number 1");
    CHECK(error_of(R"({"name":"a","inner":{"deep":1}})") == "inner.deep: unknown argument (known: depth)");
    CHECK(error_of(R"({"name":"a","line":1})") ==
          "line: unknown argument (known: name, lines, ratio, follow, colour, labels, variables, inner)");
    // What is missing may be there under another name.
    CHECK(error_of(R"({"nmae":"a"})").starts_with("nmae: unknown argument (known: name, "));
    CHECK(error_of(R"({})") == "name: required");
    CHECK(error_of(R"([1])") == "arguments: expected object, got array");
    CHECK(error_of(R"({"name":"a","lines":5.0})") == "fine");
    for (const char* word : {"dark_red", "dark-red"})
        CHECK(schema::parse<Request>(Json{{"name", "a"}, {"colour", word}})->colour == Colour::dark_red);
    CHECK(error_of(R"({"name":"a","colour":"dark+red"})").find("expected one of ") != std::string::npos);
}

TEST_CASE("fields of the client do not exist for agents") {
    CHECK(error_of(R"({"name":"a","secret":"s"})").find("unknown argument") != std::string::npos);
    CHECK(error_of(R"({"name":"a","secret":"s"})", Audience::client) == "fine");
    CHECK(!schema::object_schema<Request>()["properties"].contains("secret"));
    CHECK(schema::object_schema<Request>(Audience::client)["properties"].contains("secret"));
}

TEST_CASE("the schema says what the reader accepts") {
    const Json schema = schema::object_schema<Request>();
    CHECK(schema["type"] == "object");
    CHECK(schema["additionalProperties"] == false);
    CHECK(schema["required"] == Json::array({"name"}));
    CHECK(schema["properties"]["lines"] == Json::parse(R"({"type":"integer","description":"how many","default":100})"));
    CHECK(schema["properties"]["colour"]["enum"] == Json::array({"red", "green", "dark_red"}));
    CHECK(schema["properties"]["labels"]["items"]["type"] == "string");
    CHECK(!schema.contains("$schema"));
}

TEST_CASE("what is written is read back") {
    Request request;
    request.name = "ä";
    request.ratio = 0.25;
    request.labels = {"", "b"};
    request.inner = Inner{9};
    const auto again = schema::parse<Request>(schema::to_arguments(request), Audience::client);
    REQUIRE(again);
    CHECK(schema::to_json(*again) == schema::to_json(request));
}

namespace {

struct Answer {
    schema::Open<Colour> colour = Colour::red;
    std::string owner;
    Inner inner;
    schema::Unknown unknown;
    template <class Each>
    static constexpr void fields(Each&& each) {
        using schema::field;
        each(field("colour", &Answer::colour));
        each(field("owner", &Answer::owner).absent_if_empty());
        schema::inlined(&Answer::inner, each);
    }
};

struct Stored {
    std::string text;
    Colour colour = Colour::red;
    int secret = 0;
    schema::Unknown unknown;
    template <class Each>
    static constexpr void fields(Each&& each) {
        using schema::field;
        each(field("text", &Stored::text));
        each(field("colour", &Stored::colour));
        each(field("secret", &Stored::secret).only(schema::in_documents));
    }
};

}  // namespace

TEST_CASE("an answer of a newer daemon is shown as it is") {
    const Json json = Json::parse(R"({"colour":"blue","owner":null,"depth":3,"more":{"a":[1]}})");
    auto answer = schema::read_answer<Answer>(json);
    REQUIRE(answer);
    CHECK_FALSE(answer->colour.known());
    CHECK(answer->colour.word() == "blue");
    CHECK(answer->colour != Colour::red);
    CHECK(answer->inner.depth == 3);
    CHECK(schema::to_json(*answer) == json);
    answer = schema::read_answer<Answer>(Json::parse(R"({"colour":"green"})"));
    REQUIRE(answer);
    CHECK(answer->colour == Colour::green);
    CHECK(schema::read_answer<Answer>(Json::parse(R"({"colour":7})")).error().code == ErrorCode::corrupt);
}

TEST_CASE("a document keeps bytes, and what a newer version wrote into it") {
    Stored stored;
    stored.text = "a\xff";
    stored.colour = Colour::green;
    stored.secret = 7;
    const std::string text = schema::to_document(stored);
    auto again = schema::read_document<Stored>(text);
    REQUIRE(again);
    CHECK(again->text == stored.text);
    CHECK(again->colour == Colour::green);
    CHECK(again->secret == 7);
    CHECK_FALSE(schema::to_json(stored).contains("secret"));

    const std::string newer = R"({"text":"b","colour":"blue","secret":1,"later":{"x":[1,2]}})";
    again = schema::read_document<Stored>(newer);
    REQUIRE(again);
    CHECK(again->colour == Colour::red);
    CHECK(schema::to_document(*again) == newer);
    const std::string other_type = R"({"text":7,"colour":"green","secret":0})";
    again = schema::read_document<Stored>(other_type);
    REQUIRE(again);
    CHECK(again->text.empty());
    CHECK(schema::to_document(*again) == other_type);
    for (const char* broken : {"", "[]", "{"})
        CHECK(schema::read_document<Stored>(broken).error().code == ErrorCode::corrupt);
}

TEST_CASE("a document that is nested too deeply is damaged, and brackets in a text are none") {
    const auto nested = [](std::size_t depth) {
        return R"({"text":"b","colour":"green","secret":1,"later":)" + std::string(depth, '[') +
               std::string(depth, ']') + "}";
    };
    const std::string fine = nested(200);
    const auto kept = schema::read_document<Stored>(fine);
    REQUIRE(kept);
    CHECK(schema::to_document(*kept) == fine);
    for (const std::size_t depth : {std::size_t{300}, std::size_t{200'000}})
        CHECK(schema::read_document<Stored>(nested(depth)).error().code == ErrorCode::corrupt);
    CHECK(schema::read_document<Stored>(std::string(200'000, '{')).error().code == ErrorCode::corrupt);
    Stored brackets;
    brackets.text = "\"" + std::string(1000, '[') + "\\";
    const auto again = schema::read_document<Stored>(schema::to_document(brackets));
    REQUIRE(again);
    CHECK(again->text == brackets.text);
}

TEST_CASE("many structs are told as columns and read back") {
    std::vector<Request> requests(3);
    requests[0].name = "a";
    requests[1].lines = 7;
    requests[1].labels = {"x", "y"};
    requests[2].ratio = 0.5;
    requests[2].secret = "no answer tells it";
    const Json columns = schema::to_columns(requests);
    CHECK(columns == Json::parse(R"({"name":["a",null,null],"lines":[null,7,null],"ratio":[null,null,0.5],
                                     "labels":[null,["x","y"],null]})"));
    const auto read = schema::read_columns<Request>(columns, "answer");
    REQUIRE(read);
    REQUIRE(read->size() == 3);
    CHECK((*read)[0].name == "a");
    CHECK((*read)[0].lines == 100);
    CHECK((*read)[1].lines == 7);
    CHECK((*read)[1].labels == std::vector<std::string>{"x", "y"});
    CHECK((*read)[2].ratio == 0.5);
    const Json nothing = schema::to_columns(std::vector<Request>());
    CHECK(nothing == Json::object());
    CHECK(schema::read_columns<Request>(nothing, "answer")->empty());

    // Of a newer daemon: a column that is not known.
    const auto newer = schema::read_columns<Request>(Json::parse(R"({"name":["a"],"later":[{}]})"), "answer");
    REQUIRE(newer);
    CHECK(newer->front().name == "a");
    const auto error = [](const char* text) {
        const auto failed = schema::read_columns<Request>(Json::parse(text), "answer");
        return failed ? std::string("fine") : failed.error().message;
    };
    CHECK(error("[]") == "answer: expected object, got array");
    CHECK(error(R"({"name":"a"})") == "answer.name: expected array, got string \"a\"");
    CHECK(error(R"({"name":["a"],"lines":[]})") == "answer.lines: 0 values, and 1 before");
    CHECK(error(R"({"lines":[],"name":["a"]})") == "answer.name: 1 values, and 0 before");
    CHECK(error(R"({"name":["a","b"],"lines":[1,"2"]})") == "answer.lines[1]: expected integer, got string \"2\"");
}

TEST_CASE("no refusal shows what was given for a secret field") {
    const auto why = [](const char* given) {
        return error_of((R"({"name":"a",)" + std::string(given) + "}").c_str(), Audience::client);
    };
    CHECK(why(R"("hidden":"K=LEAK")") == "hidden: expected object, got string");
    CHECK(why(R"("hidden":["K=LEAK"])") == "hidden: expected object, got array");
    CHECK(why(R"("hidden":{"K=LEAK":1})") == "hidden.K: expected string, got number");
    CHECK(why(R"("hidden":{"A":"b","K":["LEAK"]})") == "hidden.K: expected string, got array");
    CHECK(why(R"("hidden_list":"K=LEAK")") == "hidden_list: expected array, got string");
    CHECK(why(R"("hidden_list":["K=LEAK",7])") == "hidden_list[1]: expected string, got number");
    CHECK(why(R"("hidden":{"K=":"x"},"hidden_list":["x"])") == "fine");
}

TEST_CASE("a refusal repeats little of what was given") {
    const std::string much(1 << 20, 'x'), cut = std::string(200, 'x') + "…";
    CHECK(error_of((R"({"name":"a",")" + much + R"(":1})").c_str())
              .starts_with(cut + ": unknown argument (known: name, "));
    CHECK(error_of((R"({"name":"a","variables":{")" + much + R"(":1}})").c_str()) ==
          "variables." + cut + ": expected string, got number 1");
    CHECK(error_of(R"({"name":"a","\u009b31m\u202e\u007f":1})").starts_with("\\xc2\\x9b31m\\u{202e}\\x7f: unknown"));
}
