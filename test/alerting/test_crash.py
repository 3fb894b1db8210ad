"""kill -9 while alerts are pending and firing: what is pending keeps its time, what fires
goes on firing, and nobody is told that it is over."""
import json
import threading
import time

from remote_write import request, snappy
from rule_programs import FakeAlertmanager, MetricCase, RuleGate, alerting, group, now_ms, series, wait_until

RULES = {"groups": [
    group("g",
          {"alert": "Pending", "expr": "load > 1", "for": "1h"},
          {"alert": "Firing", "expr": "load > 1", "for": "3s", "annotations": {"summary": "at {{ $value }}"}},
          {"record": "load:double", "expr": "load * 2"})]}
ROUNDS = 4


class CrashTest(MetricCase):
    def push(self):
        while not self.ended.wait(0.2):
            try:
                self.gate.push_bytes(snappy(request([series({"__name__": "load", "host": "h"}, [(now_ms(), 2)])])), timeout=5)
            except OSError:
                pass  # it was killed

    def states(self):
        return {each["labels"]["alertname"]: each for each in self.gate.alerts()}

    def firing(self):
        return self.states().get("Firing", {}).get("state") == "firing"

    def test_state_survives(self):
        told = FakeAlertmanager()
        self.addCleanup(told.close)
        self.gate = self.started(RuleGate(RULES, prometheus={"alerting": alerting(told.port)}))
        self.ended = threading.Event()
        feeder = threading.Thread(target=self.push, daemon=True)
        feeder.start()
        self.addCleanup(lambda: (self.ended.set(), feeder.join()))
        self.assertTrue(wait_until(self.firing, 20), self.gate.alerts())
        first = self.states()["Pending"]["activeAt"]
        began = time.time()
        for round_ in range(ROUNDS):
            down = time.time()
            self.gate.kill()
            self.gate.start()
            # Neither waits out its `for` again: three seconds are not over.
            self.assertTrue(wait_until(self.firing, 20), self.gate.alerts())
            self.assertLess(time.time() - down, 12)
            self.assertTrue(wait_until(lambda: self.gate.rule("Pending")["alerts"], 5))
            shown = self.states()["Pending"]
            self.assertEqual(shown["state"], "pending")
            # What the outage took is not counted, a second or two each time; no more is lost.
            late = self.seconds(shown["activeAt"]) - self.seconds(first)
            self.assertLess(late, time.time() - began)
            self.assertLess(late, 4.0 * (round_ + 1))
            self.assertGreaterEqual(late, -1.5)  # written in whole seconds
        self.assertTrue(wait_until(lambda: any(each["labels"]["alertname"] == "Firing" for each in told.received)))
        over = [each for each in told.received if self.seconds(each["endsAt"]) <= self.seconds(each["startsAt"]) + 1]
        self.assertEqual(over, [], "an alert that fires was called resolved")
        self.assertEqual({each["labels"]["alertname"] for each in told.received}, {"Firing"})
        # As far as queries see, too: it never stopped for longer than a start takes.
        gaps = self.gate.data("query", query='max(changes(ALERTS{alertname="Firing",alertstate="firing"}[5m]))')
        self.assertEqual(float(gaps["result"][0]["value"][1]), 0)

    @staticmethod
    def seconds(text):
        from datetime import datetime
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()

    def test_what_is_over_meanwhile_resolves_after_the_start(self):
        told = FakeAlertmanager()
        self.addCleanup(told.close)
        self.gate = self.started(RuleGate(RULES, prometheus={"alerting": alerting(told.port)}))

        def push(value):
            self.gate.push_bytes(snappy(request([series({"__name__": "load", "host": "h"}, [(now_ms(), value)])])))
        push(2)
        self.assertTrue(wait_until(self.firing, 20))
        self.gate.kill()
        self.gate.start()
        self.assertTrue(wait_until(self.firing, 20))
        push(0)
        self.assertTrue(wait_until(lambda: not self.states(), 10), self.gate.alerts())
        self.assertTrue(wait_until(lambda: any(self.seconds(each["endsAt"]) < time.time() for each in told.received), 10))
        # All of it is written down, what was before the kill as well.
        self.gate.stop()
        written = [json.loads(line) for line in self.gate.run("records", "--stream", "alerts").stdout.splitlines()]
        kinds = [each["attributes"]["kind"] for each in written if each["attributes"]["source"] == "rules"
                 and each["attributes"]["alertname"] == "Firing"]
        self.assertEqual(kinds, ["pending", "firing", "pending", "firing", "resolved"])
