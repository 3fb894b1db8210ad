"""What is refused before it reaches an upstream: in whose words, recorded, counted and audited."""
import json
import unittest

from gate import CHAT, CHAT_PATH, GateCase, exchange, wait_until

MESSAGES = "/v1/messages"
INFER = "/v2/models/m/infer"


class RefusalCase(GateCase):
    def audited(self, gate, action, outcome="done"):
        """The details of the audit entries of this action, of a server that has ended."""
        done = gate.run("records", "--stream", "audit")
        entries = [json.loads(line)["attributes"] for line in done.stdout.splitlines()]
        return [{**each, **json.loads(each["details"])} for each in entries
                if each["action"] == action and each["outcome"] == outcome]


class UnreadableCallsTest(RefusalCase):
    def test_a_call_that_makes_no_sense_is_recorded_and_counted(self):
        gate = self.gate(keys={"viewer": ["--role", "viewer"]})
        for path, body in ((CHAT_PATH, "{"), (CHAT_PATH, {"messages": []}), (MESSAGES, "[]"), (INFER, "{"),
                           ("/v1/audio/transcriptions", {})):
            with self.subTest(path=path):
                self.assertEqual(gate.post(path, body).status, 400)
        self.assertEqual(gate.metric("gatehouse_calls_total", "viewer", error_type="invalid_request"), 5)
        gate.stop()
        records = [each["attributes"] for each in gate.records()]
        self.assertEqual([each["http.response.status_code"] for each in records], [400] * 5)
        self.assertEqual({each["gatehouse.key.name"] for each in records}, {"caller"})
        self.assertEqual(self.mock.requests("mock"), 0)

    def test_a_role_that_is_missing_is_audited_and_counted(self):
        gate = self.gate(keys={"viewer": ["--role", "viewer"]})
        self.assert_error(gate.chat("viewer"), 403, "role_missing")
        self.assertEqual(gate.metric("gatehouse_identity_refusals_total", "viewer", reason="role"), 1)
        gate.stop()
        refused = self.audited(gate, "authenticate", "refused")
        self.assertEqual([(each["actor"], each["reason"]) for each in refused],
                         [(gate.keys["viewer"].split("_")[1], "role")])


class AddressTest(RefusalCase):
    def test_an_address_is_refused_in_the_words_of_its_route_and_audited(self):
        gate = self.gate({"access": {"allow": ["192.0.2.0/24"]}})
        openai = gate.chat()
        self.assert_error(openai, 403, "address_not_allowed")
        self.assertEqual(openai.error["type"], "permission_error")
        anthropic = gate.post(MESSAGES, CHAT)
        self.assertEqual((anthropic.status, anthropic.json["type"]), (403, "error"))
        self.assertIsInstance(gate.post(INFER, {}).json["error"], str)
        self.assertEqual(gate.get("/metrics").status, 403)
        gate.stop()
        self.assertEqual({each["reason"] for each in self.audited(gate, "authenticate", "refused")}, {"address"})

    def test_health_probes_come_from_anywhere_unless_guarded(self):
        gate = self.gate({"access": {"allow": ["192.0.2.0/24"]}})
        for path in ("/healthz", "/readyz", "/-/healthy", "/-/ready"):
            self.assertEqual(gate.get(path, None).status, 200, path)
        self.assertEqual(gate.get("/health", None).status, 403)  # names upstreams
        for access in ({"allow": ["192.0.2.0/24"], "guard_probes": True}, {"deny": ["127.0.0.0/8"]}):
            self.assertEqual(self.gate({"access": access}).get("/-/healthy", None).status, 403)

    def test_a_method_is_refused_in_the_words_of_its_route(self):
        gate = self.gate()
        for path in (CHAT_PATH, MESSAGES):
            reply = exchange(gate.port, "DELETE", path)
            self.assertEqual((reply.status, reply.headers["allow"]), (405, "POST"))
            self.assertEqual("type" in reply.json, path == MESSAGES)


class CommandLineTest(RefusalCase):
    def test_what_a_command_changes_is_audited_as_what_it_is(self):
        gate = self.gate()  # made the key "caller" before the server ran
        made = gate.make_key("second", "--role", "viewer").split("_")[1]
        self.assertEqual(gate.run("key", "revoke", made).returncode, 0)
        self.assertEqual(gate.run("login-link").returncode, 0)
        self.assertTrue(wait_until(lambda: gate.chat().status == 200))
        gate.stop()
        gate.start()
        gate.stop()
        created = self.audited(gate, "key.create")
        self.assertEqual([each["name"] for each in created], ["caller", "second"])
        self.assertEqual({(each["actor"], each["actor_kind"]) for each in created}, {("command line", "system")})
        self.assertTrue(all(each["os_user"] and each["at"] for each in created))
        self.assertEqual([each["object"] for each in self.audited(gate, "key.revoke")], [made])
        self.assertEqual(len(self.audited(gate, "login_link.create")), 1)
        self.assertEqual(self.audited(gate, "catalog.reread"), [])
        self.assertIn("intact", gate.run("audit", "verify").stdout)


class TraceTest(RefusalCase):
    def test_the_callers_own_trace(self):
        gate = self.gate()
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        other = f"00-{'1' * 32}-{'2' * 16}-01"
        gate.post(CHAT_PATH, {**CHAT, "mock": {"id": "traced"}}, x_gatehouse_trace=trace, traceparent=other)
        gate.post(CHAT_PATH, CHAT, x_gatehouse_trace="4BF92F35-77B3-4DA6-A3CE-929D0E0E4736")
        for _ in range(2):
            gate.post(CHAT_PATH, CHAT, x_gatehouse_trace="order 17")
        gate.post(CHAT_PATH, CHAT, traceparent=other)
        sent = str(self.mock.calls("traced"))
        self.assertIn(f"00-{trace}-", sent)
        gate.stop()
        records = [each["attributes"] for each in gate.records()]
        ids = [each["trace_id"] for each in records]
        self.assertEqual(ids[:2], [trace, trace])
        self.assertEqual(ids[2], ids[3])
        self.assertNotEqual(ids[2], trace)
        self.assertEqual(ids[4], "1" * 32)
        self.assertEqual(records[2]["gatehouse.trace"], "order 17")


if __name__ == "__main__":
    unittest.main()
