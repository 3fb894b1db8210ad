"""Anthropic's own client, and models behind plain HTTP."""
import json
import unittest

import anthropic

from gate import GateCase, model, upstream


class AnthropicTest(GateCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        from gate import Gate
        cls.gate = Gate(cls.mock, {
            "upstreams": [upstream(cls.mock, kind="anthropic", retry={"retries": 0})],
            "models": [model("claude", {"upstream": "mock", "model": "claude-there"})],
        }, keys={"slow": ["--requests-per-minute", "1"]})
        cls.addClassCleanup(cls.gate.close)

    def client(self, key="caller"):
        return anthropic.Anthropic(base_url=self.gate.url, api_key=self.gate.keys.get(key, key), max_retries=0)

    def message(self, client=None, extra=None, **more):
        return (client or self.client()).messages.create(
            model=more.pop("model", "claude"), max_tokens=100, messages=[{"role": "user", "content": "hi"}],
            extra_body={"mock": extra} if extra else None, **more)

    def test_message(self):
        reply = self.message(extra={"id": "m", "prompt_tokens": 12, "tokens": 5})
        self.assertEqual(reply.content[0].type, "text")
        self.assertEqual(reply.stop_reason, "end_turn")
        self.assertEqual((reply.usage.input_tokens, reply.usage.output_tokens), (12, 5))
        request = self.mock.calls("m")["attempts"][0]["request"]
        self.assertEqual(request["target"], "/@mock/v1/messages")
        self.assertEqual(json.loads(request["body"])["model"], "claude-there")
        self.assertNotIn(self.gate.keys["caller"], str(request))

    def test_stream(self):
        with self.client().messages.stream(model="claude", max_tokens=100,
                                           messages=[{"role": "user", "content": "hi"}]) as stream:
            text = "".join(stream.text_stream)
            final = stream.get_final_message()
        self.assertEqual(final.content[0].text, text)
        self.assertEqual(final.stop_reason, "end_turn")

    def test_tools(self):
        tools = [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]
        asked = self.message(tools=tools)
        self.assertEqual(asked.stop_reason, "tool_use")
        use = next(block for block in asked.content if block.type == "tool_use")
        answered = self.client().messages.create(model="claude", max_tokens=100, tools=tools, messages=[
            {"role": "user", "content": "weather?"}, {"role": "assistant", "content": asked.content},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}]}])
        self.assertEqual(answered.stop_reason, "end_turn")

    def test_count_tokens(self):
        counted = self.client().messages.count_tokens(model="claude", messages=[{"role": "user", "content": "hi"}])
        self.assertGreater(counted.input_tokens, 0)

    def test_errors(self):
        with self.assertRaises(anthropic.AuthenticationError) as caught:
            self.message(self.client("gh_wrong"))
        self.assertEqual(caught.exception.body["error"]["type"], "authentication_error")
        with self.assertRaises(anthropic.NotFoundError) as caught:
            self.message(model="nowhere")
        self.assertEqual(caught.exception.body["error"]["type"], "not_found_error")
        slow = self.client("slow")
        self.message(slow)
        with self.assertRaises(anthropic.RateLimitError) as caught:
            self.message(slow)
        self.assertEqual(caught.exception.body["error"]["type"], "rate_limit_error")
        self.assertIn("retry-after", caught.exception.response.headers)
        with self.assertRaises(anthropic.InternalServerError):
            self.message(extra={"fail_status": 529})

    def test_a_cut_stream_is_an_error_to_the_client(self):
        with self.assertRaises(Exception) as caught:
            list(self.message(stream=True, extra={"cut": "mid-stream", "cut_after_events": 5}))
        self.assertIn("did not finish", str(caught.exception))

    def test_a_stream_cut_before_its_first_token_is_no_answer(self):
        with self.assertRaises(anthropic.APIStatusError) as caught:  # message_start, content_block_start, ping
            list(self.message(stream=True, extra={"cut": "mid-stream", "cut_after_events": 3}))
        self.assertEqual(caught.exception.status_code, 502)
        self.assertIn("stream_cut", str(caught.exception))

    def test_an_error_event_in_the_stream(self):
        with self.assertRaises(anthropic.APIError):
            list(self.message(stream=True, extra={"error_after_events": 4}))

    def test_a_stream_without_message_stop(self):
        with self.assertRaises(Exception):
            list(self.message(stream=True, extra={"omit_done": True}))


class InferenceTest(GateCase):
    """Raw HTTP, as the servers of classic models speak it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        from gate import Gate
        cls.gate = Gate(cls.mock, {"upstreams": [upstream(cls.mock, kind="http", retry={"retries": 0})],
                                   "models": [model("churn", {"upstream": "mock", "model": "churn-7"}), model("other")]})
        cls.two = cls.gate
        cls.one = Gate(cls.mock, {"upstreams": [upstream(cls.mock, kind="http")], "models": [model("churn", "mock")]})
        for each in (cls.one, cls.two):
            cls.addClassCleanup(each.close)

    def test_open_inference(self):
        body = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}], "mock": {"id": "oip"}}
        for path in ("/v2/models/churn/infer", "/v2/models/churn/versions/3/infer"):
            reply = self.gate.post(path, body)
            self.assertEqual((reply.status, reply.headers["x-gatehouse-upstream"]), (200, "mock"), reply)
            self.assertIn("outputs", reply.json)
        target = self.mock.calls("oip")["attempts"][-1]["request"]["target"]
        self.assertEqual(target, "/@mock/v2/models/churn-7/versions/3/infer")

    def test_invocations_and_score(self):
        for path in ("/invocations", "/score"):
            self.assertEqual(self.one.post(path, {"inputs": [1]}).status, 200)
            self.assertEqual(self.two.post(path, {"inputs": [1]}).status, 400)  # which of two?
            self.assertEqual(self.two.post(path, {"inputs": [1]}, x_gatehouse_model="other").status, 200)

    def test_predict(self):
        self.assertEqual(self.gate.post("/predict/churn", {"x": 1}).status, 200)
        self.assertEqual(self.gate.post("/predict/churn/deeper?a=b", {"x": 1}).status, 200)

    def test_errors_in_the_shape_of_each(self):
        reply = self.gate.post("/v2/models/nowhere/infer", {"inputs": []})
        self.assertEqual(reply.status, 404)
        self.assertIsInstance(reply.json["error"], str)
        reply = self.gate.post("/invocations", "{", x_gatehouse_model="churn")
        self.assertEqual((reply.status, reply.json["error_code"]), (400, "invalid_request"))
        reply = self.gate.post("/predict/churn", {"x": 1}, key=None)
        self.assertEqual((reply.status, reply.json["error"]["code"]), (401, "invalid_api_key"))

    def test_a_chat_is_no_inference(self):
        reply = self.gate.post("/v1/chat/completions", {"model": "churn", "messages": []})
        self.assert_error(reply, 400, "wrong_protocol")


if __name__ == "__main__":
    unittest.main()
