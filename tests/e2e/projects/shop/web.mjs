// Shows the orders, as the API knows them.
import http from "node:http";

const api = process.env.API;
http
  .createServer((request, response) => {
    http
      .get(api + "/orders", (answer) => {
        answer.setEncoding("utf8");
        let text = "";
        answer.on("data", (part) => (text += part));
        answer.on("end", () => {
          const lines = JSON.parse(text).map((order) => `${order.what}: ${order.is_done ? "done" : "open"}`);
          response.end(`orders: ${lines.join(", ") || "none"}\n`);
        });
      })
      .on("error", () => {
        response.statusCode = 502;
        response.end("the API does not answer\n");
      });
  })
  .listen(Number(process.env.PORT), "127.0.0.1");
