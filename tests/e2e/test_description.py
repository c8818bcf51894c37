"""What a process is for, from whoever starts it to everybody who looks."""
import harness


class Description(harness.TestCase):
    def test_it_is_kept_and_shown(self):
        self.start("web", ["sleep", "1000"], "--description", "the shop's front end")
        started = self.mcp().call(
            "start_process", command="sleep 1001", working_directory=str(self.place.work), description="a queue"
        )
        self.assertEqual(started.result["structuredContent"]["description"], "a queue")
        self.assertIn("a queue", self.mcp().call("list_processes", process="p2").text)
        for _ in range(2):
            self.assertEqual(self.view("web")["description"], "the shop's front end")
            self.assertEqual(self.view("p2")["description"], "a queue")
            self.assertIn(b"the shop's front end", self.ok("status", "web").out)
            self.assertIn(b"the shop's front end", self.ok("list", "-o", "wide").out)
            self.assertNotIn(b"the shop's front end", self.ok("list").out)
            self.daemon.kill()
            self.daemon.restart()
        refused = self.mcp().call(
            "start_process", command="true", working_directory=str(self.place.work), description="x" * 201
        )
        self.assertTrue(refused.is_error)
        self.assertOneLine(refused.text.encode(), "description", "200")
        for text in ("two\nlines", "a\0b", "a\u202eb", "\u200b", "\x1b[2J"):
            refused = self.mcp().call(
                "start_process", command="true", working_directory=str(self.place.work), description=text
            )
            self.assertTrue(refused.is_error)
            self.assertOneLine(refused.text.encode(), "description")
        finished = self.cli("start", "--description", "a\tb", "--", "true")
        self.assertEqual(finished.code, 2)
        self.assertOneLine(finished.err, "description", "control")


if __name__ == "__main__":
    harness.main()
