// Anthropic's own JavaScript client.
import Anthropic from '@anthropic-ai/sdk';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startGate } from './gate.mjs';

let gate;
before(async () => { gate = await startGate(); });
after(() => gate.stop());

const client = (key = 'caller') =>
  new Anthropic({ baseURL: gate.url, apiKey: gate.keys[key] ?? key, maxRetries: 0 });
const hello = { model: 'claude', max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };

test('message', async () => {
  const reply = await client().messages.create({ ...hello, mock: { prompt_tokens: 12, tokens: 5 } });
  assert.equal(reply.content[0].type, 'text');
  assert.deepEqual([reply.usage.input_tokens, reply.usage.output_tokens], [12, 5]);
});

test('stream', async () => {
  const stream = client().messages.stream(hello);
  let text = '';
  stream.on('text', (piece) => { text += piece; });
  const final = await stream.finalMessage();
  assert.equal(final.content[0].text, text);
  assert.equal(final.stop_reason, 'end_turn');
});

test('tools', async () => {
  const reply = await client().messages.create(
    { ...hello, tools: [{ name: 'weather', input_schema: { type: 'object', properties: {} } }] });
  assert.equal(reply.stop_reason, 'tool_use');
});

test('errors', async () => {
  await assert.rejects(client('gh_wrong').messages.create(hello), Anthropic.AuthenticationError);
  await assert.rejects(client().messages.create({ ...hello, model: 'nowhere' }), Anthropic.NotFoundError);
  await client('slow').messages.create(hello);
  await assert.rejects(client('slow').messages.create(hello), Anthropic.RateLimitError);
  await assert.rejects(client().messages.create({ ...hello, mock: { fail_status: 529 } }), Anthropic.InternalServerError);
});

test('a cut stream is an error to the client', async () => {
  await assert.rejects(async () => {
    const stream = await client().messages.create({ ...hello, stream: true, mock: { cut: 'mid-stream', cut_after_events: 6 } });
    for await (const event of stream) assert.ok(event);
  }, /did not finish/);
});
