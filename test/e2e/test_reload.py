"""Reload: atomic, and without a call in flight noticing. SIGTERM: what goes on ends well."""
import json
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest

from gate import BUILD, CHAT, CHAT_PATH, GateCase, exchange, model, upstream, wait_until


class Streaming:
    """A chat stream read on a thread of its own."""

    def __init__(self, gate, **how):
        self.reply = None
        self.thread = threading.Thread(target=self._run, args=(gate, how))
        self.thread.start()

    def _run(self, gate, how):
        self.reply = gate.chat(stream=True, mock=how)

    def result(self):
        self.thread.join()
        return self.reply


class ReloadTest(GateCase):
    def setUp(self):
        super().setUp()
        self.gate_ = self.gate({"upstreams": [upstream(self.mock)], "models": [model("gpt")]},
                               keys={"viewer": ["--role", "viewer"], "operator": ["--role", "operator"]})

    def with_model(self, name):
        self.gate_.write_config(models=[model("gpt"), model(name)])

    def serves(self, name):
        return self.gate_.chat(model=name).status == 200

    def successful(self):
        return self.gate_.metric("gatehouse_config_last_reload_successful", "viewer")

    def test_when_the_file_changes(self):
        self.assertFalse(self.serves("new"))
        self.with_model("new")
        self.assertTrue(wait_until(lambda: self.serves("new"), 5))

    def test_on_sighup(self):
        self.with_model("new")
        self.gate_.signal(signal.SIGHUP)
        self.assertTrue(wait_until(lambda: self.serves("new"), 0.9))

    def test_on_request(self):
        self.with_model("new")
        reply = self.gate_.post("/-/reload", "", key="operator")
        self.assertEqual((reply.status, reply.json), (200, {"reloaded": True}))
        self.assertTrue(wait_until(lambda: self.serves("new"), 0.5))
        self.assertEqual(self.gate_.post("/-/reload", "", key="caller").status, 403)
        self.assertEqual(self.gate_.post("/-/reload", "", key=None).status, 401)

    def test_a_bad_file_leaves_the_old_one_in_force(self):
        for bad in ("models: [", "no_such_key: 1", '{"models": [{"name": "x", "upstreams": [{"upstream": "nobody"}]}]}', ""):
            with self.subTest(bad):
                self.gate_.write_config()
                self.gate_.post("/-/reload", "", key="operator")
                self.assertEqual(self.successful(), 1)
                if bad:
                    self.gate_.config_path.write_text(bad)
                else:
                    self.gate_.config_path.unlink()
                reply = self.gate_.post("/-/reload", "", key="operator")
                self.assert_error(reply, 400, "config_refused")
                self.assertIn("gatehouse.yaml", reply.error["message"])
                self.assertTrue(self.serves("gpt"))
                self.assertEqual(self.successful(), 0)
                self.assertTrue(wait_until(lambda: "stays in force" in self.gate_.log_text(), 3))

    def test_what_takes_a_restart_is_refused(self):
        self.gate_.write_config(server={"listen": "127.0.0.1:1"})
        reply = self.gate_.post("/-/reload", "", key="operator")
        self.assert_error(reply, 400, "config_refused")
        self.assertIn("restart", reply.error["message"])

    def test_calls_in_flight_are_untouched(self):
        streams = [Streaming(self.gate_, token_ms=40, tokens=40) for _ in range(5)]
        time.sleep(0.3)
        self.gate_.write_config(upstreams=[upstream(self.mock, "another")], models=[model("else", "another")])
        self.assertEqual(self.gate_.post("/-/reload", "", key="operator").status, 200)
        self.assertEqual(self.gate_.chat().status, 404)  # new calls see the new file
        for each in streams:
            reply = each.result()
            self.assertEqual((reply.status, reply.whole), (200, True))
            self.assertEqual(reply.events[-1][1], "[DONE]")

    def test_many_reloads_under_load(self):
        stop, wrong = [], []

        def call():
            while not stop:
                reply = self.gate_.chat()
                if reply.status != 200 or not reply.whole:
                    wrong.append(reply)

        callers = [threading.Thread(target=call) for _ in range(4)]
        for each in callers:
            each.start()
        for i in range(30):
            self.with_model(f"new{i}")
            self.assertEqual(self.gate_.post("/-/reload", "", key="operator").status, 200)
        stop.append(True)
        for each in callers:
            each.join()
        self.assertEqual(wrong, [])


class CertificateTest(GateCase):
    def certificate(self, folder, name):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                        folder / "new.key", "-out", folder / "new.pem"], check=True, capture_output=True)
        (folder / "new.key").replace(folder / "key.pem")
        (folder / "new.pem").replace(folder / "cert.pem")

    def served_name(self, gate):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", gate.port), 5) as plain, context.wrap_socket(plain) as peer:
            pem = ssl.DER_cert_to_PEM_cert(peer.getpeercert(True))
        shown = subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem, text=True, capture_output=True, check=True)
        return shown.stdout.strip().rsplit("=", 1)[1].strip()

    def test_a_new_certificate_is_taken_without_a_restart(self):
        import pathlib
        import tempfile
        folder = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-tls-"))
        self.certificate(folder, "first")
        gate = self.gate({"server": {"listen": "127.0.0.1:0", "drain": "2s", "tls": {
            "certificate": str(folder / "cert.pem"), "key": str(folder / "key.pem")}}})
        self.assertEqual(self.served_name(gate), "first")
        context = ssl._create_unverified_context()
        reply = exchange(gate.port, "POST", CHAT_PATH, json.dumps(CHAT), gate.headers(), tls=context)
        self.assertEqual(reply.status, 200)
        self.certificate(folder, "second")
        self.assertTrue(wait_until(lambda: self.served_name(gate) == "second", 5, 0.1))
        (folder / "cert.pem").write_text("no certificate")
        time.sleep(1.5)
        self.assertEqual(self.served_name(gate), "second")  # the bad one is not in force
        self.assertTrue(gate.alive)


class DrainTest(GateCase):
    def test_a_stream_ends_well_and_nobody_new_is_let_in(self):
        gate = self.gate()
        streaming = Streaming(gate, token_ms=50, tokens=30)
        time.sleep(0.4)
        gate.signal(signal.SIGTERM)
        time.sleep(0.3)
        with self.assertRaises(OSError):
            gate.chat()
        reply = streaming.result()
        self.assertEqual((reply.status, reply.whole, reply.events[-1][1]), (200, True, "[DONE]"))
        self.assertEqual(gate.process.wait(5), 0)
        self.assertEqual(len(gate.records()), 1)

    def test_what_takes_longer_than_the_drain_is_cut_and_recorded(self):
        gate = self.gate({"server": {"listen": "127.0.0.1:0", "drain": "500ms"}})
        streaming = Streaming(gate, token_ms=100, tokens=1000)
        time.sleep(0.3)
        begin = time.monotonic()
        self.assertEqual(gate.stop(), 0)
        self.assertLess(time.monotonic() - begin, 3)
        cut = streaming.result()
        self.assertFalse(cut.whole)
        self.assertEqual(json.loads(cut.events[-1][1])["error"]["code"], "gate_draining")
        self.assertEqual(len(gate.records()), 1)
        self.assertEqual(gate.records()[0]["attributes"]["error.type"], "gate_draining")

    def test_a_call_that_still_waits_when_the_drain_is_over_is_told_so(self):
        gate = self.gate({"server": {"listen": "127.0.0.1:0", "drain": "500ms"}})
        replies = []
        caller = threading.Thread(target=lambda: replies.append(gate.chat(mock={"latency_ms": 60000})))
        caller.start()
        time.sleep(0.3)
        self.assertEqual(gate.stop(), 0)
        caller.join()
        self.assert_error(replies[0], 503, "gate_draining")
        self.assertEqual(gate.records()[0]["attributes"]["error.type"], "gate_draining")

    def test_a_second_one_on_the_same_port_is_told_so(self):
        gate = self.gate()
        other = {**gate.config, "server": {"listen": f"127.0.0.1:{gate.port}"},
                 "storage": {"path": str(gate.directory / "other")}}
        path = gate.directory / "other.yaml"
        path.write_text(json.dumps(other))
        done = subprocess.run([BUILD / "gatehouse", "serve", "--config", path], capture_output=True, text=True,
                              timeout=20, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("the address is in use", done.stderr)
        self.assertEqual(gate.chat().status, 200)

    def test_idle_connections_do_not_hold_it_up(self):
        gate = self.gate()
        idle = [socket.create_connection(("127.0.0.1", gate.port), 5) for _ in range(50)]
        time.sleep(0.1)
        begin = time.monotonic()
        self.assertEqual(gate.stop(), 0)
        self.assertLess(time.monotonic() - begin, 2)
        for each in idle:
            each.close()


if __name__ == "__main__":
    unittest.main()
