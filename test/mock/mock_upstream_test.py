#!/usr/bin/env python3
"""The mock upstream does what its README says, as its tests rely on it.

usage: mock_upstream_test.py [PROGRAM]     (default: build/release or build/debug, whichever is there)
"""
import http.client
import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CANDIDATES = [ROOT / "build" / preset / "mock-upstream" for preset in ("release", "debug")]
PROGRAM = next((path for path in CANDIDATES if path.exists()), CANDIDATES[0])
CHAT = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
CHAT_PATH = "/v1/chat/completions"


class MockTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.process = subprocess.Popen([PROGRAM, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        cls.port = int(cls.process.stdout.readline().rsplit(":", 1)[1])

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        assert cls.process.wait(5) == 0, "mock-upstream must end well on SIGTERM"
        cls.process.stdout.close()

    def setUp(self):
        self.call("/mock/reset", {})

    def call(self, path, body=None, **headers):
        """(status, headers, body) of one call on its own connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            named = {name.replace("_", "-"): str(value) for name, value in headers.items()}
            connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), named)
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            connection.close()

    def raw(self, body, **headers):
        """All bytes that come back for a chat call until the mock closes or says no more."""
        text = json.dumps(body)
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        with socket.create_connection(("127.0.0.1", self.port), 5) as peer:
            peer.sendall(f"POST {CHAT_PATH} HTTP/1.1\r\nHost: mock\r\n{lines}Content-Length: {len(text)}\r\n\r\n{text}".encode())
            peer.settimeout(0.4)
            got = b""
            try:
                while part := peer.recv(65536):
                    got += part
                return got, "closed"
            except TimeoutError:
                return got, "open"

    def events(self, path, body, **headers):
        _, _, text = self.call(path, {**body, "stream": True}, **headers)
        return [line[6:] for line in text.decode().splitlines() if line.startswith("data: ")]

    def test_failures_by_header_count_and_default(self):
        status, headers, body = self.call(CHAT_PATH, CHAT, x_mock_fail_status=429, x_mock_retry_after=7,
                                          x_mock_retry_after_ms=9, x_mock_should_retry="false")
        self.assertEqual((status, headers["retry-after"], headers["retry-after-ms"], headers["x-should-retry"]),
                         (429, "7", "9", "false"))
        self.assertIn("message", json.loads(body)["error"])
        seen = [self.call(CHAT_PATH, CHAT, x_mock_id="one", x_mock_fail_first=2)[0] for _ in range(3)]
        self.assertEqual(seen, [500, 500, 200])
        self.call("/mock/behavior", {"fail_ratio": 0.5, "fail_status": 503})
        seen = [self.call(CHAT_PATH, CHAT)[0] for _ in range(200)]
        self.assertTrue(60 < seen.count(503) < 140, seen.count(503))
        self.assertEqual(seen.count(503) + seen.count(200), 200)

    def test_upstreams_by_name_have_their_own_behavior_and_counts(self):
        self.call("/mock/behavior", {"upstream": "a", "fail_status": 503})
        self.assertEqual(self.call("/@a" + CHAT_PATH, CHAT)[0], 503)
        self.assertEqual(self.call("/@b" + CHAT_PATH, CHAT)[0], 200)
        stats = json.loads(self.call("/mock/stats")[2])
        self.assertEqual(stats["upstreams"], {"a": 1, "b": 1})
        self.assertEqual(stats["requests"], 2)

    def test_bad_behavior_is_refused(self):
        self.assertEqual(self.call("/mock/behavior", {"no_such": 1})[0], 400)
        self.assertEqual(self.call("/mock/behavior", {"tokens": "many"})[0], 400)
        self.assertIn("x-mock-error", self.call(CHAT_PATH, CHAT, x_mock_no_such=1)[1])

    def test_cuts(self):
        self.assertEqual(self.raw(CHAT, x_mock_cut="before-headers"), (b"", "closed"))
        got, end = self.raw(CHAT, x_mock_cut="mid-headers")
        self.assertEqual((b"\r\n\r\n" in got, got[:8], end), (False, b"HTTP/1.1", "closed"))
        got, end = self.raw(CHAT, x_mock_cut="mid-body")
        head, body = got.split(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        self.assertEqual((0 < len(body) < length, end), (True, "closed"))
        got, end = self.raw({**CHAT, "stream": True}, x_mock_cut="mid-stream", x_mock_cut_after_events=3)
        self.assertEqual((got.count(b"data: "), got.endswith(b"0\r\n\r\n"), end), (3, False, "closed"))

    def test_cut_by_reset(self):
        with self.assertRaises(ConnectionResetError):
            self.raw(CHAT, x_mock_cut="before-headers", x_mock_cut_reset=1)

    def test_stalls(self):
        self.assertEqual(self.raw(CHAT, x_mock_stall_before_headers=1), (b"", "open"))
        got, end = self.raw({**CHAT, "stream": True}, x_mock_stall_after_events=2)
        self.assertEqual((got.count(b"data: "), end), (2, "open"))
        start = time.monotonic()
        self.assertEqual(self.events(CHAT_PATH, CHAT, x_mock_stall_after_events=2, x_mock_stall_ms=200)[-1], "[DONE]")
        self.assertGreaterEqual(time.monotonic() - start, 0.2)

    def test_lies_about_length(self):
        with self.assertRaises(http.client.IncompleteRead):
            self.call(CHAT_PATH, CHAT, x_mock_content_length_delta=10)
        got, end = self.raw(CHAT, x_mock_content_length_delta=-10)
        head, body = got.split(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        self.assertEqual((len(body) - length, end), (10, "closed"))

    def test_size_garbage_and_broken_json(self):
        _, headers, body = self.call(CHAT_PATH, CHAT, x_mock_body_bytes=5_000_000)
        self.assertEqual(int(headers["content-length"]), len(body))
        self.assertGreater(len(json.loads(body)["choices"][0]["message"]["content"]), 5_000_000)
        self.assertEqual(len(self.raw(CHAT, x_mock_garbage_bytes=77)[0]), 77)
        self.assertEqual(len(self.call(CHAT_PATH, CHAT, x_mock_garbage_bytes=77, x_mock_garbage_in="body")[2]), 77)
        with self.assertRaises(ValueError):
            json.loads(self.call(CHAT_PATH, CHAT, x_mock_malformed_json=1)[2])
        broken = 0
        for event in self.events(CHAT_PATH, CHAT, x_mock_malformed_json=1):
            try:
                broken += event != "[DONE]" and json.loads(event) is None
            except ValueError:
                broken += 1
        self.assertEqual(broken, 1)

    def test_stream_endings_and_errors(self):
        self.assertEqual(self.events(CHAT_PATH, CHAT)[-1], "[DONE]")
        self.assertNotIn("[DONE]", self.events(CHAT_PATH, CHAT, x_mock_omit_done=1))
        self.assertIn("error", json.loads(self.events(CHAT_PATH, CHAT, x_mock_error_after_events=2)[2]))
        self.assertIn("error", json.loads(self.call(CHAT_PATH, CHAT, x_mock_error_in_200=1)[2]))
        self.assertEqual(json.loads(self.events("/v1/messages", CHAT, x_mock_error_after_events=2)[2])["type"], "error")
        self.assertEqual(json.loads(self.events("/v1/messages", CHAT)[-1])["type"], "message_stop")
        self.assertEqual(json.loads(self.events("/v1/responses", {"model": "m", "input": "hi"})[-1])["type"], "response.completed")

    def test_pace(self):
        start = time.monotonic()
        self.events(CHAT_PATH, CHAT, x_mock_latency_ms=50, x_mock_ttft_ms=100, x_mock_token_ms=50, x_mock_tokens=3)
        took = time.monotonic() - start
        self.assertTrue(0.25 <= took < 1, took)

    def test_usage(self):
        _, _, body = self.call(CHAT_PATH, CHAT, x_mock_tokens=5, x_mock_reasoning_tokens=2, x_mock_cached_tokens=1)
        usage = json.loads(body)["usage"]
        content = len(json.dumps(CHAT["messages"]))
        self.assertEqual((usage["prompt_tokens"], usage["completion_tokens"]), ((content + 3) // 4, 7))
        self.assertFalse(any('"usage"' in event for event in self.events(CHAT_PATH, CHAT)))
        asked = {**CHAT, "stream_options": {"include_usage": True}}
        self.assertEqual(json.loads(self.events(CHAT_PATH, asked, x_mock_prompt_tokens=9)[-2])["usage"]["prompt_tokens"], 9)

    def test_echo_auth_and_body_object(self):
        _, _, body = self.call(CHAT_PATH, CHAT, x_mock_echo=1, X_Other="yes")
        echo = json.loads(body)
        self.assertEqual((echo["headers"]["x-other"], json.loads(echo["body"])), ("yes", CHAT))
        self.call("/mock/behavior", {"expect_auth": "sk-1"})
        self.assertEqual(self.call(CHAT_PATH, CHAT)[0], 401)
        self.assertEqual(self.call(CHAT_PATH, CHAT, Authorization="Bearer sk-1")[0], 200)
        self.assertEqual(self.call(CHAT_PATH, CHAT, api_key="sk-1")[0], 200)
        self.call("/mock/reset", {})
        self.assertEqual(self.call(CHAT_PATH, {**CHAT, "mock": {"fail_status": 418}})[0], 418)

    def test_a_departure_is_noted_at_once(self):
        for leave in ("close", "reset"):
            body = json.dumps({**CHAT, "mock": {"id": leave, "stall_before_headers": True}})
            peer = socket.create_connection(("127.0.0.1", self.port), 5)
            peer.sendall(f"POST {CHAT_PATH} HTTP/1.1\r\nHost: m\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            time.sleep(0.1)
            if leave == "reset":
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            left = time.monotonic_ns()
            peer.close()
            time.sleep(0.2)
            call = json.loads(self.call(f"/mock/calls/{leave}")[2])
            self.assertEqual((call["finished_ns"], len(call["attempts"])), (0, 1))
            self.assertTrue(0 <= call["closed_early_ns"] - left < 150e6, call["closed_early_ns"] - left)
        stats = json.loads(self.call("/mock/stats")[2])
        self.assertEqual((stats["closed_early"], stats["in_flight"]), (2, 0))

    def test_pipelined_and_chunked_requests(self):
        body = json.dumps(CHAT)
        half = len(body) // 2
        chunked = f"{half:x}\r\n{body[:half]}\r\n{len(body) - half:x}\r\n{body[half:]}\r\n0\r\n\r\n"
        one = f"POST {CHAT_PATH} HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"
        with socket.create_connection(("127.0.0.1", self.port), 5) as peer:
            for byte in one.encode():
                peer.send(bytes([byte]))
            peer.sendall((one * 3).encode())
            peer.settimeout(0.5)
            got = b""
            try:
                while part := peer.recv(65536):
                    got += part
            except TimeoutError:
                pass
        self.assertEqual(got.count(b"HTTP/1.1 200 OK"), 4)

    def test_identity_endpoints(self):
        first = json.loads(self.call("/t/oauth2/v2.0/token", {})[2])
        second = json.loads(self.call("/t/oauth2/v2.0/token", {})[2])
        self.assertNotEqual(first["access_token"], second["access_token"])
        path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://x"
        self.assertEqual(self.call(path)[0], 400)
        self.assertEqual(json.loads(self.call(path, Metadata="true", x_mock_token_expires_s=60)[2])["expires_in"], "60")
        self.assertEqual(self.call("/msi/token?resource=x")[0], 401)
        self.assertEqual(self.call("/msi/token?resource=x", X_IDENTITY_HEADER="h")[0], 200)


if __name__ == "__main__":
    if len(sys.argv) > 1 and os.path.exists(sys.argv[1]):
        PROGRAM = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
