"""What health checks ask upstreams for, what they find, and what that costs."""
import json
import unittest

from gate import GateCase, model, upstream, wait_until

PRICES = [{"model": "*", "input": 1000, "output": 1000}]  # a token is 0.1 cent
NANO = 1_000_000_000
CHAT, EMBEDDINGS, MODELS = "/v1/chat/completions", "/v1/embeddings", "/v1/models"


class HealthCase(GateCase):
    def probed(self, models, config=None, health=None, **more):
        made = upstream(self.mock, health={"interval": "1s", **(health or {})}, **more)
        return self.gate({"upstreams": [made], "models": models, "prices": PRICES, **(config or {})},
                         keys={"viewer": ["--role", "viewer"]})

    def paths(self):
        return {path.split("/@mock")[-1]: count for path, count in self.mock.stats()["paths"].items()}

    def upstream_health(self, gate):
        return gate.get("/health", None).json["upstreams"][0]

    def health(self, gate, state, seconds=8):
        found = wait_until(lambda: self.upstream_health(gate)["health"] == state, seconds)
        self.assertTrue(found, self.upstream_health(gate))
        return self.upstream_health(gate)


class ProbesTest(HealthCase):
    BOTH = [model("gpt"), model("text-embedding-3-small")]

    def test_chat_and_embeddings_are_both_checked(self):
        gate = self.probed(self.BOTH)
        self.health(gate, "healthy")
        self.assertTrue(wait_until(lambda: {CHAT, EMBEDDINGS} <= set(self.paths())), self.paths())
        self.assertNotIn(MODELS, self.paths())

    def test_each_kind_is_called_by_its_own_protocol(self):
        for kind, name, more, path in (
                ("anthropic", "claude-x", {}, "/v1/messages"),
                ("azure_openai", "gpt", {"api_version": "2024-10-21"}, "/openai/deployments/gpt/chat/completions"),
                ("azure_openai", "text-embedding-3-small", {}, "/openai/v1/embeddings")):
            with self.subTest(kind=kind, model=name):
                self.mock.reset()
                gate = self.probed([model(name)], kind=kind, **more)
                self.health(gate, "healthy")
                self.assertTrue(wait_until(lambda: path in self.paths()), self.paths())

    def test_an_upstream_that_chats_and_cannot_embed_is_not_healthy(self):
        gate = self.probed([model("gpt"), model("vectors", offers=["embeddings"])], health={"unhealthy_after": 1})
        self.health(gate, "healthy")
        self.mock.behave("mock", fail_status=500)
        reasons = self.health(gate, "unhealthy")["reasons"]
        self.assertIn("embeddings", reasons[0])
        self.assertIn("chat", reasons[0])
        self.mock.behave("mock")
        self.health(gate, "healthy")

    def test_an_error_in_a_200_is_no_health(self):
        gate = self.probed([model("gpt")], health={"unhealthy_after": 1})
        self.health(gate, "healthy")
        self.mock.behave("mock", error_in_200=True)
        self.assertIn("chat", self.health(gate, "unhealthy")["reasons"][0])

    def test_probes_are_recorded_and_billed_to_no_key(self):
        gate = self.probed(self.BOTH)
        self.assertTrue(wait_until(lambda: {CHAT, EMBEDDINGS} <= set(self.paths())))
        self.assertTrue(wait_until(lambda: gate.metric("gatehouse_probe_calls_total", "viewer", outcome="ok")))
        self.assertGreater(gate.metric("gatehouse_probe_cost_dollars_total", "viewer"), 0)
        self.assertIsNone(gate.metric("gatehouse_calls_total", "viewer"))
        gate.stop()
        self.assertEqual(gate.records(), [])
        done = gate.run("records", "--stream", "probes")
        probes = [json.loads(line)["attributes"] for line in done.stdout.splitlines()]
        self.assertEqual({each["gen_ai.operation.name"] for each in probes}, {"chat", "embeddings"})
        for each in probes:
            self.assertTrue(each["gatehouse.probe"])
            self.assertGreater(each["gatehouse.cost_nanousd"], 0)
            self.assertNotIn("gatehouse.key.id", each)

    def test_off_by_configuration(self):
        gate = self.probed(self.BOTH, health={"calls": False})
        self.health(gate, "healthy")
        self.assertEqual(set(self.paths()), {MODELS})

    def test_a_model_that_offers_nothing_is_not_called(self):
        gate = self.probed([model("gpt", offers=[])])
        self.health(gate, "healthy")
        self.assertEqual(set(self.paths()), {MODELS})

    def test_a_call_that_just_went_well_spares_a_probe(self):
        gate = self.probed([model("gpt")], health={"interval": "3s"})
        self.health(gate, "healthy")
        probes = gate.metric("gatehouse_probe_calls_total", "viewer")
        for _ in range(25):  # five seconds: one check at least falls into them
            self.assertEqual(gate.chat().status, 200)
            wait_until(lambda: False, 0.2)
        self.assertEqual(gate.metric("gatehouse_probe_calls_total", "viewer"), probes)

    def test_a_spent_budget_makes_probes_free(self):
        gate = self.probed([model("gpt")], {"budget": {"daily_usd": 0.01}})  # less than any call can cost
        self.health(gate, "healthy")
        self.assertEqual(set(self.paths()), {MODELS})


class BudgetTest(GateCase):
    def config(self):
        return {"upstreams": [upstream(self.mock)], "models": [model(), model("other")], "prices": PRICES,
                "budget": {"daily_usd": 1}}

    def test_the_gates_budget_holds_over_all_keys_and_restarts(self):
        gate = self.gate(self.config(), keys={"rich": ["--daily-usd", "100"], "viewer": ["--role", "viewer"]})
        served, refused = 0, None
        for i in range(200):
            reply = gate.chat(("caller", "rich")[i % 2], model=("gpt", "other")[i // 2 % 2], max_tokens=5,
                              mock={"prompt_tokens": 15, "tokens": 5})
            if reply.status != 200:
                refused = reply
                break
            served += 1
            if i == 10:
                gate.kill()
                gate.start()
        self.assert_error(refused, 429, "budget_exceeded")
        home = gate.get("/api/v1/overview", "viewer").json["spend"]
        self.assertEqual(home["daily_budget_nanousd"], str(NANO))
        self.assertEqual(home["today_nanousd"], str(served * NANO // 50))
        self.assertIn("budget.daily_usd", refused.error["message"])
        self.assertLessEqual(served, 50)
        gate.stop()
        spent = sum(record["attributes"].get("gatehouse.cost_nanousd", 0) for record in gate.records())
        self.assertLessEqual(spent, NANO)
        self.assertEqual(spent, served * NANO // 50)
        gate.start()
        self.assertEqual(gate.chat(max_tokens=400).status, 429)


if __name__ == "__main__":
    unittest.main()
