"""Replies that are not as they should be: cut, late, lying, huge, garbage."""
import json
import threading
import time
import unittest

from gate import CHAT, CHAT_PATH, GateCase, exchange, model, upstream

ONCE = {"retries": 0}
NEVER_OPEN = {"consecutive_failures": 100000, "failure_ratio": 1, "requests_min": 100000, "outlier_margin": 0}


class ReplyCase(GateCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.once = cls.make_once()

    @classmethod
    def make_once(cls, **more):
        from gate import Gate
        made = Gate(cls.mock, {"upstreams": [upstream(cls.mock, retry=ONCE, breaker=NEVER_OPEN, **more)]})
        cls.addClassCleanup(made.close)
        return made

    def tearDown(self):
        self.assertTrue(self.once.alive, self.once.log_text()[-2000:])


class TimeoutsTest(ReplyCase):
    """Each timeout has an error of its own."""

    def of(self, **timeouts):
        return self.gate({"upstreams": [upstream(self.mock, retry=ONCE, timeouts=timeouts)]})

    def in_time(self, gate, code, **how):
        begin = time.monotonic()
        reply = gate.chat(**how)
        self.assertLess(time.monotonic() - begin, 3)
        self.assert_error(reply, 504, code)
        return reply

    def test_first_byte(self):
        self.in_time(self.of(first_byte="200ms"), "first_byte_timeout", mock={"stall_before_headers": True})

    def test_first_token(self):
        gate = self.of(first_token="200ms")
        self.in_time(gate, "first_token_timeout", stream=True, mock={"ttft_ms": 5000})

    def test_total_in_one_attempt(self):
        self.in_time(self.of(total="300ms"), "total_timeout", mock={"stall_before_headers": True})

    def test_total_over_attempts_and_their_pauses(self):
        gate = self.gate({"upstreams": [upstream(self.mock, retry={"budget_ratio": 1, "retries": 20},
                                                 timeouts={"total": "700ms"})]})
        begin = time.monotonic()
        reply = gate.chat(mock={"fail_status": 429, "retry_after_ms": 200})
        self.assertLess(time.monotonic() - begin, 2)
        self.assertEqual(reply.status, 429)

    def test_between_tokens_mid_stream(self):
        gate = self.of(between_tokens="200ms")
        begin = time.monotonic()
        reply = gate.chat(stream=True, mock={"stall_after_events": 3})
        self.assertLess(time.monotonic() - begin, 3)
        self.assertEqual((reply.status, reply.whole), (200, False))
        self.assertEqual(json.loads(reply.events[-1][1])["error"]["code"], "idle_timeout")

    def test_total_mid_stream(self):
        gate = self.of(total="500ms")
        begin = time.monotonic()
        reply = gate.chat(stream=True, mock={"token_ms": 50, "tokens": 1000})
        self.assertLess(time.monotonic() - begin, 3)
        self.assertEqual((reply.status, reply.whole), (200, False))
        self.assertEqual(json.loads(reply.events[-1][1])["error"]["code"], "total_timeout")

    def test_connect(self):
        # 192.0.2.0/24 is for documentation (RFC 5737): nobody answers, or the network says so at once.
        gate = self.gate({"upstreams": [upstream(self.mock, url="http://192.0.2.1:9/v1", retry=ONCE,
                                                 timeouts={"connect": "300ms"})]})
        begin = time.monotonic()
        reply = gate.chat()
        self.assertLess(time.monotonic() - begin, 3)
        self.assertIn((reply.status, reply.error["code"]), [(504, "connect_timeout"), (502, "connect_failed")])


class CutTest(ReplyCase):
    def test_before_anything_was_sent_on(self):
        for cut in ("before-headers", "mid-headers", "mid-body"):
            with self.subTest(cut):
                self.assert_error(self.once.chat(mock={"cut": cut}), 502, "connection_lost")

    def test_a_long_body_that_is_cut_is_never_whole(self):
        reply = self.once.chat(mock={"cut": "mid-body", "body_bytes": 3_000_000})
        self.assertEqual((reply.status, reply.whole), (200, False))
        self.assertEqual(self.once.logged(reply.request_id)["error"], "reply_cut")

    def test_mid_stream(self):
        for reset in (False, True):
            with self.subTest(reset=reset):
                reply = self.once.chat(stream=True, mock={"cut": "mid-stream", "cut_after_events": 3, "cut_reset": reset})
                self.assertEqual((reply.status, reply.whole), (200, False))
                self.assertEqual(json.loads(reply.events[-1][1])["error"]["code"], "stream_cut")
                self.assertNotIn("[DONE]", reply.body.decode())
                self.assertEqual(self.once.logged(reply.request_id)["error"], "stream_cut")

    def test_a_stream_without_its_terminal_event(self):
        for path, body in [(CHAT_PATH, CHAT), ("/v1/completions", {"model": "gpt", "prompt": "hi"}),
                           ("/v1/responses", {"model": "gpt", "input": "hi"})]:
            with self.subTest(path):
                reply = self.once.post(path, {**body, "stream": True, "mock": {"omit_done": True}})
                self.assertEqual((reply.status, reply.whole), (200, False))
                self.assertEqual(self.once.logged(reply.request_id)["error"], "stream_cut")

    def test_a_stream_that_ends_well_is_a_success(self):
        for path, body in [(CHAT_PATH, CHAT), ("/v1/completions", {"model": "gpt", "prompt": "hi"}),
                           ("/v1/responses", {"model": "gpt", "input": "hi"})]:
            with self.subTest(path):
                reply = self.once.post(path, {**body, "stream": True})
                self.assertEqual((reply.status, reply.whole), (200, True))
                self.assertEqual(self.once.logged(reply.request_id)["error"], "")


class LiesTest(ReplyCase):
    def test_a_length_longer_than_the_body(self):
        reply = self.once.chat(mock={"content_length_delta": 10})
        self.assert_error(reply, 502, "connection_lost")

    def test_a_length_shorter_than_the_body(self):
        """What follows the body is never taken for the reply to another call."""
        for n in range(5):
            reply = self.once.chat(mock={"content_length_delta": -10})
            self.assertEqual(reply.status, 200)
            after = self.once.chat(messages=[{"role": "user", "content": "next"}])
            self.assertEqual((after.status, after.whole), (200, True))
            self.assertEqual(after.json["object"], "chat.completion")

    def test_garbage_in_the_head(self):
        self.assert_error(self.once.chat(mock={"garbage_bytes": 4000}), 502, "bad_reply")

    def test_garbage_in_the_body_passes_through_and_is_accounted(self):
        reply = self.once.chat(mock={"garbage_bytes": 4000, "garbage_in": "body"})
        self.assertEqual(reply.status, 200)
        self.assertTrue(self.once.logged(reply.request_id))

    def test_half_an_object(self):
        reply = self.once.chat(mock={"malformed_json": True})
        self.assertEqual((reply.status, reply.whole), (200, True))
        self.assertGreater(self.once.logged(reply.request_id)["output_tokens"], 0)  # estimated

    def test_every_framing(self):
        for framing in ("length", "chunked", "close"):
            for split in (0, 1):
                with self.subTest(framing=framing, split=split):
                    reply = self.once.chat(mock={"framing": framing, "split_bytes": split})
                    self.assertEqual((reply.status, reply.whole), (200, True))
                    self.assertEqual(reply.json["object"], "chat.completion")


class SizeTest(ReplyCase):
    HUGE = 100_000_000

    def read_slowly(self, **how):
        """The bytes of a reply that is read in pieces, kept nowhere."""
        import http.client
        connection = http.client.HTTPConnection("127.0.0.1", self.once.port, timeout=60)
        body = {**CHAT, **how}
        connection.request("POST", CHAT_PATH, json.dumps(body), self.once.headers())
        reply = connection.getresponse()
        count = 0
        while part := reply.read(1 << 20):
            count += len(part)
        connection.close()
        return reply.status, count

    def test_100_mb_in_bounded_memory(self):
        before = self.once.rss_mb()
        status, count = self.read_slowly(mock={"body_bytes": self.HUGE})
        grown = self.once.rss_mb(peak=True) - before
        print(f"100 MB reply: {grown:.1f} MB more memory at its peak")
        self.assertEqual(status, 200)
        self.assertGreater(count, self.HUGE)
        self.assertLess(grown, 16)

    def test_a_client_that_does_not_read_does_not_fill_the_memory(self):
        import socket
        before = self.once.rss_mb()
        body = json.dumps({**CHAT, "mock": {"body_bytes": self.HUGE}})
        head = f"POST {CHAT_PATH} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {self.once.keys['caller']}\r\n" \
               f"Content-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.once.port), 5) as peer:
            peer.sendall((head + body).encode())
            time.sleep(1)
            grown = self.once.rss_mb() - before
        self.assertLess(grown, 16)

    def test_one_huge_event_ends_the_call(self):
        reply = self.once.chat(stream=True, mock={"body_bytes": 20_000_000})
        self.assertTrue(reply.status == 502 or not reply.whole, reply)
        self.assertLess(self.once.rss_mb(peak=True), 200)

    def test_a_big_upload(self):
        text = "x" * 5_000_000
        reply = self.once.chat(messages=[{"role": "user", "content": text}])
        self.assertEqual(reply.status, 200)
        self.assertGreater(reply.json["usage"]["prompt_tokens"], 1_000_000)

    def test_an_upload_over_the_limit(self):
        gate = self.gate({"server": {"listen": "127.0.0.1:0", "limits": {"body": "1MiB"}}})
        reply = gate.chat(messages=[{"role": "user", "content": "x" * 2_000_000}])
        self.assert_error(reply, 413, "body_too_large")
        self.assertEqual(self.mock.requests("mock"), 0)
        self.assertEqual(gate.chat().status, 200)


class StreamErrorsTest(ReplyCase):
    def test_an_error_in_the_place_of_the_first_event_is_tried_again(self):
        gate = self.gate({"upstreams": [upstream(self.mock, "a", retry=ONCE), upstream(self.mock, "b", retry=ONCE)],
                          "models": [{"name": "gpt", "upstreams": [{"upstream": "a"}, {"upstream": "b", "order": 1}]}]})
        self.mock.behave("a", error_after_events=0)
        reply = gate.chat(stream=True)
        self.assertEqual((reply.status, reply.headers["x-gatehouse-upstream"], reply.whole), (200, "b", True))
        self.assertEqual(reply.headers["x-gatehouse-attempts"], "2")

    def test_a_later_error_is_passed_on(self):
        reply = self.once.chat(stream=True, mock={"error_after_events": 3})
        self.assertEqual((reply.status, reply.whole), (200, False))
        self.assertIn("error", json.loads(reply.events[-1][1]))
        self.assertEqual(self.once.logged(reply.request_id)["error"], "stream_error")

    def pair(self, **timeouts):
        """Upstream a, and b for what a fails at."""
        made = [upstream(self.mock, name, retry=ONCE, timeouts=timeouts) for name in ("a", "b")]
        return self.gate({"upstreams": made, "models": [model("gpt", "a", {"upstream": "b", "order": 1})]})

    def test_an_error_inside_a_200_that_is_no_stream_is_tried_elsewhere(self):
        gate = self.pair()
        self.mock.behave("a", error_in_200=True)
        reply = gate.chat()
        self.assertEqual((reply.status, reply.headers["x-gatehouse-upstream"]), (200, "b"))
        self.assertIn("choices", reply.json)

    def test_an_error_inside_a_200_is_no_answer(self):
        reply = self.once.chat(mock={"error_in_200": True})
        self.assert_error(reply, 502, "reply_error")
        self.assertEqual(self.once.logged(reply.request_id)["error"], "reply_error")
        gate = self.pair()
        blamed = gate.chat(mock={"error_in_200": True, "error_class": 400})  # the call's own fault: nobody else is asked
        self.assertEqual((blamed.status, blamed.headers["x-gatehouse-attempts"]), (400, "1"), blamed)
        self.assertIn("error", blamed.json)

    def test_a_role_is_no_token(self):
        gate = self.pair(first_token="300ms")
        self.mock.behave("a", stall_after_events=1)  # says that an assistant speaks, and falls silent
        reply = gate.chat(stream=True)
        self.assertEqual((reply.status, reply.headers["x-gatehouse-upstream"], reply.whole), (200, "b", True))
        self.mock.behave("b", stall_after_events=1)
        self.assert_error(gate.chat(stream=True), 504, "first_token_timeout")

    def test_a_stream_that_breaks_before_its_first_token_is_tried_elsewhere(self):
        gate = self.pair()
        for failure in ({"error_after_events": 1}, {"cut": "mid-stream", "cut_after_events": 1}):
            with self.subTest(**failure):
                self.mock.behave("a", **failure)
                reply = gate.chat(stream=True)
                self.assertEqual((reply.headers["x-gatehouse-upstream"], reply.whole), ("b", True))

    def test_a_tool_call_is_a_token(self):
        tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
        gate = self.pair(first_token="300ms", between_tokens="500ms")
        self.mock.behave("a", stall_after_events=1)  # its first event names the tool
        reply = gate.chat(stream=True, tools=tools)
        self.assertEqual((reply.headers["x-gatehouse-upstream"], reply.whole), ("a", False))
        self.assertEqual(json.loads(reply.events[-1][1])["error"]["code"], "idle_timeout")


class UsageTest(ReplyCase):
    def usage_events(self, **members):
        reply = self.once.chat(stream=True, **members)
        self.assertTrue(reply.whole)
        chunks = [json.loads(data) for _, data in reply.events if data != "[DONE]"]
        return reply, [chunk for chunk in chunks if chunk.get("usage")]

    def test_the_usage_nobody_asked_for_is_recorded_and_withheld(self):
        reply, events = self.usage_events(mock={"id": "withheld", "prompt_tokens": 7, "tokens": 5})
        self.assertEqual(events, [])
        sent = json.loads(self.mock.calls("withheld")["attempts"][0]["request"]["body"])
        self.assertEqual(sent["stream_options"], {"include_usage": True})
        line = self.once.logged(reply.request_id)
        self.assertEqual((line["input_tokens"], line["output_tokens"]), (7, 5))

    def test_the_usage_asked_for_arrives(self):
        _, events = self.usage_events(stream_options={"include_usage": True}, mock={"prompt_tokens": 7, "tokens": 5})
        self.assertEqual(len(events), 1)
        self.assertEqual(events[0]["usage"]["prompt_tokens"], 7)

    def test_the_usage_refused_is_withheld(self):
        _, events = self.usage_events(stream_options={"include_usage": False})
        self.assertEqual(events, [])

    def test_the_body_passes_byte_for_byte(self):
        body = '{ "model":"gpt",\t"messages":[{"role":"user","content":"\\u00e9 \\ud83d\\ude00"}],"own":1.50e+1, "mock":{"id":"bytes"}}'
        self.assertEqual(self.once.post(CHAT_PATH, body).status, 200)
        self.assertEqual(self.mock.calls("bytes")["attempts"][0]["request"]["body"], body)


if __name__ == "__main__":
    unittest.main()
