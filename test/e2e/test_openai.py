"""OpenAI's own client, as its users use it: pip install openai, base_url changed."""
import base64
import io
import json
import time
import unittest

import openai

from gate import GateCase, model, upstream

PRICES = [{"model": "gpt", "input": 1000, "output": 1000}]


class OpenAiTest(GateCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        from gate import Gate
        cls.gate = Gate(cls.mock, {
            "upstreams": [upstream(cls.mock), upstream(cls.mock, "azure", kind="azure_openai", api_version="2024-10-21"),
                          upstream(cls.mock, "azure-v1", kind="azure_openai")],
            "models": [model("gpt"), model("gpt-azure", {"upstream": "azure", "model": "my-deployment"}),
                       model("gpt-azure-v1", {"upstream": "azure-v1", "model": "dep"}),
                       model("text-*", "mock"), model("hidden")],
            "prices": PRICES,
        }, keys={"narrow": ["--models", "gpt,text-*"], "slow": ["--requests-per-minute", "2"],
                 "poor": ["--daily-usd", "0.01"], "old": ["--expires", "1s"]})
        cls.addClassCleanup(cls.gate.close)

    def client(self, key="caller", **more):
        return openai.OpenAI(base_url=f"{self.gate.url}/v1", api_key=self.gate.keys.get(key, key),
                             **{"max_retries": 0, **more})

    def sent(self, call_id):
        """What reached the upstream of the call with this id."""
        request = self.mock.calls(call_id)["attempts"][-1]["request"]
        return request["target"], request["headers"], request["body"]

    def chat(self, client=None, content="hi", extra=None, **more):
        return (client or self.client()).chat.completions.create(
            model=more.pop("model", "gpt"), messages=[{"role": "user", "content": content}],
            extra_body={"mock": extra} if extra else None, **more)

    def test_chat(self):
        reply = self.chat(extra={"prompt_tokens": 11, "tokens": 4})
        self.assertTrue(reply.choices[0].message.content)
        self.assertEqual(reply.choices[0].finish_reason, "stop")
        self.assertEqual((reply.usage.prompt_tokens, reply.usage.completion_tokens), (11, 4))

    def test_raw_headers(self):
        raw = self.client().chat.completions.with_raw_response.create(
            model="gpt", messages=[], extra_headers={"x-gatehouse-session": "s", "x-gatehouse-user": "u"})
        self.assertEqual(raw.headers["x-gatehouse-upstream"], "mock")
        self.assertEqual(raw.headers["x-gatehouse-attempts"], "1")
        self.assertTrue(raw.headers["x-gatehouse-request-id"])

    def test_stream(self):
        chunks = list(self.chat(stream=True))
        self.assertTrue("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))
        self.assertEqual([chunk.usage for chunk in chunks if chunk.usage], [])
        chunks = list(self.chat(stream=True, stream_options={"include_usage": True}))
        self.assertEqual(len([chunk.usage for chunk in chunks if chunk.usage]), 1)

    def test_a_cut_stream_is_an_error_to_the_client(self):
        with self.assertRaises((openai.APIError, openai.APIConnectionError, Exception)) as caught:
            list(self.chat(stream=True, extra={"cut": "mid-stream", "cut_after_events": 3}))
        self.assertIn("did not finish", str(caught.exception))

    TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}}}}]

    def test_tools(self):
        asked = self.chat(tools=self.TOOLS)
        self.assertEqual(asked.choices[0].finish_reason, "tool_calls")
        call = asked.choices[0].message.tool_calls[0]
        self.assertEqual(call.function.name, "weather")
        json.loads(call.function.arguments)
        answered = self.client().chat.completions.create(model="gpt", tools=self.TOOLS, messages=[
            {"role": "user", "content": "weather?"}, asked.choices[0].message,
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"}])
        self.assertEqual(answered.choices[0].finish_reason, "stop")

    def test_tools_in_a_stream(self):
        name, arguments = "", ""
        for chunk in self.chat(tools=self.TOOLS, stream=True):
            for choice in chunk.choices:
                for call in choice.delta.tool_calls or []:
                    name += call.function.name or ""
                    arguments += call.function.arguments or ""
        self.assertEqual(name, "weather")
        json.loads(arguments)

    def test_completions(self):
        self.assertTrue(self.client().completions.create(model="gpt", prompt="hi").choices[0].text)
        pieces = self.client().completions.create(model="gpt", prompt="hi", stream=True)
        self.assertTrue("".join(piece.choices[0].text for piece in pieces if piece.choices))

    def test_embeddings(self):
        # The client asks for base64 by itself and decodes it.
        reply = self.client().embeddings.create(model="text-embedding-3-small", input=["a", "b"])
        self.assertEqual(len(reply.data), 2)
        self.assertIsInstance(reply.data[0].embedding[0], float)
        plain = self.client().embeddings.create(model="text-embedding-3-small", input="a", encoding_format="float")
        self.assertEqual(len(plain.data[0].embedding), len(reply.data[0].embedding))

    def test_responses(self):
        reply = self.client().responses.create(model="gpt", input="hi")
        self.assertEqual(reply.status, "completed")
        self.assertTrue(reply.output_text)

    def test_responses_stream(self):
        events = list(self.client().responses.create(model="gpt", input="hi", stream=True))
        self.assertEqual(events[-1].type, "response.completed")
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        self.assertEqual(text, events[-1].response.output_text)

    def test_models(self):
        names = [each.id for each in self.client().models.list()]
        self.assertEqual(sorted(names), ["gpt", "gpt-azure", "gpt-azure-v1", "hidden"])
        self.assertEqual([each.id for each in self.client("narrow").models.list()], ["gpt"])
        self.assertEqual(self.client().models.retrieve("gpt").id, "gpt")
        with self.assertRaises(openai.NotFoundError):
            self.client("narrow").models.retrieve("hidden")

    def test_moderations(self):
        self.assertIsInstance(self.client().moderations.create(model="gpt", input="hi").results[0].flagged, bool)

    def test_images(self):
        self.assertTrue(self.client().images.generate(model="gpt", prompt="a gate").data)
        edited = self.client().images.edit(model="gpt", image=("a.png", b"\x89PNG" * 5000, "image/png"), prompt="more")
        self.assertTrue(edited.data)

    def test_audio(self):
        sound = ("a.mp3", io.BytesIO(b"\x00\x01\x02\xff" * 250_000), "audio/mpeg")
        self.assertTrue(self.client().audio.transcriptions.create(model="gpt", file=sound).text)
        spoken = self.client().audio.speech.create(model="gpt", voice="alloy", input="hi")
        self.assertTrue(spoken.read())

    def form(self, *parts):
        body = b"".join(b"--B\r\nContent-Disposition: form-data; name=\"" + name + b"\"" + more + b"\r\n\r\n" + value +
                        b"\r\n" for name, more, value in parts) + b"--B--\r\n"
        return self.gate.post("/v1/audio/transcriptions", body, content_type="multipart/form-data; boundary=B")

    def test_audio_with_the_model_before_and_after_the_file(self):
        sound = bytes(range(256)) * 2000
        name = (b"model", b"", b"gpt")
        file = (b"file", b'; filename="a.wav"\r\nContent-Type: audio/wav', sound)
        for parts in ([name, file], [file, name]):
            reply = self.form(*parts)
            self.assertEqual(reply.status, 200, reply)
        self.assertEqual(self.form(file).status, 400)  # no model at all

    # Azure's flavour of the client, and of the upstream

    def azure(self, **more):
        return openai.AzureOpenAI(azure_endpoint=self.gate.url, api_key=self.gate.keys["caller"],
                                  api_version="2024-06-01", max_retries=0, **more)

    def test_azure_client(self):
        reply = self.chat(self.azure())
        self.assertTrue(reply.choices[0].message.content)
        self.assertTrue(list(self.chat(self.azure(), stream=True)))
        self.assertTrue(self.azure().embeddings.create(model="text-embedding-3-small", input="a").data)

    def test_azure_upstream(self):
        self.assertTrue(self.chat(self.azure(), model="gpt-azure", extra={"id": "az"}))
        target, headers, _ = self.sent("az")
        self.assertEqual(target, "/@azure/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21")
        self.assertNotIn(self.gate.keys["caller"], str(headers))
        self.assertTrue(self.chat(model="gpt-azure-v1", extra={"id": "az1"}))
        target, _, body = self.sent("az1")
        self.assertEqual(target, "/@azure-v1/openai/v1/chat/completions")
        self.assertEqual(json.loads(body)["model"], "dep")

    # Errors, in the shape that the client turns into its exceptions

    def test_wrong_key(self):
        for key in ("gh_wrong", "sk-something"):
            with self.assertRaises(openai.AuthenticationError) as caught:
                self.chat(self.client(key))
            self.assertEqual(caught.exception.code, "invalid_api_key")

    def test_expired_key(self):
        time.sleep(1.2)
        with self.assertRaises(openai.AuthenticationError) as caught:
            self.chat(self.client("old"))
        self.assertEqual(caught.exception.code, "key_expired")

    def test_revoked_key(self):
        self.gate.make_key("gone")
        self.assertTrue(self.gate.run("key", "revoke", self.gate.keys["gone"].split("_")[1]).returncode == 0)
        time.sleep(1.5)  # the command works on the catalog; the server looks every second
        with self.assertRaises(openai.AuthenticationError) as caught:
            self.chat(self.client("gone"))
        self.assertEqual(caught.exception.code, "key_revoked")

    def test_unknown_and_forbidden_models_look_alike(self):
        messages = []
        for name in ("hidden", "nowhere"):
            with self.assertRaises(openai.NotFoundError) as caught:
                self.chat(self.client("narrow"), model=name)
            self.assertEqual(caught.exception.code, "model_not_found")
            messages.append(caught.exception.message.replace(name, "X"))
        self.assertEqual(messages[0], messages[1])

    def test_rate_limit(self):
        client = self.client("slow")
        raw = client.chat.completions.with_raw_response.create(model="gpt", messages=[])
        self.assertEqual(raw.headers["x-ratelimit-limit-requests"], "2")
        self.assertEqual(raw.headers["x-ratelimit-remaining-requests"], "1")
        self.assertTrue(raw.headers["x-ratelimit-reset-requests"])
        self.chat(client)
        with self.assertRaises(openai.RateLimitError) as caught:
            self.chat(client)
        self.assertEqual(caught.exception.code, "rate_limit_exceeded")
        headers = caught.exception.response.headers
        self.assertTrue(0 < int(headers["retry-after"]) <= 31, headers["retry-after"])
        self.assertEqual(headers["x-ratelimit-remaining-requests"], "0")

    def test_a_spent_budget_is_not_tried_again(self):
        client = self.client("poor", max_retries=5)
        # A thousand dollars a million tokens: ten tokens are a cent.
        with self.assertRaises(openai.RateLimitError) as caught:
            for _ in range(3):
                self.chat(client, max_tokens=2, extra={"prompt_tokens": 10, "tokens": 2})
        self.assertEqual(caught.exception.code, "budget_exceeded")
        self.assertEqual(caught.exception.response.headers["x-should-retry"], "false")
        before = self.gate.log_text().count("budget_exceeded")
        begin = time.monotonic()
        with self.assertRaises(openai.RateLimitError):
            self.chat(client, max_tokens=2)
        self.assertLess(time.monotonic() - begin, 0.4)  # it did not wait and ask again

    def test_the_clients_own_retries_meet_ours(self):
        client = self.client(max_retries=2)
        reply = self.chat(client, extra={"id": "flaky", "fail_status": 500, "fail_first": 1})
        self.assertTrue(reply.choices)


if __name__ == "__main__":
    unittest.main()
