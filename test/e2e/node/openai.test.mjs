// OpenAI's own JavaScript client, as its users use it: npm install openai, baseURL changed.
import './globals.mjs';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI, { AzureOpenAI, toFile } from 'openai';
import { startGate } from './gate.mjs';

let gate;
before(async () => { gate = await startGate(); });
after(() => gate.stop());

const client = (key = 'caller', more = {}) =>
  new OpenAI({ baseURL: `${gate.url}/v1`, apiKey: gate.keys[key] ?? key, maxRetries: 0, ...more });
const hello = { model: 'gpt', messages: [{ role: 'user', content: 'hi' }] };

test('chat', async () => {
  const reply = await client().chat.completions.create({ ...hello, mock: { prompt_tokens: 11, tokens: 4 } });
  assert.ok(reply.choices[0].message.content);
  assert.deepEqual([reply.usage.prompt_tokens, reply.usage.completion_tokens], [11, 4]);
});

test('chat stream', async () => {
  let text = '', usages = 0;
  for await (const chunk of await client().chat.completions.create({ ...hello, stream: true })) {
    text += chunk.choices[0]?.delta?.content ?? '';
    if (chunk.usage) usages += 1;
  }
  assert.ok(text);
  assert.equal(usages, 0);
  for await (const chunk of await client().chat.completions.create(
    { ...hello, stream: true, stream_options: { include_usage: true } })) if (chunk.usage) usages += 1;
  assert.equal(usages, 1);
});

test('a cut stream is an error to the client', async () => {
  await assert.rejects(async () => {
    const stream = await client().chat.completions.create(
      { ...hello, stream: true, mock: { cut: 'mid-stream', cut_after_events: 3 } });
    for await (const chunk of stream) assert.ok(chunk);
  }, /did not finish/);
});

test('leaving a stream early leaves the client usable', async () => {
  const one = client();
  for await (const chunk of await one.chat.completions.create({ ...hello, stream: true, mock: { token_ms: 20 } })) {
    assert.ok(chunk);
    break;
  }
  assert.ok((await one.chat.completions.create(hello)).choices.length);
});

test('tools', async () => {
  const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } }];
  const asked = await client().chat.completions.create({ ...hello, tools });
  assert.equal(asked.choices[0].finish_reason, 'tool_calls');
  const call = asked.choices[0].message.tool_calls[0];
  const answered = await client().chat.completions.create({ ...hello, tools, messages: [
    ...hello.messages, asked.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'sunny' }] });
  assert.equal(answered.choices[0].finish_reason, 'stop');
});

test('embeddings', async () => {
  const reply = await client().embeddings.create({ model: 'gpt', input: ['a', 'b'] });
  assert.equal(reply.data.length, 2);
  assert.equal(typeof reply.data[0].embedding[0], 'number');
});

test('responses, whole and as a stream', async () => {
  const reply = await client().responses.create({ model: 'gpt', input: 'hi' });
  assert.ok(reply.output_text);
  let last;
  for await (const event of await client().responses.create({ model: 'gpt', input: 'hi', stream: true })) last = event;
  assert.equal(last.type, 'response.completed');
});

test('models', async () => {
  const names = [];
  for await (const model of client().models.list()) names.push(model.id);
  assert.deepEqual(names.sort(), ['claude', 'gpt']);
});

test('audio and images as forms', async () => {
  const file = await toFile(Buffer.alloc(300_000, 7), 'a.mp3', { type: 'audio/mpeg' });
  assert.ok((await client().audio.transcriptions.create({ file, model: 'gpt' })).text);
  const image = await toFile(Buffer.alloc(10_000, 7), 'a.png', { type: 'image/png' });
  assert.ok((await client().images.edit({ image, model: 'gpt', prompt: 'more' })).data.length);
});

test('moderations', async () => {
  assert.equal(typeof (await client().moderations.create({ model: 'gpt', input: 'hi' })).results[0].flagged, 'boolean');
});

test('the Azure flavour', async () => {
  const azure = new AzureOpenAI({ endpoint: gate.url, apiKey: gate.keys.caller, apiVersion: '2024-06-01', maxRetries: 0 });
  assert.ok((await azure.chat.completions.create(hello)).choices.length);
});

test('errors become the client\'s exceptions', async () => {
  await assert.rejects(client('gh_wrong').chat.completions.create(hello), OpenAI.AuthenticationError);
  await assert.rejects(client().chat.completions.create({ ...hello, model: 'nowhere' }), (error) =>
    error instanceof OpenAI.NotFoundError && error.code === 'model_not_found');
  await client('slow').chat.completions.create(hello);
  await assert.rejects(client('slow').chat.completions.create(hello), (error) =>
    error instanceof OpenAI.RateLimitError && error.code === 'rate_limit_exceeded' &&
    Number(error.headers.get('retry-after')) > 0 && error.headers.get('x-ratelimit-limit-requests') === '1');
  await assert.rejects(client().chat.completions.create({ ...hello, mock: { fail_status: 503 } }),
    OpenAI.InternalServerError);
});

test('a spent budget is not tried again', async () => {
  const begin = Date.now();
  await assert.rejects(client('poor', { maxRetries: 5 }).chat.completions.create({ ...hello, max_tokens: 100 }), (error) =>
    error instanceof OpenAI.RateLimitError && error.code === 'budget_exceeded');
  assert.ok(Date.now() - begin < 400);
});
