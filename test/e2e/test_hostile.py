"""Bytes that no honest client sends: none reaches the upstream, each gets a clear answer."""
import json
import socket
import time
import unittest

from gate import CHAT, CHAT_PATH, GateCase, send_raw, wait_until

BODY = json.dumps(CHAT)
# Two readers of these could see two different requests: what smuggling lives on.
AMBIGUOUS = {
    "length and chunked": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "chunked and length": "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\nG",
    "two lengths": "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "a list of lengths": "Content-Length: 5, 6\r\n\r\nhello!",
    "a signed length": "Content-Length: +5\r\n\r\nhello",
    "a negative length": "Content-Length: -1\r\n\r\n",
    "a hexadecimal length": "Content-Length: 0x5\r\n\r\nhello",
    "an empty length": "Content-Length:\r\n\r\nhello",
    "a length beyond 64 bits": "Content-Length: 18446744073709551621\r\n\r\nhello",
    "xchunked": "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, identity": "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello",
    "gzip, chunked": "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a tab in the name": "Transfer\tEncoding: chunked\r\n\r\n0\r\n\r\n",
    "a vertical tab in the value": "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a folded line": "X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
    "a bare LF": "Content-Length: 5\nTransfer-Encoding: chunked\r\n\r\nhello",
    "a bare CR": "X: a\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
    "a NUL": "X: a\0b\r\nContent-Length: 5\r\n\r\nhello",
    "no name": ": a\r\nContent-Length: 5\r\n\r\nhello",
    "two hosts": "Host: other\r\nContent-Length: 5\r\n\r\nhello",
    "a chunk size with a sign": "Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n",
    "a chunk size with 0x": "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk size too large": "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "a chunk that ends in LF": "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
    "a chunk longer than its size": "Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
    "a bare CR in a chunk extension": "Transfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n",
}
LINES = {
    "no version": f"POST {CHAT_PATH}\r\n",
    "HTTP/0.9's successor": f"POST {CHAT_PATH} HTTP/1.10\r\n",
    "another version": f"POST {CHAT_PATH} HTTP/3.0\r\n",
    "two spaces": f"POST  {CHAT_PATH} HTTP/1.1\r\n",
    "a tab": f"POST\t{CHAT_PATH} HTTP/1.1\r\n",
    "a leading space": f" POST {CHAT_PATH} HTTP/1.1\r\n",
    "a control character": f"POST {CHAT_PATH}\x01 HTTP/1.1\r\n",
    "a target without slash": "POST v1/chat/completions HTTP/1.1\r\n",
    "a method of nonsense": f"P(ST {CHAT_PATH} HTTP/1.1\r\n",
    "another protocol": "PRI * HTTP/2.0\r\n",
    "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


class HostileCase(GateCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        from gate import Gate
        cls.gate_ = Gate(cls.mock)
        cls.addClassCleanup(cls.gate_.close)

    def tearDown(self):
        self.assertTrue(self.gate_.alive)
        self.assertEqual(self.gate_.chat().status, 200)

    def head(self, line=f"POST {CHAT_PATH} HTTP/1.1\r\n"):
        return f"{line}Host: gate\r\nAuthorization: Bearer {self.gate_.keys['caller']}\r\n"


class HttpTest(HostileCase):
    def test_ambiguous_framing_gets_400_a_closed_connection_and_goes_nowhere(self):
        before = self.mock.requests()
        for name, rest in AMBIGUOUS.items():
            with self.subTest(name):
                # A second request behind it: if the first were misread it would be served.
                behind = self.head() + f"Content-Length: {len(BODY)}\r\n\r\n{BODY}"
                got, ended = send_raw(self.gate_.port, (self.head() + rest + behind).encode("latin-1"))
                self.assertRegex(got[:13], rb"HTTP/1.1 (400|501) ")  # 501: a coding that is known and not spoken
                self.assertEqual((got.count(b"HTTP/1.1 "), ended), (1, True), got[:400])
                self.assertIn(b"error", got)
        self.assertEqual(self.mock.requests(), before)

    def test_malformed_request_lines(self):
        before = self.mock.requests()
        for name, line in LINES.items():
            with self.subTest(name):
                got, ended = send_raw(self.gate_.port, (line + self.head("") + "Content-Length: 0\r\n\r\n").encode("latin-1"))
                self.assertRegex(got[:13], rb"HTTP/1.1 (400|505) ")
                self.assertTrue(ended)
        self.assertEqual(self.mock.requests(), before)

    def test_heads_beyond_the_limits(self):
        for status, more in ((431, "X: " + "a" * 40_000 + "\r\n"), (431, "".join(f"X{i}: a\r\n" for i in range(150)))):
            got, ended = send_raw(self.gate_.port, (self.head() + more + "\r\n").encode())
            self.assertTrue(got.startswith(f"HTTP/1.1 {status} ".encode()), got[:200])
            self.assertTrue(ended)
        got, ended = send_raw(self.gate_.port, self.head(f"POST /v1/{'a' * 10_000} HTTP/1.1\r\n").encode() + b"\r\n")
        self.assertTrue(got.startswith(b"HTTP/1.1 414 "), got[:200])

    def test_byte_by_byte(self):
        request = (self.head() + f"Content-Length: {len(BODY)}\r\nConnection: close\r\n\r\n{BODY}").encode()
        got, ended = send_raw(self.gate_.port, *(request[i:i + 1] for i in range(len(request))))
        self.assertTrue(got.startswith(b"HTTP/1.1 200 "), got[:200])
        self.assertTrue(ended)

    def test_pipelined_calls_are_answered_in_order(self):
        one = self.head() + f"Content-Length: {len(BODY)}\r\n\r\n{BODY}"
        last = self.head() + f"Content-Length: {len(BODY)}\r\nConnection: close\r\n\r\n{BODY}"
        got, ended = send_raw(self.gate_.port, (one * 4 + last).encode())
        self.assertEqual((got.count(b"HTTP/1.1 200 OK"), ended), (5, True))

    def test_expect_continue(self):
        head = self.head() + f"Expect: 100-continue\r\nContent-Length: {len(BODY)}\r\nConnection: close\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.gate_.port), 5) as peer:
            peer.sendall(head.encode())
            self.assertTrue(peer.recv(1000).startswith(b"HTTP/1.1 100 "))
            peer.sendall(BODY.encode())
            self.assertTrue(peer.recv(1000).startswith(b"HTTP/1.1 200 "))

    def test_a_head_that_never_ends_is_given_up(self):
        gate = self.gate({"server": {"listen": "127.0.0.1:0", "limits": {"head_timeout": "300ms", "body_stall_timeout": "300ms"}}})
        begin = time.monotonic()
        got, ended = send_raw(gate.port, b"POST /v1/chat/completions HTTP/1.1\r\nHost: ga")
        self.assertTrue(ended)
        self.assertTrue(got == b"" or got.startswith(b"HTTP/1.1 408 "), got)
        head = f"POST {CHAT_PATH} HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {gate.keys['caller']}\r\nContent-Length: 50\r\n\r\nhalf"
        got, ended = send_raw(gate.port, head.encode())
        self.assertTrue(ended)
        self.assertLess(time.monotonic() - begin, 4)
        self.assertEqual(self.mock.requests(), 0)

    def test_many_idle_connections(self):
        idle = [socket.create_connection(("127.0.0.1", self.gate_.port), 5) for _ in range(500)]
        self.assertEqual(self.gate_.chat().status, 200)
        for each in idle:
            each.close()

    def test_no_credential(self):
        for path in (CHAT_PATH, "/v1/messages", "/v1/models", "/metrics", "/v2/models/gpt/infer", "/-/reload"):
            method = "GET" if path in ("/v1/models", "/metrics") else "POST"
            got, _ = send_raw(self.gate_.port, f"{method} {path} HTTP/1.1\r\nHost: g\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            self.assertTrue(got.startswith(b"HTTP/1.1 401 "), (path, got[:100]))


class BodiesTest(HostileCase):
    BAD = {
        "nothing": b"",
        "half": b'{"model":"gpt"',
        "no object": b"[1]",
        "text after it": b'{"model":"gpt"} {"model":"gpt"}',
        "a trailing comma": b'{"model":"gpt",}',
        "single quotes": b"{'model':'gpt'}",
        "not UTF-8": b'{"model":"gpt","messages":[{"role":"user","content":"\xff\xfe"}]}',
        "an overlong sequence": b'{"model":"gpt","user":"\xc0\xaf"}',
        "a lone surrogate in the model": b'{"model":"\\ud800"}',
        "a NUL": b'{"model":"gpt\x00"}',
        "the model twice": b'{"model":"gpt","messages":[],"model":"other"}',
        "the model twice, once escaped": b'{"model":"gpt","messages":[],"mod\\u0065l":"other"}',
        "the stream twice": b'{"model":"gpt","stream":false,"stream":true}',
        "a model of another type": b'{"model":7}',
        "no model": b'{"messages":[]}',
        "a stream of another type": b'{"model":"gpt","stream":"yes"}',
        "depth": b'{"model":"gpt","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "UTF-16": '{"model":"gpt"}'.encode("utf-16"),
        "a byte order mark": b'\xef\xbb\xbf{"model":"gpt"}',
    }

    def test_bad_json_never_reaches_the_upstream(self):
        before = self.mock.requests()
        for name, body in self.BAD.items():
            with self.subTest(name):
                reply = self.gate_.post(CHAT_PATH, body)
                self.assert_error(reply, 400, "invalid_request")
        self.assertEqual(self.mock.requests(), before)

    def test_bad_forms(self):
        before = self.mock.requests()
        for kind, body in (("multipart/form-data", b"x"), ("multipart/form-data; boundary=", b"x"), ("text/plain", b"x"),
                           ("multipart/form-data; boundary=B", b"no boundary at all"),
                           ("multipart/form-data; boundary=B", b"--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ngpt")):
            with self.subTest(kind=kind, body=body):
                reply = self.gate_.post("/v1/audio/transcriptions", body, content_type=kind)
                self.assertEqual(reply.status, 400, reply)
        self.assertEqual(self.mock.requests(), before)

    def test_nothing_of_a_bad_body_is_in_the_log(self):
        self.gate_.post(CHAT_PATH, b'{"model":"gpt","messages":[{"content":"a-secret-thing"')
        self.gate_.chat(messages=[{"role": "user", "content": "another-secret-thing"}])
        time.sleep(0.3)
        for secret in ("a-secret-thing", "another-secret-thing", self.gate_.keys["caller"], "sk-upstream"):
            self.assertNotIn(secret, self.gate_.log_text())


class LockoutTest(GateCase):
    def test_repeated_failures_lock_the_address_out_for_a_while(self):
        gate = self.gate({"access": {"lockout": {"failures": 5, "window": "1m", "duration": "1s"}}})
        statuses = [gate.chat("gh_wrong").status for _ in range(8)]
        self.assertEqual(statuses[:5], [401] * 5)
        self.assertEqual(statuses[-1], 429)
        self.assertTrue(wait_until(lambda: gate.chat().status == 200, 4))


if __name__ == "__main__":
    unittest.main()
