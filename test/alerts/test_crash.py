"""kill -9 while alerts come in and are told: what was acknowledged is told, and told twice at
most as often as the program was killed.

GATEHOUSE_KILLS is another number of rounds, GATEHOUSE_SEED another course of them.
"""
import collections
import http.client
import os
import random
import signal
import time
import unittest

from alert_programs import Alertmanager, Sink, alert

ROUNDS = int(os.environ.get("GATEHOUSE_KILLS", "15"))
SEED = int(os.environ.get("GATEHOUSE_SEED", "20260301"))


class Crash(unittest.TestCase):
    def test_none_lost_and_one_duplicate_at_most(self):
        course = random.Random(SEED)
        print(f"seed {SEED}, {ROUNDS} kills", flush=True)
        with Sink() as sink:
            config = {"route": {"receiver": "hook", "group_by": ["..."], "group_wait": "100ms",
                                "group_interval": "1s", "repeat_interval": "1h"},
                      "receivers": [{"name": "hook", "webhook_configs": [{"url": sink.url("/a")}]}]}
            with Alertmanager("gatehouse", config) as program:
                acknowledged, number = [], 0
                for _ in range(ROUNDS):
                    until = time.monotonic() + course.uniform(0.05, 1.2)
                    while time.monotonic() < until:
                        names = [str(number + n) for n in range(5)]
                        number += 5
                        try:
                            program.post([alert({"alertname": "A", "n": name}) for name in names])
                        except (OSError, http.client.HTTPException):
                            break
                        acknowledged += names
                        time.sleep(0.01)
                    program.restart(signal.SIGKILL)
                told = lambda: collections.Counter(
                    each["labels"]["n"] for arrival in sink.at("/a") for each in arrival.body["alerts"])
                sink.wait("/a", lambda _: set(told()) >= set(acknowledged), 30)
                time.sleep(2.5)  # nothing more comes of its own
                counts = told()
                twice = sum(1 for count in counts.values() if count > 1)
                print(f"{len(acknowledged)} alerts acknowledged, {twice} told twice", flush=True)
                self.assertLessEqual(max(counts.values()), 2)
                # All are known as firing still: none resolved by being away.
                self.assertFalse([each for arrival in sink.at("/a") for each in arrival.body["alerts"]
                                  if each["status"] != "firing"])
                known = {each["labels"]["n"] for each in program.get("/api/v2/alerts")}
                self.assertGreaterEqual(known, set(acknowledged))


if __name__ == "__main__":
    unittest.main()
