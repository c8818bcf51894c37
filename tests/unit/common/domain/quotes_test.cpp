#include "common/domain/quotes.hpp"

#include "tests/support/catch.hpp"

namespace quotes_test {

using namespace persistproc;

TEST_CASE("a quote that is never closed is refused, and what only a shell can tell is not") {
    for (const char* open :
         {"unbalanced 'quote", "echo \"a", "echo it's", "a && b \"c\\\"", "x # fine\necho 'y", "'"}) {
        CAPTURE(open);
        const auto checked = domain::check_quotes(open);
        REQUIRE(!checked);
        CHECK(checked.error().code == ErrorCode::invalid);
    }
    CHECK(domain::check_quotes("unbalanced 'quote").error().message ==
          "the quote that ' opens is never closed; close it, or give a list of words");
    for (const char* closed : {"", "plain words", "a 'b' \"c'd\"", "it\\'s", "echo \"\\\"\"", "x # don't", "# don't\nx",
                               "a;# don't", "echo \"$(echo \"it's\")\"", "echo `echo \"it's\"`", "cat <<E\nit's\nE",
                               "echo ${x#'}", "echo $'it\\'s'", "awk '{print $1}' x", "a\\"}) {
        CAPTURE(closed);
        CHECK(domain::check_quotes(closed));
    }
    for (const char* word : {"x#'", "x##'", "x\\'#'"}) CHECK(!domain::check_quotes(word));
}

}  // namespace quotes_test
