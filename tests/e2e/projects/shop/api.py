"""GET /healthz, GET /orders, POST /orders (what is ordered), POST /done (the order's number)."""
import http.server
import json
import os
import sqlite3


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, what):
        body = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/healthz":
            return self.answer(200, "well")
        if self.path != "/orders":
            return self.answer(404, "no such page")
        with sqlite3.connect("shop.db") as database:
            rows = database.execute("select id, what, is_done from orders order by id").fetchall()
        return self.answer(200, [{"id": id, "what": what, "is_done": bool(done)} for id, what, done in rows])

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with sqlite3.connect("shop.db") as database:
            if self.path == "/done":
                database.execute("update orders set is_done = 1 where id = ?", (int(text),))
            else:
                database.execute("insert into orders (what) values (?)", (text,))
        return self.answer(201, "done")

    def log_message(self, form, *arguments):
        if self.path != "/orders" or self.command != "GET":
            print(form % arguments)


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
