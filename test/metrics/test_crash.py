"""kill -9 at random moments while samples are pushed, 100 times: every sample acknowledged is
there after the restart, and nothing that nobody sent.

GATEHOUSE_KILLS is another number of rounds, GATEHOUSE_SEED another course of them.
"""
import http.client
import os
import random
import statistics
import threading
import time
import unittest

from programs import MetricCase, MetricGate, now_ms
from remote_write import HEADERS, request, series, snappy

ROUNDS = int(os.environ.get("GATEHOUSE_KILLS", "100"))
SEED = int(os.environ.get("GATEHOUSE_SEED", "20240607"))
SECONDS_MAX = 90
SENDERS, SERIES = 3, 20


class Sender(threading.Thread):
    """Pushes one sample for each of its series again and again until nobody answers. The
    value tells the push: what comes back can be told from what never was sent."""

    def __init__(self, gate, number, round_, first, after_ms):
        super().__init__(daemon=True)
        self.gate, self.number, self.round, self.next, self.after_ms = gate, number, round_, first, after_ms
        self.acknowledged, self.sent, self.unexpected = [], [], []

    def labels(self, n):
        # Half of the series go on through all rounds, half are new in each.
        return {"__name__": "crash", "sender": str(self.number), "n": str(n), "round": str(self.round if n % 2 else 0)}

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.gate.port, timeout=10)
        headers = {**HEADERS, "authorization": f"Bearer {self.gate.keys['pusher']}"}
        at = self.after_ms  # a quick sender runs ahead of the clock, and the next one goes on from there
        try:
            while True:
                at = max(at + 1, now_ms())
                push, self.next = (at, float(self.next)), self.next + 1
                body = snappy(request([series(self.labels(n), [push]) for n in range(SERIES)]))
                self.sent.append(push)
                connection.request("POST", "/api/v1/write", body, headers)
                reply = connection.getresponse()
                content = reply.read()
                if reply.status == 204:
                    self.acknowledged.append(push)
                else:
                    self.unexpected.append((reply.status, content[:200]))
        except (OSError, http.client.HTTPException):
            pass  # killed
        finally:
            connection.close()


def samples_after(gate, begin_ms):
    """{(sender, n, round): {time: value}} of what lies after begin_ms."""
    window = max(1, (now_ms() - begin_ms) // 1000 + 2)
    reply = gate.ask("query", "POST", query=f"crash[{window}s]", time=time.time() + 1)
    assert reply.status == 200, reply
    return {tuple(each["metric"][name] for name in ("sender", "n", "round")):
            {round(1000 * at): float(value) for at, value in each["values"]} for each in reply.json["data"]["result"]}


class CrashTest(MetricCase):
    def check(self, found, senders, begin_ms):
        for sender in senders:
            sent = dict(sender.sent)
            for n in range(SERIES):
                labels = sender.labels(n)
                there = {at: value for at, value in found.get((labels["sender"], labels["n"], labels["round"]), {}).items()
                         if at >= begin_ms}
                lost = [push for push in sender.acknowledged if there.get(push[0]) != push[1]]
                self.assertEqual(lost, [], f"round {sender.round}, {labels}: {len(lost)} acknowledged samples are not there")
                invented = {at: value for at, value in there.items() if sent.get(at) != value}
                self.assertEqual(invented, {}, f"round {sender.round}, {labels}: samples that nobody sent")

    def test_kills(self):
        draw = random.Random(SEED)
        gate = self.started(MetricGate())
        began, restarts, samples, next_value, rounds, last_ms = time.monotonic(), [], 0, 1, 0, 0
        everything = []
        for round_ in range(1, ROUNDS + 1):
            if time.monotonic() - began > SECONDS_MAX:
                break
            begin_ms = max(now_ms(), last_ms + 1)
            senders = [Sender(gate, number, round_, next_value, last_ms) for number in range(SENDERS)]
            for sender in senders:
                sender.start()
            deadline = time.monotonic() + 5
            while not any(sender.acknowledged for sender in senders) and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(draw.random() * 0.3)
            gate.kill()
            for sender in senders:
                sender.join()
                self.assertEqual(sender.unexpected, [])
            next_value = max(sender.next for sender in senders)
            last_ms = max(sender.sent[-1][0] for sender in senders if sender.sent)
            self.assertTrue(any(sender.acknowledged for sender in senders))
            started = time.monotonic()
            gate.start()
            # Until it is ready, the log is still being read, and answers are of what is there so far.
            while gate.ask("/-/ready").status != 200 and time.monotonic() < started + 20:
                time.sleep(0.002)
            restarts.append(time.monotonic() - started)
            self.check(samples_after(gate, begin_ms), senders, begin_ms)
            samples += SERIES * sum(len(sender.acknowledged) for sender in senders)
            everything += senders
            rounds += 1
        # All rounds once more, after all those restarts: by their number, as one answer is bounded.
        total = gate.value("sum(count_over_time(crash[1h]))", time=time.time() + 1)
        self.assertGreaterEqual(total, samples)
        self.assertLessEqual(total, SERIES * sum(len(sender.sent) for sender in everything))
        restarts.sort()
        print(f"crash: {rounds} kills, {samples} samples acknowledged, none lost; from exec to ready "
              f"{statistics.median(restarts) * 1e3:.0f} ms in the middle, {restarts[-1] * 1e3:.0f} ms at most")
        self.assertEqual(rounds, ROUNDS, f"only so many in {SECONDS_MAX} s")


if __name__ == "__main__":
    unittest.main()
