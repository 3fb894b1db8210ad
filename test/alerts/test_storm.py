"""100,000 alerts at once, and receivers that do not answer: grouped, within bounds, nobody
else delayed, nothing dropped silently."""
import time
import unittest

from alert_programs import Alertmanager, Sink, alert, wait_until

ALERTS, JOBS, BATCH = 100_000, 100, 2_000
MEMORY_MIB_MAX = 500  # the whole program's promise


class Storm(unittest.TestCase):
    def test_a_storm_is_grouped_and_told(self):
        with Sink() as sink:
            config = {"route": {"receiver": "hook", "group_by": ["job"], "group_wait": "2s",
                                "group_interval": "30s"},
                      "receivers": [{"name": "hook", "webhook_configs": [{"url": sink.url("/a")}]}]}
            with Alertmanager("gatehouse", config) as program:
                begin = time.monotonic()
                for first in range(0, ALERTS, BATCH):
                    program.post([alert({"alertname": "Storm", "job": str(n % JOBS), "n": str(n),
                                         "severity": "page"}, summary=f"number {n}")
                                  for n in range(first, first + BATCH)])
                posted = time.monotonic() - begin
                told = lambda: {each["labels"]["n"] for arrival in sink.at("/a")
                                for each in arrival.body["alerts"]}
                wait_until(lambda: len(told()) == ALERTS, 90, "not all were told")
                # A group that was flushed while they came in is told twice: once of the rest.
                self.assertLessEqual(len(sink.at("/a")), 3 * JOBS)
                peak = program.memory()
                print(f"{ALERTS} alerts posted in {posted:.1f} s, told by {len(sink.at('/a'))} webhooks; "
                      f"peak {peak:.0f} MiB", flush=True)
                self.assertLess(peak, MEMORY_MIB_MAX)

    def test_one_alert_too_many_is_refused_loudly(self):
        with Sink() as sink:
            config = {"route": {"receiver": "hook"},
                      "receivers": [{"name": "hook", "webhook_configs": [{"url": sink.url("/a")}]}]}
            with Alertmanager("gatehouse", config) as program:
                status, body = program.ask("POST", "/api/v2/alerts", [alert({"": "x"}), alert({"alertname": "B"})])
                self.assertEqual(status, 400, body)
                self.assertEqual([each["labels"]["alertname"] for each in program.get("/api/v2/alerts")], ["B"])

    def test_receivers_that_hang_or_fail_delay_nobody(self):
        with Sink() as sink:
            sink.hangs.add("/hangs")
            sink.status["/fails"] = 500
            hooks = [{"url": sink.url(path)} for path in ("/hangs", "/fails", "/good")]
            config = {"route": {"receiver": "three", "group_by": ["job"], "group_wait": "200ms",
                                "group_interval": "2s"},
                      "receivers": [{"name": "three", "webhook_configs": hooks}]}
            with Alertmanager("gatehouse", config) as program:
                for job in range(100):
                    program.post([alert({"alertname": "A", "job": str(job)})])
                posted = time.monotonic()
                sink.wait("/good", lambda all: len(all) == 100, 5)
                self.assertLess(sink.at("/good")[-1].at - posted, 2)
                # What comes later is told in its interval too, again and again.
                for turn in range(3):
                    program.post([alert({"alertname": "A", "job": "7", "turn": str(turn)})])
                    said = time.monotonic()
                    sink.wait("/good", lambda all: any(
                        each["labels"].get("turn") == str(turn) for one in all for each in one.body["alerts"]), 6)
                    self.assertLess(time.monotonic() - said, 3.5)
                # Those that fail are tried again, ever more slowly.
                self.assertGreater(len(sink.at("/fails")), 100)
                self.assertLess(len(sink.at("/fails")), 2_000)
                sink.status["/fails"] = 200
                sink.wait("/fails", lambda all: len({one.body["groupKey"] for one in all}) == 100, 30)


if __name__ == "__main__":
    unittest.main()
