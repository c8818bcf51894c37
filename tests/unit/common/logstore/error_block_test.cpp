#include "common/logstore/error_block.hpp"

#include <string>
#include <vector>

#include "common/base/text.hpp"
#include "common/logstore/error_line.hpp"
#include "common/logstore/search.hpp"
#include "tests/support/catch.hpp"

namespace error_block_test {

using namespace persistproc;
using namespace persistproc::logstore;

namespace {

constexpr std::string_view directory = "/home/me/shop";

/// The lines of `text`, as one burst of standard error.
std::vector<Line> burst(std::string_view text, std::uint64_t position = 0, std::int64_t wall_ns = 1'000'000'000) {
    std::vector<Line> out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        Line line{.text = std::string(text.substr(0, end)), .stream = Stream::err, .run = 1, .wall_ns = wall_ns};
        line.position = position;
        position += end + 1;
        out.push_back(std::move(line));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

std::optional<ErrorBlock> error_in(std::string_view text) {
    return find_error(burst(text), directory, WhichError::first);
}

struct Sample {
    const char* name;
    const char* text;
    const char* message;
    const char* place;  // "": not told
    const char* first;  // line of the block, or what it begins with
    const char* last;
};

const Sample samples[] = {
    {"Python", R"(INFO:     Started server process [4711]
Traceback (most recent call last):
  File "/home/me/shop/app.py", line 12, in <module>
    main()
  File "/home/me/shop/shop/cart.py", line 3, in main
    json.loads(text)
  File "/usr/lib/python3.11/json/decoder.py", line 355, in raw_decode
    raise JSONDecodeError("Expecting value", s, err.value) from None
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)
INFO:     Waiting for changes
)",
     "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)", "shop/cart.py:3",
     "Traceback (most recent call last):", "json.decoder.JSONDecodeError"},
    {"Python, chained", R"(Traceback (most recent call last):
  File "/home/me/shop/a.py", line 2, in f
    return d["x"]
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/home/me/shop/a.py", line 9, in <module>
    f()
  File "/home/me/shop/a.py", line 4, in f
    raise ValueError("no x")
ValueError: no x
)",
     "ValueError: no x", "a.py:4", "Traceback", "ValueError: no x"},
    {"Django, system check", R"(Traceback (most recent call last):
  File "/home/me/shop/manage.py", line 22, in <module>
    main()
django.core.management.base.SystemCheckError: SystemCheckError: System check identified some issues:

ERRORS:
shop.Item.x: (fields.E300) Field defines a relation with model 'Y', which is either not installed, or is abstract.
shop.Item.z: (fields.E304) Reverse accessor clashes.
)",
     "django.core.management.base.SystemCheckError: SystemCheckError: System check identified some issues:",
     "manage.py:22", "Traceback", "shop.Item.z: "},
    {"esbuild in Vite, without more", R"([vite] Pre-transform error: Transform failed with 1 error:
/home/me/shop/src/x.ts:3:7: ERROR: Expected ";" but found "x"
)",
     "ERROR: Expected \";\" but found \"x\"", "src/x.ts:3:7", "[vite]", "/home/me/shop/src/x.ts"},
    {"esbuild, plugin", R"([plugin:vite:esbuild] Transform failed with 1 error:
/home/me/shop/src/x.ts:3:7: ERROR: Expected ";" but found "x"
)",
     "ERROR: Expected \";\" but found \"x\"", "src/x.ts:3:7", "[plugin", "/home/me/shop/src/x.ts"},
    {"Create React App", R"(ERROR: Failed to compile

src/App.js
  Line 3:5:  'x' is not defined  no-undef
)",
     "'x' is not defined  no-undef", "src/App.js:3:5", "ERROR: Failed", "  Line 3:5:"},
    {"Svelte", R"(✖ Build failed
src/x.svelte:4:2 Expected }
)",
     "src/x.svelte:4:2 Expected }", "src/x.svelte:4:2", "✖ Build", "src/x.svelte"},
    {"Prisma", R"(PrismaClientInitializationError: 
Invalid `prisma.user.findMany()` invocation in
/home/me/shop/src/db.ts:12:30

  9 export async function users() {
→ 12   return prisma.user.findMany(
Can't reach database server at `localhost:5432`
    at $n.handleRequestError (/home/me/shop/node_modules/@prisma/client/runtime/library.js:121:7615)
)",
     "Invalid `prisma.user.findMany()` invocation in", "src/db.ts:12:30", "PrismaClient", "    at $n"},
    {"Next.js, file alone", R"( ⨯ ./app/page.tsx
Error: 
  x Unexpected token `div`. Expected jsx identifier
   ,-[/home/me/shop/app/page.tsx:3:1]
 3 |   return <div
   `----
)",
     "x Unexpected token `div`. Expected jsx identifier", "app/page.tsx:3:1", " ⨯ ./app", ""},
    {"Python, syntax", R"(  File "/home/me/shop/a.py", line 3
    def f(:
          ^
SyntaxError: invalid syntax
)",
     "SyntaxError: invalid syntax", "a.py:3", "  File", "SyntaxError"},
    {"Python, bare exception under a logger", R"([2026-01-02 10:00:00,123] ERROR in app: Exception on / [GET]
Traceback (most recent call last):
  File "/home/me/shop/venv/lib/python3.11/site-packages/flask/app.py", line 1455, in wsgi_app
    response = self.full_dispatch_request()
  File "/home/me/shop/app.py", line 7, in index
    return items[3]
IndexError
127.0.0.1 - - [02/Jan/2026 10:00:00] "GET / HTTP/1.1" 500 -
)",
     "IndexError", "app.py:7", "[2026-01-02", "IndexError"},
    {"Python, pydantic", R"(Traceback (most recent call last):
  File "/home/me/shop/settings.py", line 8, in <module>
    Settings()
pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings
url
  Field required [type=missing, input_value={}, input_type=dict]
    For further information visit https://errors.pydantic.dev/2.5/v/missing
)",
     "pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings", "settings.py:8", "Traceback",
     "    For further information"},
    {"uvicorn, port", R"(INFO:     Application startup complete.
ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use
INFO:     Waiting for application shutdown.
)",
     "[Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use", "",
     "ERROR:", "ERROR:"},
    {"Node, uncaught", R"(/home/me/shop/src/server.js:3
  db.connect(;
             ^

SyntaxError: Unexpected token ';'
    at internalCompileFunction (node:internal/vm:73:18)
    at wrapSafe (node:internal/modules/cjs/loader:1176:20)

Node.js v18.19.0
)",
     "SyntaxError: Unexpected token ';'", "src/server.js:3", "/home/me/shop/src/server.js:3", "Node.js v18.19.0"},
    {"Node, missing module", R"(node:internal/modules/cjs/loader:1080
  throw err;
  ^

Error: Cannot find module 'expres'
Require stack:
- /home/me/shop/server.js
    at Module._resolveFilename (node:internal/modules/cjs/loader:1077:15)
    at Object.<anonymous> (/home/me/shop/node_modules/x/index.js:9:1)
    at Object.<anonymous> (/home/me/shop/server.js:1:17) {
  code: 'MODULE_NOT_FOUND',
  requireStack: [ '/home/me/shop/server.js' ]
}

Node.js v18.19.0
)",
     "Error: Cannot find module 'expres'", "server.js:1:17", "node:internal/modules/cjs/loader:1080",
     "Node.js v18.19.0"},
    {"Node, port", R"(node:events:495
      throw er; // Unhandled 'error' event
      ^

Error: listen EADDRINUSE: address already in use :::3000
    at Server.setupListenHandle [as _listen2] (node:net:1817:16)
    at listenInCluster (node:net:1865:12) {
  code: 'EADDRINUSE',
  errno: -98,
  port: 3000
}
)",
     "Error: listen EADDRINUSE: address already in use :::3000", "", "", "}"},
    {"Node, rejection",
     R"([UnhandledPromiseRejection: This error originated either by throwing inside of an async function]
    at /home/me/shop/a.mjs:4:9
)",
     "", "a.mjs:4:9", "[UnhandledPromiseRejection", "    at"},
    {"tsc", R"(src/cart.ts(3,5): error TS2322: Type 'string' is not assignable to type 'number'.
src/user.ts(9,1): error TS2304: Cannot find name 'x'.

Found 2 errors. Watching for file changes.
)",
     "error TS2322: Type 'string' is not assignable to type 'number'.", "src/cart.ts:3:5", "src/cart.ts",
     "src/user.ts"},
    {"tsc, pretty", R"(src/cart.ts:3:5 - error TS2322: Type 'string' is not assignable to type 'number'.

3     total = 'x';
      ~~~~~
)",
     "error TS2322: Type 'string' is not assignable to type 'number'.", "src/cart.ts:3:5", "src/cart.ts",
     "      ~~~~~"},
    {"vite",
     R"(10:00:00 AM [vite] Internal server error: Failed to resolve import "./nope" from "src/App.tsx". Does the file exist?
  Plugin: vite:import-analysis
  File: /home/me/shop/src/App.tsx:2:17
  1  |  import React from "react";
  2  |  import nope from "./nope";
     |                    ^
      at TransformContext._formatError (file:///home/me/shop/node_modules/vite/dist/node/chunks/dep.js:49258:41)
10:00:01 AM [vite] hmr update /src/App.tsx
)",
     "Internal server error: Failed to resolve import \"./nope\" from \"src/App.tsx\". Does the file exist?",
     "src/App.tsx:2:17", "10:00:00 AM", "      at TransformContext"},
    {"esbuild",
     "\xe2\x9c\x98 [ERROR] Could not resolve \"./nope\"\n\n    src/main.ts:3:19:\n      3 \xe2\x94\x82 import x from"
     " \"./nope\"\n        \xe2\x95\xb5               ~~~~~~~~\n\n1 error\n",
     "Could not resolve \"./nope\"", "src/main.ts:3:19", "\xe2\x9c\x98 [ERROR]", "1 error"},
    {"webpack", R"(assets by status 1.2 MiB [cached] 1 asset
ERROR in ./src/index.js 3:5
Module parse failed: Unexpected token (3:5)
You may need an appropriate loader to handle this file type.
| const a = 1;
> let = ;
)",
     "Module parse failed: Unexpected token (3:5)", "src/index.js:3:5", "ERROR in", "> let = ;"},
    {"Next.js", R"(Failed to compile.

./app/(shop)/[id]/page.tsx:3:5
Type error: Cannot find name 'x'.

  1 | export default function Page() {
> 3 |     return x;
    |            ^
)",
     "Type error: Cannot find name 'x'.", "app/(shop)/[id]/page.tsx:3:5", "Failed to compile.", "    |"},
    {"Next.js, runtime",
     " \xe2\xa8\xaf TypeError: Cannot read properties of undefined (reading 'id')\n"
     "    at Page (webpack-internal:///(rsc)/./app/page.tsx:10:11)\n  digest: \"42\"\n",
     "TypeError: Cannot read properties of undefined (reading 'id')", "app/page.tsx:10:11", " \xe2\xa8\xaf",
     "  digest"},
    {"Next.js, parser",
     " \xe2\xa8\xaf ./app/page.tsx:3:1\nParsing ecmascript source code failed\n  1 | export default\n> 3 | const = 1\n"
     "    |       ^\n",
     "Parsing ecmascript source code failed", "app/page.tsx:3:1", " \xe2\xa8\xaf ./app", "    |"},
    {"Next.js, parser, once more", " \xe2\xa8\xaf ./app/page.tsx:3:1\nModule not found: Can't resolve 'x'\n",
     "Module not found: Can't resolve 'x'", "app/page.tsx:3:1", " \xe2\xa8\xaf ./app", "Module not found"},
    {"Next.js, server",
     "\xe2\xa8\xaf app/page.tsx (3:9) @ Page\n\xe2\xa8\xaf Error: boom\n    at Page (./app/page.tsx:8:11)\n",
     "Error: boom", "app/page.tsx:3:9", "\xe2\xa8\xaf app", "    at Page"},
    {"Sass",
     "Error: Undefined variable.\n  \xe2\x95\xb7\n3 \xe2\x94\x82   color: $nope;\n  \xe2\x94\x82          ^^^^^\n  "
     "\xe2\x95\xb5\n"
     "  src/app.scss 3:10  root stylesheet\n",
     "Error: Undefined variable.", "src/app.scss:3:10", "Error:", "  src/app.scss"},
    {"libsass",
     "Error: Undefined variable: \"$nope\".\n        on line 3 of src/app.scss\n>>   color: $nope;\n   ---------^\n",
     "Error: Undefined variable: \"$nope\".", "src/app.scss:3", "Error:", "   ---"},
    {"Python, in its library alone", R"(Traceback (most recent call last):
  File "/home/me/.pyenv/versions/3.12.1/lib/python3.12/socketserver.py", line 457, in __init__
    self.server_bind()
OSError: [Errno 98] Address already in use
)",
     "OSError: [Errno 98] Address already in use", "", "Traceback", "OSError"},
    {"bun",
     "3 | import x from \"nope\";\n    ^\nerror: Cannot find module \"nope\" from \"/home/me/shop/a.ts\"\n"
     "      at /home/me/shop/a.ts:3:8\n",
     "Cannot find module \"nope\" from \"/home/me/shop/a.ts\"", "a.ts:3:8", "error: Cannot", "      at"},
    {"Go, panic", R"(2026/01/02 10:00:00 listening on :8080
panic: runtime error: index out of range [3] with length 2

goroutine 1 [running]:
runtime.gopanic(0xc0)
	/usr/local/go/src/runtime/panic.go:884 +0x212
main.main()
	/home/me/shop/main.go:12 +0x1d
exit status 2
)",
     "panic: runtime error: index out of range [3] with length 2", "main.go:12", "panic:", "exit status 2"},
    {"Go, compiler", R"(# example.com/shop
./main.go:5:2: undefined: foo
./main.go:9:6: x declared and not used
)",
     "undefined: foo", "main.go:5:2", "# example.com/shop", "./main.go:9:6"},
    {"Go, deadlock",
     "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\nmain.main()\n"
     "\t/home/me/shop/main.go:7 +0x25\n",
     "fatal error: all goroutines are asleep - deadlock!", "main.go:7", "fatal error:", "\t/home"},
    {"Go, HTTP",
     "2026/01/02 10:00:00 http: panic serving 127.0.0.1:1: runtime error: invalid memory address\n"
     "goroutine 7 [running]:\nmain.handle()\n\t/home/me/shop/internal/web/web.go:20 +0x1d\n",
     "http: panic serving 127.0.0.1:1: runtime error: invalid memory address", "internal/web/web.go:20", "2026/01/02",
     "\t/home"},
    {"Rust, compiler", R"(   Compiling shop v0.1.0 (/home/me/shop)
error[E0308]: mismatched types
 --> src/main.rs:3:5
  |
3 |     let x: i32 = "a";
  |            ---   ^^^ expected `i32`, found `&str`

For more information about this error, try `rustc --explain E0308`.
error: could not compile `shop` (bin "shop") due to 1 previous error
)",
     "error[E0308]: mismatched types", "src/main.rs:3:5", "error[E0308]", "error: could not compile"},
    {"Rust, panic", R"(thread 'main' panicked at 'no value', src/main.rs:4:10
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
)",
     "thread 'main' panicked at 'no value', src/main.rs:4:10", "src/main.rs:4:10", "thread", "note:"},
    {"Rust, panic since 1.73", R"(thread 'main' panicked at src/main.rs:4:10:
called `Option::unwrap()` on a `None` value
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
)",
     "called `Option::unwrap()` on a `None` value", "src/main.rs:4:10", "thread", "note:"},
    {"Java", R"(2026-01-02 10:00:00.123  INFO 4711 --- [main] c.e.shop.App : Starting
2026-01-02 10:00:00.456 ERROR 4711 --- [main] o.s.boot.SpringApplication : Application run failed

java.lang.IllegalStateException: Failed to load
	at java.base/java.util.ArrayList.get(ArrayList.java:427)
	at org.springframework.boot.SpringApplication.run(SpringApplication.java:300)
	at com.example.shop.App.main(App.java:12)
Caused by: java.io.FileNotFoundException: shop.yml
	at com.example.shop.Config.read(Config.java:30)
	... 5 more
)",
     "java.lang.IllegalStateException: Failed to load", "Config.java:30", "2026-01-02 10:00:00.456", "\t... 5 more"},
    {"Java, thread", "Exception in thread \"main\" java.lang.RuntimeException: boom\n\tat Main.main(Main.java:3)\n",
     "Exception in thread \"main\" java.lang.RuntimeException: boom", "Main.java:3", "Exception in", "\tat Main"},
    {"javac", "src/Main.java:3: error: ';' expected\n    int x = 1\n             ^\n1 error\n", "error: ';' expected",
     "src/Main.java:3", "src/Main.java", "1 error"},
    {"Maven", "[INFO] Compiling\n[ERROR] /home/me/shop/src/Main.java:[3,14] ';' expected\n[INFO] done\n",
     "/home/me/shop/src/Main.java:[3,14] ';' expected", "src/Main.java:3:14", "[ERROR]", "[ERROR]"},
    {"Kotlin", "e: file:///home/me/shop/src/App.kt:3:5 Unresolved reference: foo\n",
     "e: file:///home/me/shop/src/App.kt:3:5 Unresolved reference: foo", "src/App.kt:3:5", "e: ", "e: "},
    {"Ruby",
     "/home/me/shop/app.rb:3:in `divide': divided by 0 (ZeroDivisionError)\n\tfrom /home/me/shop/app.rb:7:in "
     "`<main>'\n",
     "in `divide': divided by 0 (ZeroDivisionError)", "app.rb:3", "/home", "\tfrom"},
    {"Ruby, syntax", "app.rb:3: syntax error, unexpected end-of-input\n", "syntax error, unexpected end-of-input",
     "app.rb:3", "app.rb", "app.rb"},
    {"PHP",
     "[Fri Jan  2 10:00:00 2026] PHP Fatal error:  Uncaught Exception: boom in /home/me/shop/index.php:3\n"
     "Stack trace:\n#0 /home/me/shop/index.php(7): f()\n#1 {main}\n  thrown in /home/me/shop/index.php on line 3\n",
     "Fatal error:  Uncaught Exception: boom in /home/me/shop/index.php:3", "index.php:3", "[Fri", "  thrown"},
    {"PHP, parser", "PHP Parse error:  syntax error, unexpected token \";\" in /home/me/shop/index.php on line 4\n",
     "Parse error:  syntax error, unexpected token \";\" in /home/me/shop/index.php on line 4", "index.php:4", "PHP",
     "PHP"},
    {"C++, compiler",
     "In file included from main.cpp:1:\nmain.cpp:3:5: error: 'x' was not declared in this scope\n"
     "    3 |     x = 1;\n      |     ^\n",
     "error: 'x' was not declared in this scope", "main.cpp:3:5", "In file included from main.cpp:1:", "      |"},
    {"AddressSanitizer", R"(=================================================================
==4711==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000014
READ of size 4 at 0x602000000014 thread T0
    #0 0x4c in __interceptor_memcpy ../../../../src/libsanitizer/sanitizer_common/a.inc:827
    #1 0x4d in main /home/me/shop/main.c:5:3

0x602000000014 is located 0 bytes to the right of 4-byte region
SUMMARY: AddressSanitizer: heap-buffer-overflow /home/me/shop/main.c:5:3 in main
)",
     "AddressSanitizer: heap-buffer-overflow on address 0x602000000014", "main.c:5:3", "=====", "SUMMARY"},
    {"UndefinedBehaviorSanitizer", "main.c:4:9: runtime error: signed integer overflow: 2147483647 + 1\n",
     "runtime error: signed integer overflow: 2147483647 + 1", "main.c:4:9", "main.c", "main.c"},
    {"C++, uncaught", "terminate called after throwing an instance of 'std::runtime_error'\n  what():  boom\n",
     "terminate called after throwing an instance of 'std::runtime_error'", "", "terminate", "  what()"},
    {"shell", "./run.sh: line 3: 4711 Segmentation fault      (core dumped) ./shop\n", nullptr, "run.sh:3", "./run.sh",
     "./run.sh"},
    {".NET",
     "Unhandled exception. System.InvalidOperationException: boom\n"
     "   at Shop.Cart.Add() in /home/me/shop/Cart.cs:line 12\n",
     "Unhandled exception. System.InvalidOperationException: boom", "Cart.cs:12", "Unhandled", "   at"},
    {"Elixir", "** (CompileError) lib/shop.ex:3: undefined function x/0\n", nullptr, "lib/shop.ex:3", "**", "**"},
    {"logfmt", "time=2026-01-02T10:00:00Z level=info msg=ok\ntime=2026-01-02T10:00:01Z level=ERROR msg=\"db gone\"\n",
     nullptr, "", "time=2026-01-02T10:00:01Z", "time=2026-01-02T10:00:01Z"},
    {"pino", "{\"level\":30,\"msg\":\"ok\"}\n{\"level\":50,\"msg\":\"db \\\"main\\\" gone\"}\n", "db \"main\" gone", "",
     "{\"level\":50", "{\"level\":50"},
    {"glog", "E0102 10:00:00.123456    1 main.go:5] db gone\n", nullptr, nullptr, "E0102", "E0102"},
    {"PostgreSQL", "2026-01-02 10:00:00.123 UTC [71] ERROR:  relation \"carts\" does not exist at character 15\n",
     "relation \"carts\" does not exist at character 15", "", "2026", "2026"},
    {"nginx", "2026/01/02 10:00:00 [emerg] 1#1: bind() to 0.0.0.0:80 failed (98: Address already in use)\n",
     "1#1: bind() to 0.0.0.0:80 failed (98: Address already in use)", "", "2026", "2026"},
    {"Celery", "[2026-01-02 10:00:00,123: ERROR/MainProcess] Task shop.pay raised unexpected: KeyError('x')\n",
     "Task shop.pay raised unexpected: KeyError('x')", "", "[2026", "[2026"},
    {"npm", "npm ERR! Missing script: \"dev\"\nnpm ERR! \n", nullptr, "", "npm ERR! Missing", "npm ERR!"},
    {"several programs",
     "web-1  | Traceback (most recent call last):\ndb-1   | checkpoint complete\n"
     "web-1  |   File \"/home/me/shop/a.py\", line 2, in <module>\nweb-1  | ValueError: no\n",
     "ValueError: no", "a.py:2", "web-1  | Traceback", "web-1  | ValueError"},
    {"several programs, with times",
     "2026-01-02T11:00:00Z web-1  | Error: Cannot find module 'x'\n2026-01-02T11:00:00Z db-1   | checkpoint complete\n"
     "2026-01-02T11:00:01Z web-1  |     at f (/home/me/shop/a.js:1:2)\n",
     "Error: Cannot find module 'x'", "a.js:1:2", "2026-01-02T11:00:00Z web-1", "2026-01-02T11:00:01Z web-1"},
    {"Vite, of its client",
     "11:00:00 AM [vite] (client) Pre-transform error: Failed to load url /src/x.ts (resolved id: /src/x.ts)\n",
     "Pre-transform error: Failed to load url /src/x.ts (resolved id: /src/x.ts)", "", "11:00:00", "11:00:00"},
    {"webpack, a module alone", "Module not found: Error: Can't resolve './y' in '/home/me/shop/src'\n",
     "Module not found: Error: Can't resolve './y' in '/home/me/shop/src'", "", "Module", "Module"},
    {"rake",
     "rake aborted!\nLoadError: cannot load such file -- shop\n/home/me/shop/Rakefile:2:in `<top (required)>'\n",
     "LoadError: cannot load such file -- shop", nullptr, "rake aborted!", nullptr},
    {"colours", "\x1b[31mTypeError\x1b[39m: x is not a function\r\n\x1b[90m    at f (/home/me/shop/a.js:1:2)\x1b[39m\n",
     "TypeError: x is not a function", "a.js:1:2", "TypeError", "    at"},
    {"ThreadSanitizer", R"(==================
WARNING: ThreadSanitizer: data race (pid=4711)
  Write of size 4 at 0x55d0c0a0 by thread T1:
    #0 add /home/me/shop/cart.cpp:4 (shop+0x1)

  Previous write of size 4 at 0x55d0c0a0 by main thread:
    #0 main /home/me/shop/cart.cpp:9 (shop+0x2)

SUMMARY: ThreadSanitizer: data race /home/me/shop/cart.cpp:4 in add
==================
)",
     "ThreadSanitizer: data race (pid=4711)", "cart.cpp:4", "=====", "====="},
    {"Go, data race", R"(==================
WARNING: DATA RACE
Write at 0x00c00001c0a8 by goroutine 7:
  main.main.func1()
      /home/me/shop/main.go:10 +0x44

Previous write at 0x00c00001c0a8 by main goroutine:
  main.main()
      /home/me/shop/main.go:12 +0xa4
==================
)",
     "DATA RACE", "main.go:10", "=====", "====="},
    {"Go, test", R"(=== RUN   TestCart
--- FAIL: TestCart (0.00s)
    cart_test.go:5: got 1, want 2
)",
     "cart_test.go:5: got 1, want 2", "cart_test.go:5", "--- FAIL", "    cart_test.go"},
    {"eslint",
     R"(
/home/me/shop/src/a.js
  2:1  warning  Unexpected console statement  no-console
  3:7  error    'x' is not defined            no-undef

)"
     "\xe2\x9c\x96 2 problems (1 error, 1 warning)\n",
     "'x' is not defined            no-undef", "src/a.js:3:7", "/home/me/shop/src/a.js", "\xe2\x9c\x96 2 problems"},
    {"shell, no command", "> shop@1.0.0 dev\n> vite\n\nsh: 1: vite: not found\n", "sh: 1: vite: not found", "", "sh: 1",
     "sh: 1"},
    {"shell, no command, in a script", "./dev.sh: line 3: vite: command not found\n", nullptr, "dev.sh:3", "./dev.sh",
     "./dev.sh"},
    {"Django", "django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.\n",
     "django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.", "", "django", "django"},
    {"jest",
     "FAIL src/sum.test.js\n  \xe2\x9c\x95 adds (3 ms)\n\n  \xe2\x97\x8f adds\n\n    "
     "expect(received).toBe(expected)\n\n"
     "    Expected: 4\n    Received: 3\n\n      at Object.<anonymous> (src/sum.test.js:2:20)\n",
     "adds", "src/sum.test.js:2:20", "  \xe2\x97\x8f adds", "      at Object"},
    {"Spring Boot", R"(
***************************
APPLICATION FAILED TO START
***************************

Description:

Web server failed to start. Port 8080 was already in use.

Action:

Identify and stop the process that's listening on port 8080 or configure this application to listen on another port.

[INFO] BUILD
)",
     "Web server failed to start. Port 8080 was already in use.", "", "*****", "Identify and stop"},
    {"linker",
     "/usr/bin/ld: cart.o: in function `main':\ncart.c:(.text+0x5): undefined reference to `pay'\n"
     "collect2: error: ld returned 1 exit status\nmake: *** [Makefile:2: shop] Error 1\n",
     nullptr, nullptr, "/usr/bin/ld", "make: ***"},
    {"Node, told by a program that goes on",
     "failed to load config: SyntaxError: Expected property name or '}' in JSON at position 1\n"
     "    at JSON.parse (<anonymous>)\n    at Object.<anonymous> (/home/me/shop/js4.js:1:12)\n",
     nullptr, "js4.js:1:12", "failed to load", nullptr},
    {"Node, no database",
     "\xe2\x9d\x8c Unable to connect to the database: SequelizeConnectionRefusedError: connect ECONNREFUSED "
     "127.0.0.1:5432\n    at Server.listen (/home/me/shop/server.js:9:3)\n",
     nullptr, "server.js:9:3", "\xe2\x9d\x8c", nullptr},
    {"Laravel", "[2026-01-01 10:00:00] local.ERROR: Call to a member function total() on null\n", nullptr, nullptr,
     "[2026", nullptr},
    {"Node, told behind any words, with its frames",
     "msg SyntaxError: Unexpected token\n    at JSON.parse (<anonymous>)\n    at load (/home/me/shop/js4.js:1:12)\n",
     "msg SyntaxError: Unexpected token", "js4.js:1:12", "msg Syntax", "    at load"},
    {"Node, a module told behind other words",
     "before\nstarting: Error: Cannot find module './x'\nRequire stack:\n- /home/me/shop/a.js\n"
     "    at Module._resolveFilename (node:internal/modules/cjs/loader:1077:15)\n"
     "    at Object.<anonymous> (/home/me/shop/a.js:1:17) {\n  code: 'MODULE_NOT_FOUND'\n}\n",
     "starting: Error: Cannot find module './x'", "a.js:1:17", "starting", "}"},
    {"Java, printed by the program",
     "caught java.io.IOException: no disk\n\tat com.example.shop.App.main(App.java:12)\n",
     "caught java.io.IOException: no disk", "App.java:12", "caught", "\tat com"},
    {"Rails, with its place",
     "\nNoMethodError (undefined method `total' for nil:NilClass):\n  \napp/controllers/orders_controller.rb:12:in "
     "`show'\n",
     "NoMethodError (undefined method `total' for nil:NilClass)", "app/controllers/orders_controller.rb:12",
     "NoMethodError", "app/controllers"},
    {"Rails, no such record",
     "ActiveRecord::RecordNotFound (Couldn't find Cart with 'id'=1):\n  \napp/models/cart.rb:3:in `last'\n",
     "ActiveRecord::RecordNotFound (Couldn't find Cart with 'id'=1)", "app/models/cart.rb:3", "ActiveRecord",
     "app/models"},
    {"Rails, no such record, in a request",
     "[7b3c] [::1] ActiveRecord::RecordNotFound (Couldn't find Cart with 'id'=1):\n  \n"
     "[7b3c] [::1] app/models/cart.rb:3:in `last'\n",
     nullptr, nullptr, "[7b3c] [::1] ActiveRecord", nullptr},
    {"Symfony",
     "[2026-01-01T10:00:00] request.CRITICAL: Uncaught PHP Exception RuntimeException: \"boom\" at "
     "/home/me/shop/src/A.php line 12 {\"exception\":\"[object]\"}\n",
     nullptr, "src/A.php:12", "[2026", "[2026"},
    {"CMake, with its place",
     "CMake Error at CMakeLists.txt:5 (find_package):\n  By not providing \"FindFoo.cmake\" in CMAKE_MODULE_PATH\n"
     "  asked CMake to find it.\n\n\n-- Configuring incomplete, errors occurred!\n",
     "By not providing \"FindFoo.cmake\" in CMAKE_MODULE_PATH", "CMakeLists.txt:5", "CMake Error", "  asked CMake"},
    {"Gradle, with its place", R"(FAILURE: Build failed with an exception.

* Where:
Build file '/home/me/shop/build.gradle' line: 5

* What went wrong:
A problem occurred evaluating root project 'shop'.
> no such thing

BUILD FAILED in 3s

[INFO] next
)",
     "A problem occurred evaluating root project 'shop'.", "build.gradle:5", "FAILURE", "BUILD FAILED"},
    {"swc", "  x Expected ';', '}' or <eof>\n   ,-[/home/me/shop/src/a.ts:3:1]\n 3 | const a = = 1\n   `----\n",
     "x Expected ';', '}' or <eof>", "src/a.ts:3:1", "  x Expected", "   `----"},
    {"swc, drawn",
     "  \xc3\x97 Expression expected\n   \xe2\x95\xad\xe2\x94\x80[src/a.ts:3:1]\n 3 \xe2\x94\x82 const = 1\n", nullptr,
     "src/a.ts:3:1", "  \xc3\x97", " 3"},
    {"Python, a group", R"(  + Exception Group Traceback (most recent call last):
  |   File "/home/me/shop/app.py", line 9, in <module>
  |     asyncio.run(main())
  |   File "/home/me/shop/app.py", line 5, in main
  |     async with asyncio.TaskGroup() as group:
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/home/me/shop/cart.py", line 3, in pay
    |     raise ValueError("no money")
    | ValueError: no money
    +------------------------------------
INFO next
)",
     "ValueError: no money", "cart.py:3", "  + Exception Group", "    +----"},
    {"Babel", "SyntaxError: /home/me/shop/src/App.jsx: Unexpected token (5:3)\n\n  3 | a\n> 5 |   <div\n    |   ^\n",
     "SyntaxError: /home/me/shop/src/App.jsx: Unexpected token (5:3)", "src/App.jsx:5:3", "SyntaxError", "    |"},
    {"Turborepo",
     "web:dev: Error: boom\napi:dev: listening\nweb:dev:     at Object.<anonymous> (/home/me/shop/server.js:9:3)\n",
     "Error: boom", "server.js:9:3", "web:dev: Error", "web:dev:     at"},
    {"Node, a missing module of its own kind",
     "node:internal/modules/esm/resolve:873\n  throw new ERR_MODULE_NOT_FOUND(\n        ^\n\nError "
     "[ERR_MODULE_NOT_FOUND]: Cannot find package 'nope' imported from /home/me/shop/js3.mjs\n"
     "    at packageResolve (node:internal/modules/esm/resolve:873:9) {\n  code: 'ERR_MODULE_NOT_FOUND'\n}\n",
     "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'nope' imported from /home/me/shop/js3.mjs", "js3.mjs",
     "node:internal", "}"},
    {"a port, told plainly", "Port 3000 is already in use\n", "Port 3000 is already in use", "", "Port", "Port"},
    {"Create React App", "Something is already running on port 3000.\n", "Something is already running on port 3000.",
     "", "Something", "Something"},
    {"rewritten", "building 10 %\rbuilding 50 %\rError: out of paper\n", "Error: out of paper", "", "Error", "Error"},
};

const char* const no_errors[] = {
    "0 errors",
    "1 error",
    "  \xe2\x97\x8f Console",
    "\xe2\x97\x8f nginx.service - A web server",
    "  3:7  warning  Unexpected console statement  no-console",
    "GET /x: not found",
    "user: not found",
    "WARNING: data race conditions apply",
    "Found 0 errors. Watching for file changes.",
    "error: 0",
    "Error: 0",
    "errors: 0",
    "Errors: 0, warnings: 3",
    "error: none",
    "  error: null,",
    "  error: undefined,",
    "Last error: none",
    "no error",
    "No error: all is well",
    "webpack compiled with 0 errors in 12 ms",
    "\xe2\xa8\xaf marks the spot",
    "dist/app.js (12 kB)",
    "dist/errors.js  12.01 kB",
    "src/errors.ts changed",
    "[vite] hmr update /src/Error.tsx",
    "11:00:00 AM [vite] (client) hmr update /src/Error.tsx",
    "[info] global error handler registered",
    "INFO:     Error: is a word here",
    "WARN  Port 3000 is in use, trying 3001",
    "DEBUG ValueError: retried",
    "time=2026-01-02T10:00:00Z level=info msg=\"error handler registered\"",
    "{\"level\":\"info\",\"msg\":\"Error: was handled\"}",
    "{\"level\":30,\"msg\":\"TypeError: was handled\"}",
    "127.0.0.1 - - [02/Jan/2026 10:00:00] \"GET /error HTTP/1.1\" 500 -",
    "INFO:     127.0.0.1:54321 - \"GET /Error: HTTP/1.1\" 500 Internal Server Error",
    "GET /api/errors 500 12.345 ms - 42",
    "POST /errors/Exception: 200",
    "\xe2\x9c\x93 throws TypeError: when called without arguments (3 ms)",
    "\xe2\x9c\x93 fails with TypeError: without arguments (3 ms)",
    "[2026-01-01 10:00:00] local.INFO: Error: was handled",
    "[2026-01-01 10:00:00] local.INFO: failed before: Error: was handled",
    "retried after: TimeoutError: no answer",
    "Could not reach redis: ConnectionError: refused, retrying",
    "cannot load: SyntaxError: bad",
    "Skipped TypeError: was handled\nnext line\n",
    "Trace: here\n    at f (/home/me/shop/a.js:1:2)\n",
    "[info] retried after SyntaxError: no\n    at f (/home/me/shop/a.js:1:2)\n",
    "ErrorBoundary mounted\n    at f (/home/me/shop/a.js:1:2)\n",
    "  x marks the spot\n  x Expected\n",
    "Local::Invalid (3 items)",
    "Things (of any Error):",
    "CMake Warning at CMakeLists.txt:5 (message):\n  no Error\n",
    "Port 3000 is in use, trying another one...",
    "Port 3000 is already in use, using port 3001 instead",
    "Port 3000 was opened",
    "shop:dev: ready in 3 ms",
    "app.INFO: no Error",
    "Error handling middleware loaded",
    "ErrorBoundary mounted",
    "error_reporting = E_ALL",
    "Logging errors to /var/log/error.log",
    "main.go:23: listening on :8080",
    "http://localhost:3000",
    "  Local:   http://shop.ts.net:5173/",
    "(node:4711) [DEP0040] DeprecationWarning: The `punycode` module is deprecated.",
    "a.py:3: DeprecationWarning: invalid escape sequence",
    "PHP Warning:  Undefined variable $x in /home/me/shop/index.php on line 3",
    "warning: unused variable: `error`",
    "main.c:3:5: warning: unused variable 'error' [-Wunused-variable]",
    "info  - Loaded env from .env",
    "12 | throw new Error('x')",
    "panic button installed",
    "Uncaught exception handler installed",
    "unhandledRejection handler registered",
    "Unhandled rejections handled by sentry",
    "I0102 10:00:00.123456    1 main.go:5] error count 0",
    "ready in 300 ms",
    "100% errorless",
    "",
    " ",
    "\xff\xfe\xfd",
};

}  // namespace

TEST_CASE("errors: blocks as they are printed") {
    for (const auto& sample : samples) {
        INFO(sample.name);
        const auto block = error_in(sample.text);
        REQUIRE(block);
        INFO(block->text().text);
        if (sample.message != nullptr && *sample.message != '\0') CHECK(block->message == sample.message);
        if (sample.place != nullptr) CHECK((block->place ? to_string(*block->place) : "") == sample.place);
        CHECK(block->lines.front().starts_with(sample.first));
        if (sample.last != nullptr) CHECK(block->lines.back().starts_with(sample.last));
        CHECK(block->left_out == 0);
    }
}

TEST_CASE("errors: what may be one is known from the lines below it") {
    const std::string head = "loading: SyntaxError: bad\n", frame = "    at f (/home/me/shop/a.js:1:2)\n";
    REQUIRE(may_be_error_head("loading: SyntaxError: bad"));
    CHECK(!may_be_error_head("SyntaxError: bad"));
    CHECK(!may_be_error_head("[info] loading: SyntaxError: bad"));
    const auto begins = [](std::string_view text, bool is_end) { return begins_error(burst(text), is_end); };
    CHECK(begins(head, true) == BeginsError::not_known);
    CHECK(begins(head, false) == BeginsError::no);
    CHECK(begins(head + frame, true) == BeginsError::yes);
    CHECK(begins(head + "Require stack:\n- /home/me/shop/a.js\n" + frame, false) == BeginsError::yes);
    std::string many = head;
    for (std::size_t i = 1; i < lines_that_decide; ++i) many += "and on it goes\n";
    CHECK(begins(many, true) == BeginsError::no);
    // What comes later is something else.
    auto lines = burst(head);
    for (auto& line : burst(frame, 100, 2'000'000'000)) lines.push_back(std::move(line));
    CHECK(!find_error(lines, directory, WhichError::first));
}

TEST_CASE("errors: the hint finds each head") {
    const auto hint = LinePattern::compile(error_hint);
    REQUIRE(hint);
    for (const auto& sample : samples)
        for (const auto& line : burst(sample.text)) {
            INFO(line.text);
            CHECK(((!is_error_head(line.text) && !may_be_error_head(line.text)) || hint->matches(line.text)));
        }
}

TEST_CASE("errors: what only looks like one") {
    for (const std::string_view line : no_errors) {
        INFO(line);
        CHECK(!is_error_head(line));
        CHECK(!error_in(line));
    }
}

namespace {

/// Whether the line of `text` that begins so is of an error.
OfError of_error(std::string_view text, std::string_view begins, bool is_end = true) {
    const auto lines = burst(text);
    for (const auto& line : lines)
        if (line.text.starts_with(begins)) return is_of_error(lines, line.position, is_end);
    FAIL("no such line: " << begins);
    return OfError::no;
}

}  // namespace

TEST_CASE("errors: each line from the source above the head to the end is of the error") {
    const char* const errors[] = {
        R"(/home/me/shop/ready.js:2
console.log("ready on " + o.user.name);
                                 ^

TypeError: Cannot read properties of undefined (reading 'name')
    at ready (/home/me/shop/ready.js:2:34)
    at node:internal/main/run_main_module:23:47

Node.js v20.1.0
)",
        R"(panic: no

goroutine 1 [running]:
main.listening()
	/home/me/shop/main.go:5 +0x1d
main.main(...)
	/home/me/shop/main.go:9
exit status 2
)",
        R"(Traceback (most recent call last):
  File "/home/me/shop/server.py", line 4, in <module>
    listening()
  File "/home/me/shop/server.py", line 2, in listening
ValueError: no
)",
        R"(thread 'main' panicked at src/main.rs:3:5:
listening failed
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
)",
        R"(PHP Fatal error:  Uncaught Exception: no in /home/me/shop/a.php:3
Stack trace:
#0 /home/me/shop/listening.php(5): f()
#1 {main}
  thrown in /home/me/shop/listening.php on line 3
)",
        R"(src/a.ts:3:7 - error TS2304: Cannot find name 'x'.

3 const listening = x;
                    ~

)",
        R"(error[E0425]: cannot find value `x` in this scope
 --> src/main.rs:3:5
  |
3 |     listening(x);
  |               ^ not found in this scope

)",
        R"(src/a.c: In function 'listening':
src/a.c:3:5: error: expected ';' before 'return'
    3 |     listening()
      |                ^
      |                ;
)",
        R"(Internal server error: Failed to parse source
  Plugin: vite:import-analysis
  File: /home/me/shop/listening.js:1:20
  1  |  import listening fro
     |                   ^
      at f (file:///home/me/shop/node_modules/vite/a.js:1:2)
)",
    };
    for (const std::string_view text : errors) {
        const auto lines = burst(text);
        for (const auto& line : lines) {
            if (line.text.find_first_not_of(" |") == line.text.npos) continue;
            INFO(line.text);
            CHECK(is_of_error(lines, line.position, true) == OfError::yes);
        }
        REQUIRE(error_in(text));
        CHECK(error_in(text)->lines.front() == lines.front().text);
    }
}

TEST_CASE("errors: what a program says next to its error is not of it") {
    const std::string error = "Error: no cache\n    at f (/home/me/shop/a.js:1:2)\n";
    for (const std::string_view next :
         {"Listening on 3000\n", "  > Local: http://localhost:3000/\n", "  Local:   http://shop.ts.net:5173/\n",
          " * Running on :3000\n", "   - Local: http://a:1\n", "> web@1.0.0 dev\n", "| Listening |\n",
          "=== Listening ===\n", "# Listening on 3000\n"}) {
        INFO(next);
        const std::string text = error + std::string(next);
        const std::string_view line = next.substr(0, next.find('\n'));
        // Evidence of an error that follows at once would show otherwise.
        CHECK(of_error(text, line) == OfError::not_known);
        CHECK(of_error(text, line, false) == OfError::no);
        CHECK(of_error(text + "    - Env: .env\n", line, false) == OfError::no);
        CHECK(of_error(text + error, line) == OfError::no);
        CHECK(of_error(std::string(next) + error, line) == OfError::no);
    }
    CHECK(of_error("a.c: In function 'ready':\na.c:3:5: warning: unused\n" + error, "a.c: In") == OfError::no);
    const std::string begun = "Traceback (most recent call last):\n  File \"/home/me/shop/a.py\", line 2, in f\n";
    CHECK(of_error(begun + "ready\n    f()\nValueError: no\n", "ready") == OfError::no);
    CHECK(of_error(begun + "INFO ready\n    f()\nValueError: no\n", "INFO ready") == OfError::no);
    for (const std::string_view line : no_errors) {
        INFO(line);
        const auto lines = burst(line);
        if (!lines.empty()) CHECK(is_of_error(lines, lines.front().position, false) == OfError::no);
    }
}

TEST_CASE("errors: source may be that above an error, until more is printed") {
    const std::string source = "/home/me/shop/ready.js:2\nlisten(3000);\n^\n";
    CHECK(of_error(source, "/home") == OfError::not_known);
    CHECK(of_error(source, "listen") == OfError::not_known);
    CHECK(of_error(source, "listen", false) == OfError::no);
    CHECK(of_error(source + "\nTypeError: bad\n", "listen", false) == OfError::yes);
    CHECK(of_error("listen(3000);\n" + source, "listen") == OfError::no);
}

TEST_CASE("errors: a block cut at every byte stays within its bounds") {
    for (const auto& sample : samples)
        for (std::size_t cut = 0; cut <= std::string_view(sample.text).size(); cut += 7)
            if (const auto block = error_in(std::string_view(sample.text).substr(0, cut))) {
                CHECK(block->lines.size() <= ErrorBlock::max_lines);
                CHECK(block->end > block->position);
            }
}

TEST_CASE("errors: a long block keeps its head and its tail") {
    std::string text = "Traceback (most recent call last):\n";
    for (int i = 0; i < 500; ++i) text += "  File \"/home/me/shop/a.py\", line 2, in f\n    f()\n";
    text += "RecursionError: maximum recursion depth exceeded\nINFO: next\n";
    const auto block = error_in(text);
    REQUIRE(block);
    CHECK(block->lines.size() == ErrorBlock::max_lines);
    CHECK(block->left_out == 1002 - ErrorBlock::max_lines);
    CHECK(block->lines.back() == "RecursionError: maximum recursion depth exceeded");
    CHECK(block->message == "RecursionError: maximum recursion depth exceeded");
    CHECK(block->text().text.find("\n[962 lines left out]\n") != std::string::npos);
    CHECK(block->text().marker == "[");
    // What a program prints of the kind is no mark.
    const auto forged = error_in(text.insert(35, "  File \"/home/me/shop/a.py\", line 1, in [962 lines left out]\n"));
    REQUIRE(forged);
    CHECK(forged->text().text.find("\n#[963 lines left out]\n") != std::string::npos);
    CHECK(forged->text().marker == "#[");
}

TEST_CASE("errors: frames of the runtime are counted, not shown") {
    const auto node = error_in(
        "/home/me/shop/app.js:5\n  cents += item.prise.cents;\n                     ^\n\nTypeError: no cents\n"
        "    at total (/home/me/shop/app.js:5:48)\n    at Module._compile (node:internal/modules/cjs/loader:1521:14)\n"
        "    at async node:internal/main:1:2\n    at node:internal/main/run_main_module:28:49\n\nNode.js v20.20.2\n");
    REQUIRE(node);
    CHECK(node->text().text.ends_with(
        "    at total (/home/me/shop/app.js:5:48)\n    [3 frames of the runtime]\n\nNode.js v20.20.2\n"));
    const auto python = error_in(
        "Traceback (most recent call last):\n  File \"<frozen runpy>\", line 198, in _run_module_as_main\n"
        "  File \"<frozen runpy>\", line 88, in _run_code\n  File \"/home/me/shop/a.py\", line 2, in <module>\n"
        "    f()\nKeyError: 'x'\n");
    REQUIRE(python);
    CHECK(python->text().text.find("\n    [2 frames of the runtime]\n") != std::string::npos);
    CHECK(python->lines[2] == "  File \"/home/me/shop/a.py\", line 2, in <module>");
    const auto served = error_in(
        "Traceback (most recent call last):\n"
        "  File \"/usr/lib/python3.11/socketserver.py\", line 316, in _handle_request_noblock\n"
        "    self.process_request(request, client_address)\n"
        "  File \"/usr/lib/python3.11/http/server.py\", line 433, in handle\n    self.handle_one_request()\n"
        "    ^^^^^^^^^^^^^^^^^^^^^^^^^\n  File \"/home/me/shop/a.py\", line 2, in do_GET\n    f()\n"
        "  File \"/usr/lib/python3.11/json/decoder.py\", line 355, in raw_decode\n    raise JSONDecodeError()\n"
        "KeyError: 'x'\n");
    REQUIRE(served);
    CHECK(served->text().text ==
          "Traceback (most recent call last):\n    [2 frames of the runtime]\n"
          "  File \"/home/me/shop/a.py\", line 2, in do_GET\n    f()\n"
          "  File \"/usr/lib/python3.11/json/decoder.py\", line 355, in raw_decode\n    raise JSONDecodeError()\n"
          "KeyError: 'x'\n");
    const auto ruby = error_in(
        "/usr/lib/ruby/3.1.0/json/common.rb:216:in `parse': unexpected token (JSON::ParserError)\n"
        "\tfrom /usr/lib/ruby/3.1.0/json/common.rb:216:in `parse'\n\tfrom /home/me/shop/app.rb:3:in `total'\n"
        "\tfrom /var/lib/gems/3.1.0/gems/webrick-1.8.1/lib/webrick/server.rb:310:in `block in start_thread'\n"
        "\tfrom /usr/lib/ruby/3.1.0/socket.rb:10:in `accept'\n");
    REQUIRE(ruby);
    CHECK(ruby->lines.front().find("unexpected token") != std::string::npos);
    CHECK(ruby->text().text.ends_with("\tfrom /home/me/shop/app.rb:3:in `total'\n    [2 frames of the runtime]\n"));
    REQUIRE(ruby->place);
    CHECK(ruby->place->file == "app.rb");
    // One takes no more room than its number.
    const auto one = error_in("Error: broken\n    at node:internal/main/run_main_module:28:49\n");
    REQUIRE(one);
    CHECK(one->text().marker.empty());
    CHECK(one->lines.back() == "    at node:internal/main/run_main_module:28:49");
}

TEST_CASE("errors: what repeats in a block is folded") {
    const auto loop = error_in("Error: tick 1\nError: tick 2\nError: tick 3\nError: tick 4\nError: tick 5\n");
    REQUIRE(loop);
    CHECK(loop->text().text == "[1 line as below, 4 times]\nError: tick 5\n");
    CHECK(loop->text().marker == "[");
    std::string deep =
        "Traceback (most recent call last):\n  File \"/home/me/shop/a.py\", line 1, in <module>\n    f(1)\n";
    for (int i = 0; i < 12; ++i) deep += "  File \"/home/me/shop/a.py\", line 9, in f\n    return f(n + 1)\n";
    const auto recursion = error_in(deep + "RecursionError: too deep\n");
    REQUIRE(recursion);
    CHECK(recursion->text().text.find("[2 lines as below, 11 times]\n") != std::string::npos);
    // What is ours is no line of a repetition.
    std::string many = "Error: begin of many\n";
    for (int i = 0; i < 500; ++i) many += "    one of the frames of it\n";
    const auto cut = error_in(many);
    REQUIRE(cut);
    CHECK(cut->text().text.find("[461 lines left out]\n") != std::string::npos);
    CHECK(cut->text().text.find("lines as below") == std::string::npos);
}

TEST_CASE("errors: frames of the C library are nobody's own, wherever the source lies") {
    const auto asan = error_in(
        "==4711==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000014\n"
        "READ of size 4 at 0x602000000014 thread T0\n    #0 0x4d in main /srv/other/main.c:5:3\n"
        "    #1 0x4e in __libc_start_call_main csu/../sysdeps/nptl/libc_start_call_main.h:58:16\n"
        "    #2 0x4f in __libc_start_main csu/../csu/libc-start.c:360:3\n    #3 0x50 in start_thread "
        "nptl/pthread_create.c:442\n");
    REQUIRE(asan);
    REQUIRE(asan->place);
    CHECK(asan->place->file == "/srv/other/main.c");
    CHECK(asan->place->line == 5);
}

TEST_CASE("errors: a long line keeps both its ends, and no character is cut") {
    const auto block = error_in("Error: begin " + std::string(900, 'x') + "\n");
    REQUIRE(block);
    CHECK(block->lines[0].size() <= ErrorBlock::max_line_bytes);
    CHECK(block->lines[0].starts_with("Error: begin"));
    CHECK(block->lines[0].ends_with("xxx"));
    CHECK(block->text().text.find("x[cut: 913 bytes]x") != std::string::npos);
    const auto very_long = error_in("Error: begin " + std::string(5000, 'x') + " end\n");
    REQUIRE(very_long);
    CHECK(very_long->text().text.ends_with("x end\n"));
    CHECK(very_long->text().text.find("[cut: 5017 bytes]") != std::string::npos);
    CHECK(very_long->lines[0].size() <= ErrorBlock::max_line_bytes);
    std::string umlauts = "Error: ";
    for (int i = 0; i < 700; ++i) umlauts += "\xc3\xa4";
    const auto wide = error_in(umlauts);
    REQUIRE(wide);
    CHECK(base::is_utf8(wide->lines[0]));
    CHECK(base::is_utf8(wide->message));
}

TEST_CASE("errors: a pause ends a block") {
    auto lines = burst("Error: first\n    at f (/home/me/shop/a.js:1:2)\n");
    for (auto& line : burst("    still here\n", 100, 2'000'000'000)) lines.push_back(std::move(line));
    const auto block = find_error(lines, directory, WhichError::first);
    REQUIRE(block);
    CHECK(block->lines.size() == 2);
}

TEST_CASE("errors: a pause within a traceback does not end it, and it is unfinished until its last line") {
    const char* const printed[] = {"Traceback (most recent call last):\n",
                                   "  File \"/home/me/shop/a.py\", line 2, in f\n", "    f()\n", "ValueError: no\n",
                                   "next\n"};
    std::vector<Line> lines;
    std::int64_t wall_ns = 1'000'000'000;
    std::uint64_t position = 0;
    for (const char* each : printed) {
        for (auto& line : burst(each, position, wall_ns)) lines.push_back(std::move(line));
        position += std::string_view(each).size();
        wall_ns += 400'000'000;
        const auto block = find_error(lines, directory, WhichError::first);
        REQUIRE(block);
        CHECK(block->is_unfinished == (lines.size() < 4));
        CHECK(block->lines.size() == std::min<std::size_t>(lines.size(), 4));
    }
    CHECK(find_error(lines, directory, WhichError::first)->message == "ValueError: no");
}

TEST_CASE("errors: what a logger prints in the midst of a traceback is passed over") {
    const std::string foreign = GENERATE("INFO heartbeat 7\n", "INFO:     heartbeat\n", "[info] heartbeat\n",
                                         "2026-01-02 10:00:00 tick\n", "[10:00:00] tick\n", "level=debug msg=tick\n");
    const std::string printed[] = {"Traceback (most recent call last):\n",
                                   "  File \"/home/me/shop/a.py\", line 2, in f\n", "    d['x']\n", "KeyError: 'x'\n"};
    const auto text_with = [&](std::size_t times) {
        std::string out;
        for (const auto& each : printed) {
            out += each;
            for (std::size_t i = 0; i < times; ++i) out += foreign;
        }
        return out;
    };
    for (const std::size_t times : {std::size_t{1}, std::size_t{40}}) {
        const auto block = error_in(text_with(times));
        REQUIRE(block);
        CHECK(block->message == "KeyError: 'x'");
        CHECK(block->lines.size() == 4);
        CHECK(!block->is_unfinished);
        REQUIRE(block->place);
        CHECK(block->place->file == "a.py");
    }
    const auto cut_short = error_in(text_with(41));
    REQUIRE(cut_short);
    CHECK(cut_short->lines.size() == 1);
    const auto slow = [&] {
        auto lines = burst(text_with(0).substr(0, printed[0].size()) + foreign);
        for (auto& line : burst(foreign, 100, 2'000'000'000)) lines.push_back(std::move(line));
        for (auto& line : burst(printed[1] + printed[2] + printed[3], 200, 2'500'000'000))
            lines.push_back(std::move(line));
        return find_error(lines, directory, WhichError::first);
    }();
    REQUIRE(slow);
    CHECK(slow->message == "KeyError: 'x'");
}

TEST_CASE("errors: a little of what others print does not end a traceback, nor make it wait less for its last line") {
    const std::string head =
        "Traceback (most recent call last):\n  File \"/home/me/shop/a.py\", line 2, in f\n    d['x']\n";
    const std::string foreign = GENERATE("served GET /favicon.ico\n", "tick\ntick\ntick\n", "200 OK\n");
    auto lines = burst(head + foreign);
    const auto unfinished = find_error(lines, directory, WhichError::first);
    REQUIRE(unfinished);
    CHECK(unfinished->is_unfinished);
    for (auto& line : burst("KeyError: 'x'\nnext\n", 1000, 2'000'000'000)) lines.push_back(std::move(line));
    const auto block = find_error(lines, directory, WhichError::first);
    REQUIRE(block);
    CHECK(block->message == "KeyError: 'x'");
    CHECK(!block->is_unfinished);
    REQUIRE(block->place);
    CHECK(block->place->line == 2);
    // More than that is what the program goes on with.
    const auto given_up = error_in(head + "a\nb\nc\nd\nKeyError: 'x'\n");
    REQUIRE(given_up);
    CHECK(given_up->lines.size() == 3);
    CHECK(!given_up->is_unfinished);
    // Another error is none of its lines.
    const auto other = error_in(head + "tick\npanic: no\n");
    REQUIRE(other);
    CHECK(!other->is_unfinished);
}

TEST_CASE("errors: an exception whose name is a level's ends its traceback") {
    const auto block = error_in(
        "Traceback (most recent call last):\n  File \"/home/me/shop/a.py\", line 2, in f\nWarning: no\nINFO next\n");
    REQUIRE(block);
    CHECK(block->message == "Warning: no");
    CHECK(block->lines.size() == 3);
}

TEST_CASE("errors: lines of the other stream stand between those of a block") {
    auto lines =
        burst("Traceback (most recent call last):\n  File \"/home/me/shop/a.py\", line 2, in f\nValueError: no\n");
    Line other = lines[1];
    other.stream = Stream::out;
    other.text = "tick";
    lines.insert(lines.begin() + 1, other);
    const auto block = find_error(lines, directory, WhichError::first);
    REQUIRE(block);
    CHECK(block->lines.size() == 3);
    CHECK(block->message == "ValueError: no");
}

TEST_CASE("errors: the first, the last, and after a position") {
    auto lines = burst("Error: one\nready\nset\ngo\nwell\n");
    const std::uint64_t second = 1000;
    for (auto& line : burst("Error: two\n", second, 5'000'000'000)) lines.push_back(std::move(line));
    for (auto& line : burst("npm ERR! code 1\n", 2000, 6'000'000'000)) lines.push_back(std::move(line));
    CHECK(find_error(lines, directory, WhichError::first)->message == "Error: one");
    CHECK(find_error(lines, directory, WhichError::first, 500)->message == "Error: two");
    CHECK(find_error(lines, directory, WhichError::last)->message == "Error: two");
    CHECK(find_error(lines, directory, WhichError::last)->position == second);
    CHECK(find_error(lines, directory, WhichError::first, 1500)->is_wrapper);
    CHECK(!find_error(lines, directory, WhichError::first, 3000));
}

TEST_CASE("errors: the port that another one has") {
    const std::pair<const char*, int> cases[] = {
        {"Error: listen EADDRINUSE: address already in use :::3000\n    at Server.f (node:net:1817:16)\n", 3000},
        {"Error: listen EADDRINUSE: address already in use\n    at f (node:net:1:1) {\n  code: 'EADDRINUSE',\n  port: "
         "3001\n}\n",
         3001},
        {"ERROR:    [Errno 98] error while attempting to bind on address ('127.0.0.1', 8000): address already in use\n",
         8000},
        {"panic: listen tcp :8080: bind: address already in use\n", 8080},
        {"2026/01/02 10:00:00 [emerg] 1#1: bind() to 0.0.0.0:80 failed (98: Address already in use)\n", 80},
        {"Address already in use - bind(2) for \"127.0.0.1\" port 3000 (Errno::EADDRINUSE)\n", 3000},
        {"Error: Port 5173 is already in use\n", 5173},
        {"Port 33320 is already in use\n", 33320},
        {"Something is already running on port 33320.\n", 33320},
        {"Error: That port is already in use.\n", 0},
        {"OSError: [Errno 98] Address already in use\n", 0},
        {"Error: listen EADDRINUSE: address already in use :::99999\n", 0},
        {"Error: cannot reach 127.0.0.1:3000\n", 0},
        {"Error: x\n  port: 3000\n", 0},
    };
    for (const auto& [text, port] : cases) {
        INFO(text);
        const auto block = error_in(text);
        REQUIRE(block);
        CHECK(refused_port(*block).value_or(0) == port);
    }
}

TEST_CASE("errors: own files come before libraries") {
    const auto place = [](std::string_view line) {
        const auto found = find_place(line);
        return found ? static_cast<int>(rank_of(*found, line, directory)) : -1;
    };
    const auto own = static_cast<int>(PlaceRank::own), library = static_cast<int>(PlaceRank::library);
    CHECK(place("    at f (/home/me/shop/a.js:1:2)") == own);
    CHECK(place("    at f (src/a.js:1:2)") == own);
    CHECK(place("    at f (/home/me/shop/node_modules/x/a.js:1:2)") == library);
    CHECK(place("    at f (/home/me/shopping/a.js:1:2)") == static_cast<int>(PlaceRank::elsewhere));
    CHECK(place("  File \"/home/me/shop/.venv/lib/python3.11/site-packages/a.py\", line 1, in f") == library);
    CHECK(place("\tat java.base/java.util.ArrayList.get(ArrayList.java:427)") == library);
    CHECK(place("http://localhost:3000/") == -1);
    CHECK(place("version 1.2.3:4") == -1);
    CHECK(place("    at http://localhost:5173/src/App.tsx?t=1700000000:5:10") == own);
    CHECK(to_string(shown_place(*find_place("at http://localhost:5173/src/App.tsx?t=17:5:10"), directory)) ==
          "src/App.tsx:5:10");
}

}  // namespace error_block_test
