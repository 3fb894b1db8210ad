"""Limits of keys and models: exact under concurrency, and kept over restarts and kill -9."""
import http.client
import json
import threading
import time
import unittest

from gate import CHAT, CHAT_PATH, GateCase, model, upstream, wait_until

# A thousand dollars a million tokens: a token is 0.1 cent.
PRICES = [{"model": "gpt", "input": 1000, "output": 1000}]
NANO = 1_000_000_000


def at_once(count, work):
    """Runs `work(i)` on `count` threads that begin together; its results."""
    results, ready = [None] * count, threading.Barrier(count)

    def one(i):
        ready.wait()
        results[i] = work(i)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return results


class RatesTest(GateCase):
    def test_requests_a_minute(self):
        gate = self.gate(keys={"k": ["--requests-per-minute", "10"]})
        statuses = [reply.status for reply in at_once(30, lambda i: gate.chat("k"))]
        self.assertEqual((statuses.count(200), statuses.count(429)), (10, 20))
        self.assertEqual(gate.chat().status, 200)  # another key has its own

    def test_tokens_a_minute_settle_on_what_was_used(self):
        gate = self.gate(keys={"k": ["--tokens-per-minute", "3000"]})
        small = {"prompt_tokens": 10, "tokens": 10}
        for _ in range(8):  # reserved at some 260 each, settled at 20
            self.assertEqual(gate.chat("k", mock=small).status, 200)
        self.assertEqual(gate.chat("k", mock={"prompt_tokens": 5000, "tokens": 1}).status, 200)
        refused = gate.chat("k")
        self.assert_error(refused, 429, "rate_limit_exceeded")
        self.assertGreater(int(refused.headers["retry-after"]), 20)
        self.assertEqual(refused.headers["x-ratelimit-limit-tokens"], "3000")

    def test_calls_at_a_time(self):
        gate = self.gate(keys={"k": ["--concurrent", "4"]})
        replies = at_once(12, lambda i: gate.chat("k", mock={"latency_ms": 500}))
        statuses = [reply.status for reply in replies]
        self.assertEqual((statuses.count(200), statuses.count(429)), (4, 8))
        self.assertEqual(gate.chat("k").status, 200)  # the places are free again

    def test_a_client_that_leaves_gives_its_place_back(self):
        gate = self.gate(keys={"k": ["--concurrent", "1"]})
        with self.assertRaises(TimeoutError):
            gate.chat("k", timeout=0.2, mock={"latency_ms": 60000})
        self.assertTrue(wait_until(lambda: gate.chat("k").status == 200, 3))

    def test_a_models_limits_hold_over_all_keys(self):
        gate = self.gate({"upstreams": [upstream(self.mock)],
                          "models": [model("gpt", limits={"requests_per_minute": 6})]}, keys={"other": []})
        statuses = [gate.chat(key).status for key in ("caller", "other") * 5]
        self.assertEqual((statuses.count(200), statuses.count(429)), (6, 4))


class MoneyTest(GateCase):
    # 20 tokens at 0.1 cent: two cents a call, fifty calls a dollar.
    USAGE = {"prompt_tokens": 15, "tokens": 5}

    def spent_usd(self, gate):
        return sum(record["attributes"].get("gatehouse.cost_nanousd", 0) for record in gate.records()) / NANO

    def config(self):
        return {"upstreams": [upstream(self.mock)], "models": [model()], "prices": PRICES}

    def thousand_calls(self, gate, key):
        """A thousand calls that are all open before the first is answered."""
        body = json.dumps({**CHAT, "max_tokens": 5, "mock": {**self.USAGE, "latency_ms": 200}})
        connections = []
        for _ in range(1000):
            connection = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=60)
            connection.connect()
            connections.append(connection)
        for connection in connections:
            connection.request("POST", CHAT_PATH, body, gate.headers(key))
        statuses = []
        for connection in connections:
            statuses.append(connection.getresponse().status)
            connection.close()
        return statuses

    def test_a_thousand_calls_at_once_on_a_one_dollar_key(self):
        gate = self.gate(self.config(), keys={"k": ["--daily-usd", "1"]})
        statuses = self.thousand_calls(gate, "k")
        self.assertEqual(statuses.count(200) + statuses.count(429), 1000)
        # What was reserved and not used comes back: those who ask again fill the dollar.
        while gate.chat("k", max_tokens=5, mock=self.USAGE).status == 200:
            pass
        gate.stop()
        spent = self.spent_usd(gate)
        print(f"one dollar, 1,000 calls at once: {statuses.count(200)} passed at first, {spent:.2f} dollars spent in the end")
        self.assertLessEqual(spent, 1.0)
        # What is left is less than the worst case of one more call: its messages' bytes,
        # what a template may add, and the answer, at 0.1 cent each.
        self.assertGreater(spent, 0.9)

    def test_spend_survives_a_restart_and_kill_9(self):
        gate = self.gate(self.config(), keys={"k": ["--daily-usd", "1"]})
        for i in range(40):
            self.assertEqual(gate.chat("k", max_tokens=5, mock=self.USAGE).status, 200)
            if i == 12:
                gate.stop()
                gate.start()
            if i in (20, 30):
                gate.kill()
                gate.start()
        served = 40
        while gate.chat("k", max_tokens=5, mock=self.USAGE).status == 200:
            served += 1
            self.assertLessEqual(served, 50)
        gate.kill()
        gate.start()
        self.assert_error(gate.chat("k", max_tokens=5, mock=self.USAGE), 429, "budget_exceeded")
        self.assertGreaterEqual(served, 42)

    def test_rates_survive_a_restart(self):
        gate = self.gate(keys={"k": ["--requests-per-minute", "5"]})
        for _ in range(5):
            self.assertEqual(gate.chat("k").status, 200)
        gate.stop()
        gate.start()
        self.assertEqual(gate.chat("k").status, 429)
        gate.kill()
        gate.start()
        self.assertEqual(gate.chat("k").status, 429)

    def test_what_an_upstream_reports_over_the_estimate_is_counted(self):
        gate = self.gate(self.config(), keys={"k": ["--daily-usd", "1"]})
        self.assertEqual(gate.chat("k", max_tokens=5, mock={"prompt_tokens": 900, "tokens": 99}).status, 200)
        self.assert_error(gate.chat("k", max_tokens=5, mock=self.USAGE), 429, "budget_exceeded")

    def test_a_call_that_failed_costs_nothing(self):
        gate = self.gate(self.config(), keys={"k": ["--daily-usd", "1"]})
        for _ in range(5):
            self.assertEqual(gate.chat("k", mock={"fail_status": 400}, max_tokens=400).status, 400)
        gate.stop()
        self.assertEqual(self.spent_usd(gate), 0)


if __name__ == "__main__":
    unittest.main()
