"""What is tried again, when, how often, and what is not."""
import email.utils
import threading
import time
import unittest

from gate import CHAT_PATH, GateCase, model, upstream

# Pauses short enough for a test, and a budget that no single test runs out of.
FAST = {"initial": "20ms", "budget_ratio": 1}
NEVER_OPEN = {"consecutive_failures": 100000, "failure_ratio": 1, "requests_min": 100000, "outlier_margin": 0}


class RetryTest(GateCase):
    def setUp(self):
        super().setUp()
        self.fast = self.gate({"upstreams": [upstream(self.mock, retry=FAST, breaker=NEVER_OPEN)]})
        for _ in range(50):  # calls that go well earn the budget that the retries are paid from
            self.assertEqual(self.fast.chat().status, 200)

    def test_a_call_that_fails_at_first_succeeds(self):
        for status in (408, 409, 429, 500, 502, 503, 504):
            with self.subTest(status=status):
                reply = self.fast.chat(mock={"id": f"s{status}", "fail_status": status, "fail_first": 2})
                self.assertEqual((reply.status, reply.headers["x-gatehouse-attempts"]), (200, "3"))
                self.assertEqual(len(self.mock.calls(f"s{status}")["attempts"]), 3)

    def test_what_the_caller_did_wrong_is_not_tried_again(self):
        for status in (400, 404, 413, 422):
            with self.subTest(status=status):
                reply = self.fast.chat(mock={"id": f"f{status}", "fail_status": status})
                self.assertEqual((reply.status, reply.headers["x-gatehouse-attempts"]), (status, "1"))
                self.assertIn("message", reply.error)

    def test_it_gives_up_after_its_retries_and_passes_the_last_reply_on(self):
        reply = self.fast.chat(mock={"id": "g", "fail_status": 503})
        self.assertEqual((reply.status, reply.headers["x-gatehouse-attempts"]), (503, "4"))
        self.assertEqual(len(self.mock.calls("g")["attempts"]), 4)

    def paused_ms(self, call_id):
        first, second = self.mock.calls(call_id)["attempts"][:2]
        return (second["started_ns"] - first["ended_ns" if "ended_ns" in first else "finished_ns"]) / 1e6

    def test_the_pause_that_the_upstream_asks_for_is_kept(self):
        for name, asked, least, most in [("ms", {"retry_after_ms": 300}, 300, 1500),
                                         ("seconds", {"retry_after": "1"}, 1000, 2500),
                                         ("date", {"retry_after": "in two seconds"}, 900, 3500)]:
            if name == "date":  # which names a whole second, up to one before what is meant
                asked = {"retry_after": email.utils.formatdate(time.time() + 2, usegmt=True)}
            with self.subTest(name):
                reply = self.fast.chat(mock={"id": name, "fail_status": 429, "fail_first": 1, **asked})
                self.assertEqual(reply.status, 200)
                paused = self.paused_ms(name)
                self.assertTrue(least - 2 <= paused <= most, f"{name}: {paused} ms")

    def test_ms_come_before_seconds(self):
        begin = time.monotonic()
        reply = self.fast.chat(mock={"id": "both", "fail_status": 429, "fail_first": 1, "retry_after": "20",
                                     "retry_after_ms": 50})
        self.assertEqual(reply.status, 200)
        self.assertLess(time.monotonic() - begin, 5)

    def test_a_pause_beyond_the_cap_is_the_clients_to_wait(self):
        begin = time.monotonic()
        reply = self.fast.chat(mock={"id": "long", "fail_status": 429, "retry_after": "3600"})
        self.assertEqual((reply.status, reply.headers["retry-after"]), (429, "3600"))
        self.assertEqual(reply.headers["x-gatehouse-attempts"], "1")
        self.assertLess(time.monotonic() - begin, 5)

    def test_x_should_retry(self):
        reply = self.fast.chat(mock={"id": "no", "fail_status": 503, "should_retry": "false"})
        self.assertEqual((reply.status, reply.headers["x-gatehouse-attempts"]), (503, "1"))
        reply = self.fast.chat(mock={"id": "yes", "fail_status": 400, "fail_first": 1, "should_retry": "true"})
        self.assertEqual((reply.status, reply.headers["x-gatehouse-attempts"]), (200, "2"))

    def test_a_connection_that_is_cut_before_the_reply(self):
        for how in ({"cut": "before-headers"}, {"cut": "before-headers", "cut_reset": True}, {"cut": "mid-headers"},
                    {"cut": "mid-body"}):
            with self.subTest(**how):
                reply = self.fast.chat(mock=how)
                self.assert_error(reply, 502, "connection_lost")
                self.assertEqual(reply.headers["x-gatehouse-attempts"], "4")

    def test_an_upstream_that_is_not_there(self):
        gate = self.gate({"upstreams": [upstream(self.mock, url="http://127.0.0.1:1/v1", retry=FAST)]})
        reply = gate.chat()
        self.assert_error(reply, 502, "connect_failed")


class RetryBudgetTest(GateCase):
    CALLS = 1200

    def test_an_upstream_that_answers_only_429_sees_a_tenth_more_than_the_calls(self):
        """A thousand calls and more: at most 1.1 attempts each, the first ones included."""
        gate = self.gate({"upstreams": [upstream(self.mock, retry={"initial": "5ms"}, breaker=NEVER_OPEN)]})
        self.mock.behave(fail_status=429)
        before = self.mock.requests("mock")
        left = [self.CALLS]
        lock = threading.Lock()

        def caller():
            while True:
                with lock:
                    if left[0] == 0:
                        return
                    left[0] -= 1
                reply = gate.chat()
                assert reply.status == 429, reply

        callers = [threading.Thread(target=caller) for _ in range(8)]
        for each in callers:
            each.start()
        for each in callers:
            each.join()
        attempts = self.mock.requests("mock") - before
        print(f"all-429: {attempts} attempts for {self.CALLS} calls, {attempts / self.CALLS:.3f} a call")
        self.assertGreater(attempts, self.CALLS)  # it did retry
        self.assertLessEqual(attempts, 1.1 * self.CALLS)


class FallbackTest(GateCase):
    def make(self, **more):
        return self.gate({"upstreams": [upstream(self.mock, "a", retry=FAST, breaker=NEVER_OPEN, **more),
                                        upstream(self.mock, "b", retry=FAST, breaker=NEVER_OPEN)],
                          "models": [model("gpt", {"upstream": "a", "model": "gpt-at-a"},
                                           {"upstream": "b", "order": 1, "model": "gpt-at-b"})]})

    def test_the_second_upstream_takes_over(self):
        gate = self.make()
        self.assertEqual(gate.chat().headers["x-gatehouse-upstream"], "a")
        for failure in ({"fail_status": 500}, {"fail_status": 429}, {"fail_status": 401}, {"fail_status": 404},
                        {"cut": "mid-headers"}, {"error_in_200": True}):
            with self.subTest(**failure):
                self.mock.behave("a", **failure)
                reply = gate.chat()
                self.assertEqual((reply.status, reply.headers["x-gatehouse-upstream"]), (200, "b"))
                self.assertEqual(reply.headers["x-gatehouse-attempts"], "2")
                self.assertEqual(reply.json["model"], "gpt-at-b")

    def test_a_bad_request_is_not_tried_elsewhere(self):
        gate = self.make()
        self.mock.behave("a", fail_status=400)
        reply = gate.chat()
        self.assertEqual((reply.status, reply.headers["x-gatehouse-upstream"]), (400, "a"))
        self.assertEqual(self.mock.requests("b"), 0)

    def test_the_gates_own_credential_is_the_operators_matter(self):
        gate = self.gate({"upstreams": [upstream(self.mock, "a")], "models": [model("gpt", "a")]})
        self.mock.behave("a", expect_auth="another")
        self.assert_error(gate.chat(), 502, "upstream_credential")

    def test_credentials_reach_the_upstream_and_the_callers_do_not(self):
        gate = self.gate({"upstreams": [upstream(self.mock, "a", headers={"x-team": "search"})],
                          "models": [model("gpt", "a")]})
        gate.post(CHAT_PATH, {"model": "gpt", "messages": [], "mock": {"id": "seen", "echo": True}},
                  x_gatehouse_session="s1", x_own="kept", cookie="a=b")
        request = str(self.mock.calls("seen")).lower()
        self.assertIn("sk-upstream", request)
        self.assertIn("x-team", request)
        self.assertIn("x-own", request)
        for absent in ("gh_", "x-gatehouse-session", "cookie"):
            self.assertNotIn(absent, request)


class BreakerTest(GateCase):
    def test_it_opens_half_opens_and_closes(self):
        gate = self.gate({"upstreams": [upstream(self.mock, retry={"retries": 0}, breaker={
            "consecutive_failures": 5, "open": "700ms", "requests_min": 1000})]}, keys={"viewer": ["--role", "viewer"]})
        self.mock.behave("mock", fail_status=500)
        for _ in range(5):
            self.assertEqual(gate.chat().status, 500)
        refused = gate.chat()
        self.assert_error(refused, 503, "upstreams_unavailable")
        self.assertGreaterEqual(int(refused.headers["retry-after"]), 1)
        self.assertEqual(self.mock.requests("mock"), 5)  # the open breaker lets nothing through
        self.assertEqual(gate.metric("gatehouse_breaker_state", "viewer", gatehouse_upstream="mock"), 2)

        time.sleep(0.8)  # half open: one probe, which fails, and it is open again
        self.assertEqual(gate.chat().status, 500)
        self.assertEqual(gate.chat().status, 503)
        self.assertEqual(self.mock.requests("mock"), 6)

        self.mock.behave("mock")
        time.sleep(0.8)
        self.assertEqual(gate.chat().status, 200)
        self.assertEqual([gate.chat().status for _ in range(5)], [200] * 5)

    def test_half_open_lets_one_probe_pass_among_many_calls(self):
        gate = self.gate({"upstreams": [upstream(self.mock, retry={"retries": 0}, breaker={
            "consecutive_failures": 3, "open": "500ms", "requests_min": 1000})]})
        self.mock.behave("mock", fail_status=500)
        for _ in range(3):
            gate.chat()
        self.mock.behave("mock", latency_ms=300)
        time.sleep(0.6)
        statuses = []
        callers = [threading.Thread(target=lambda: statuses.append(gate.chat().status)) for _ in range(10)]
        for each in callers:
            each.start()
        for each in callers:
            each.join()
        self.assertEqual(sorted(statuses), [200] + [503] * 9)

    def test_a_long_retry_after_keeps_it_open(self):
        gate = self.gate({"upstreams": [upstream(self.mock, retry={"retries": 0}, breaker={
            "consecutive_failures": 2, "open": "100ms", "requests_min": 1000})]})
        self.mock.behave("mock", fail_status=503, retry_after="60")
        gate.chat(), gate.chat()
        time.sleep(0.3)
        refused = gate.chat()
        self.assert_error(refused, 503, "upstreams_unavailable")
        self.assertGreater(int(refused.headers["retry-after"]), 50)


if __name__ == "__main__":
    unittest.main()
