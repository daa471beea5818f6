// OpenAI's Node SDK, used as its users use it; prints one JSON object with what each act saw.
import { createRequire } from 'node:module';
import { join } from 'node:path';

const OpenAI = createRequire(join(process.argv[2], 'package.json'))('openai');
const MODEL = 'gpt-4o-mini';
const WEATHER = {
  type: 'function',
  function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
};

const statuses = [];
async function noting(url, init) {
  const answer = await fetch(url, init);
  statuses.push(answer.status);
  return answer;
}

const options = { baseURL: process.env.HARPOON_V1, apiKey: process.env.HARPOON_CLIENT_TOKEN };
const client = new OpenAI({ ...options, fetch: noting });
const says = (content) => ({ model: MODEL, messages: [{ role: 'user', content }] });
const create = (body, settings) => client.chat.completions.create(body, settings);

async function refusal(promise) {
  const before = statuses.length;
  try {
    await promise();
  } catch (problem) {
    const { name } = problem.constructor;
    const { status, code, param, type, requestID } = problem;
    return { name, status, code, param, type, request_id: requestID, statuses: statuses.slice(before) };
  }
  return 'nothing was refused';
}

async function gathered(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

const acts = {
  async chat() {
    const answer = await create(says('Where are you?'));
    const { message, finish_reason } = answer.choices[0];
    return { text: message.content, finish: finish_reason, usage: answer.usage, request_id: answer._request_id };
  },

  async headers() {
    const covenant = { budget_usd: 0.5, priority: 'balanced' };
    const { response, request_id } = await create({ ...says('Where are you?'), covenant }).withResponse();
    return { request_id, header: response.headers.get('x-request-id'), policy: response.headers.get('x-harpoon-policy') };
  },

  async stream() {
    const asked = create({ ...says('Where are you?'), stream: true, stream_options: { include_usage: true } });
    const { data, request_id } = await asked.withResponse();
    const chunks = await gathered(data);
    const last = chunks.pop();
    const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join('');
    return { text, finish: chunks.at(-1).choices[0].finish_reason, usage: last.usage, none: last.choices, request_id };
  },

  async helper() {
    const stream = client.chat.completions.stream(says('Where are you?'));
    return { text: await stream.finalContent() };
  },

  async left() {
    const stream = await create({ ...says('Where are you?'), stream: true });
    for await (const chunk of stream) if (chunk.choices[0].delta.content) break;
    return { then: (await create(says('Where are you?'))).choices[0].message.content };
  },

  async tools() {
    const asked = { role: 'user', content: 'How is the weather?' };
    const answer = await create({ model: MODEL, messages: [asked], tools: [WEATHER] });
    const { message, finish_reason } = answer.choices[0];
    const [call] = message.tool_calls;
    const told = { role: 'tool', tool_call_id: call.id, content: 'snowing' };
    const end = await create({ model: MODEL, messages: [asked, message, told], tools: [WEATHER] });
    return { finish: finish_reason, call: call.function, id: call.id, end: end.choices[0].message.content };
  },

  async streamed_tools() {
    const messages = [{ role: 'user', content: 'How is the weather?' }];
    const stream = client.chat.completions.stream({ model: MODEL, messages, tools: [WEATHER] });
    const { finish_reason, message } = (await stream.finalChatCompletion()).choices[0];
    return { finish: finish_reason, call: message.tool_calls[0].function, id: message.tool_calls[0].id };
  },

  async errors() {
    const stranger = new OpenAI({ ...options, apiKey: 'hk_node_wrong' });
    return {
      model: await refusal(() => create({ ...says('Hi'), model: 'gpt-99' })),
      body: await refusal(() => create({ ...says('Hi'), temperature: 3 })),
      covenant: await refusal(() => create({ ...says('Hi'), covenant: { budget_eur: 1 } })),
      budget: await refusal(() => create({ ...says('Hi'), covenant: { budget_usd: 0 } })),
      stream: await refusal(() => create({ ...says('Hi'), stream: true, covenant: { budget_usd: 0 } })),
      token: await refusal(() => stranger.models.list()),
    };
  },

  async retries() {
    const began = statuses.length;
    const answer = await create(says('#503 node'));
    const limited = await create({ ...says('#429 node'), stream: true });
    const chunks = await gathered(limited);
    const text = chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join('');
    return { text: answer.choices[0].message.content, streamed: text, statuses: statuses.slice(began) };
  },

  async impatience() {
    return refusal(() => create(says('#500 node'), { maxRetries: 0 }));
  },

  async models() {
    const names = [];
    for await (const model of client.models.list()) names.push(model.id);
    return names;
  },

  async embeddings() {
    const answer = await client.embeddings.create({ model: 'text-embedding-3-small', input: ['one', 'two'] });
    return { vectors: answer.data.map((item) => [...item.embedding]), usage: answer.usage, request_id: answer._request_id };
  },

  async responses() {
    const answer = await client.responses.create({ model: MODEL, input: 'Where are you?' });
    return { text: answer.output_text, usage: answer.usage.total_tokens, request_id: answer._request_id };
  },

  async streamed_responses() {
    const stream = await client.responses.create({ model: MODEL, input: 'Where are you?', stream: true });
    const events = await gathered(stream);
    const deltas = events.filter((event) => event.type === 'response.output_text.delta');
    return { text: deltas.map((event) => event.delta).join(''), last: events.at(-1).type };
  },
};

const seen = {};
for (const [name, act] of Object.entries(acts)) {
  try {
    seen[name] = await act();
  } catch (problem) {
    seen[name] = `it failed: ${problem.stack}`;
  }
}
console.log(JSON.stringify(seen));
