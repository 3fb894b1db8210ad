"""Microsoft Entra tokens, from the mock's token endpoints, which Microsoft's own library
accepts too."""
import json
import pathlib
import tempfile
import time
import unittest
import urllib.parse

from gate import GateCase, model, upstream

NOTHING = {name: "" for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE",
                                 "AZURE_AUTHORITY_HOST", "IDENTITY_ENDPOINT", "IDENTITY_HEADER")}


class EntraTest(GateCase):
    def with_entra(self, entra, env=None):
        return self.gate({"upstreams": [upstream(self.mock, kind="azure_openai", auth={"entra": entra}, retry={"retries": 0})],
                          "models": [model("gpt")]}, env={**NOTHING, **(env or {})})

    def authorization(self, gate, call_id):
        reply = gate.chat(mock={"id": call_id})
        self.assertEqual(reply.status, 200, reply)
        return self.mock.calls(call_id)["attempts"][0]["request"]["headers"]["authorization"]

    def token_requests(self):
        return {path: count for path, count in self.mock.stats()["paths"].items() if "token" in path}

    def last_token_request(self):
        return self.mock.stats()["last_request"]

    def test_client_secret(self):
        gate = self.with_entra({"tenant_id": "tenant", "client_id": "client", "client_secret": "s3cret",
                                "authority_host": self.mock.url})
        first = self.authorization(gate, "one")
        self.assertTrue(first.startswith("Bearer ey") or first.startswith("Bearer "), first)
        self.assertNotIn("gh_", first)
        self.assertEqual([self.authorization(gate, f"more{i}") for i in range(5)], [first] * 5)
        self.assertEqual(sum(self.token_requests().values()), 1)  # cached
        self.assertNotIn("s3cret", gate.log_text())
        self.assertNotIn(first.split()[1], gate.log_text())

    def test_one_request_for_many_calls_at_once(self):
        import threading
        gate = self.with_entra({"tenant_id": "t", "client_id": "c", "client_secret": "s", "authority_host": self.mock.url})
        callers = [threading.Thread(target=gate.chat) for _ in range(20)]
        for each in callers:
            each.start()
        for each in callers:
            each.join()
        self.assertLessEqual(sum(self.token_requests().values()), 2)  # at most one an event loop

    def test_from_the_environment(self):
        gate = self.with_entra({}, {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s",
                                    "AZURE_AUTHORITY_HOST": self.mock.url})
        self.assertTrue(self.authorization(gate, "env").startswith("Bearer "))

    def test_workload_identity_reads_its_file_again(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "token"
            file.write_text("federated-1")
            gate = self.with_entra({}, {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c",
                                        "AZURE_FEDERATED_TOKEN_FILE": str(file), "AZURE_AUTHORITY_HOST": self.mock.url})
            self.assertTrue(self.authorization(gate, "federated").startswith("Bearer "))

    def test_app_service(self):
        gate = self.with_entra({}, {"IDENTITY_ENDPOINT": f"{self.mock.url}/msi/token", "IDENTITY_HEADER": "header"})
        self.assertTrue(self.authorization(gate, "msi").startswith("Bearer "))
        self.assertEqual(len(self.token_requests()), 1)

    def test_a_token_that_expires_is_replaced(self):
        self.mock.behave(token_expires_s=32)  # what has less than half a minute left is not used
        gate = self.with_entra({"tenant_id": "t", "client_id": "c", "client_secret": "s", "authority_host": self.mock.url})
        self.authorization(gate, "before")
        time.sleep(2.5)
        self.authorization(gate, "after")
        self.assertGreater(sum(self.token_requests().values()), 1)

    def test_a_refused_credential_is_a_clear_error(self):
        gate = self.with_entra({"tenant_id": "t", "client_id": "c", "client_secret": "s", "authority_host": "http://127.0.0.1:1"})
        self.assert_error(gate.chat(), 502, "upstream_credential")


if __name__ == "__main__":
    unittest.main()
