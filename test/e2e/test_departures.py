"""Clients that leave: the upstream's call is closed within 50 ms, wherever it was.

The client's moment of leaving and the mock's of seeing its connection closed are on the
same clock. A machine that is busy with other things stalls all three for a moment, so the
bound holds for 99 of 100 here, in the best of three rounds; that every call is closed holds
in each. `bench/run departures` is the measurement, of 10,000."""
import json
import random
import socket
import time
import unittest

from gate import CHAT, CHAT_PATH, GateCase, model, upstream, wait_until

CLOSED_WITHIN_MS = 50
NEVER_OPEN = {"consecutive_failures": 100000, "failure_ratio": 1, "requests_min": 100000, "outlier_margin": 0}


class DeparturesTest(GateCase):
    def leave(self, gate, count, body, after_ms, at_a_time=32):
        """Lets `count` clients call and leave after a random time; {id: ns of leaving}."""
        left, opened = {}, 0
        self.rounds = getattr(self, "rounds", 0) + 1
        going = []  # (due, id, socket)
        while opened < count or going:
            while opened < count and len(going) < at_a_time:
                call_id = f"{self.id()}-{self.rounds}-{opened}"
                text = json.dumps(body(call_id))
                peer = socket.create_connection(("127.0.0.1", gate.port), 5)
                peer.sendall((f"POST {CHAT_PATH} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {gate.keys['caller']}\r\n"
                              f"Content-Length: {len(text)}\r\n\r\n").encode())
                if opened % 4 == 0:
                    time.sleep(0.001)  # the body comes when the head has been read
                peer.sendall(text.encode())
                going.append((time.monotonic() + random.uniform(*after_ms) / 1000, call_id, peer))
                opened += 1
            going.sort(key=lambda each: each[0])
            due, call_id, peer = going.pop(0)
            time.sleep(max(0, due - time.monotonic()))
            left[call_id] = time.monotonic_ns()
            peer.close()
        return left

    def assert_closed(self, what, gate, *departures, **more):
        p99 = self.p99_ms(what, gate, self.leave(gate, *departures, **more))
        for _ in range(2):
            if p99 > CLOSED_WITHIN_MS:
                p99 = self.p99_ms(what, gate, self.leave(gate, *departures, **more))
        self.assertLessEqual(p99, CLOSED_WITHIN_MS)
        self.assertEqual(gate.chat().status, 200)

    def p99_ms(self, what, gate, left):
        self.assertTrue(wait_until(lambda: self.mock.stats()["in_flight"] == 0, 5), self.mock.stats())
        calls = self.mock.calls()
        delays = sorted((calls[each]["ended_ns"] - moment) / 1e6 for each, moment in left.items()
                        if each in calls and calls[each]["ended_ns"] > moment)
        self.assertGreater(len(delays), len(left) // 4, "too few were still going when their client left")
        p99 = delays[len(delays) * 99 // 100]
        print(f"departures, {what}: {len(left)} left, {len(delays)} while upstream was busy; closed after "
              f"p50 {delays[len(delays) // 2]:.1f} ms, p99 {p99:.1f} ms, max {delays[-1]:.1f} ms")
        return p99

    def make(self, **more):
        return self.gate({"upstreams": [upstream(self.mock, breaker=NEVER_OPEN, **more)], "models": [model()]})

    def test_while_the_head_of_the_reply_is_awaited(self):
        gate = self.make()
        self.assert_closed("before the head", gate, 400, lambda i: {**CHAT, "mock": {"id": i, "stall_before_headers": True}}, (5, 150))

    def test_amid_a_stream(self):
        gate = self.make()
        self.assert_closed("amid a stream", gate, 400, lambda i: {**CHAT, "stream": True, "mock": {"id": i, "token_ms": 20, "tokens": 500}}, (5, 300))

    def test_amid_a_silent_stream(self):
        gate = self.make()
        self.assert_closed("amid a silent stream", gate, 200, lambda i: {**CHAT, "stream": True, "mock": {"id": i, "stall_after_events": 2}}, (20, 150))

    def test_amid_a_long_body_that_the_client_does_not_read(self):
        gate = self.make()
        self.assert_closed("amid a body", gate, 30, lambda i: {**CHAT, "mock": {"id": i, "body_bytes": 50_000_000}}, (100, 300), at_a_time=4)

    def test_in_the_pause_before_a_retry(self):
        """Nothing is open upstream then: nothing may be opened after."""
        gate = self.make(retry={"budget_ratio": 1})
        for _ in range(30):
            gate.chat()
        before = self.mock.requests("mock")
        left = self.leave(gate, 10, lambda i: {**CHAT, "mock": {"id": i, "fail_status": 503, "retry_after_ms": 800}}, (100, 300))
        time.sleep(1.2)
        self.assertEqual(self.mock.requests("mock") - before, len(left))

    def test_in_the_queue_for_a_connection(self):
        """One connection a thread: those behind wait in the gate. Who leaves there never calls."""
        gate = self.gate({"server": {"listen": "127.0.0.1:0", "threads": 1},
                          "upstreams": [upstream(self.mock, connections_max=1, breaker=NEVER_OPEN)], "models": [model()]})
        text = json.dumps({**CHAT, "mock": {"id": "holder", "latency_ms": 1500}})
        with socket.create_connection(("127.0.0.1", gate.port), 5) as first:
            first.sendall((f"POST {CHAT_PATH} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {gate.keys['caller']}\r\n"
                           f"Content-Length: {len(text)}\r\n\r\n{text}").encode())
            self.assertTrue(wait_until(lambda: self.mock.stats()["in_flight"] == 1, 3))
            left = self.leave(gate, 30, lambda i: {**CHAT, "mock": {"id": i}}, (50, 400))
            first.recv(65536)
        time.sleep(0.3)
        self.assertEqual([each for each in left if self.mock.calls(each)], [])
        self.assertEqual(gate.chat().status, 200)


if __name__ == "__main__":
    unittest.main()
