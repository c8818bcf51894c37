// The official TypeScript SDK client lists and calls every tool of the real daemon.
import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js';

const build = process.env.PERSISTPROC_BUILD;
assert.ok(build, 'PERSISTPROC_BUILD names the build directory');

const data = mkdtempSync(join(tmpdir(), 'pp-sdk-'));
let port, daemon, client, transport;

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

// Returns once the daemon says that it serves.
async function startDaemon() {
  const child = spawn(join(build, 'bin', 'persistprocd'), ['--data-dir', data, '--port', String(port), '--ready-fd', '3'],
    { stdio: ['ignore', 'inherit', 'inherit', 'pipe'], env: { ...process.env, XDG_RUNTIME_DIR: data } });
  const ready = await Promise.race([
    once(child.stdio[3], 'data').then(() => true),
    once(child, 'exit').then(([code]) => assert.fail(`the daemon ended with ${code}`)),
  ]);
  assert.ok(ready);
  return child;
}

async function killDaemon() {
  const gone = once(daemon, 'exit');
  daemon.kill('SIGKILL');
  await gone;
}

async function connect() {
  const transport = new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}/mcp`));
  const client = new Client({ name: 'sdk-test', version: '1.0.0' });
  await client.connect(transport);
  return { client, transport };
}

const call = (name, args = {}, options = undefined) => client.callTool({ name, arguments: args }, CallToolResultSchema, options);
const text = (result) => result.content.map((block) => block.text).join('\n');

async function succeed(name, args, options) {
  const result = await call(name, args, options);
  assert.ok(!result.isError, `${name}: ${text(result)}`);
  return result;
}

async function fail(name, args, code) {
  const result = await call(name, args);
  assert.equal(result.isError, true, text(result));
  assert.equal(result._meta['persistproc/error'].code, code, text(result));
  return text(result);
}

const program = (source) => [process.execPath, '-e', source];
const ticker = program('let n = 0; console.log("ready on 1"); setInterval(() => console.log("tick " + n++), 50)');

before(async () => {
  port = await freePort();
  daemon = await startDaemon();
  ({ client, transport } = await connect());
});

after(async () => {
  if (client) {
    // Past the client's check of schemas: what an answer breaks is a test's business, the programs must end anyway.
    const list = { method: 'tools/call', params: { name: 'list_processes', arguments: {} } };
    const { structuredContent } = await client.request(list, CallToolResultSchema);
    for (const process of structuredContent?.processes ?? []) await call('stop_process', { process: process.id, force: true });
    await client.close();
  }
  if (daemon?.exitCode === null && daemon.signalCode === null) {
    const gone = once(daemon, 'exit');
    daemon.kill('SIGTERM');
    await gone;
  }
  rmSync(data, { recursive: true, force: true });
});

test('introduces itself', async () => {
  assert.equal(client.getServerVersion().name, 'persistproc');
  assert.ok(client.getServerCapabilities().tools);
  assert.ok(client.getInstructions().length < 2048);
  assert.match(transport.sessionId, /^[\x21-\x7e]{40,}$/);
  await client.ping();
});

test('lists its tools, completely described and short', async () => {
  const answer = await client.listTools();
  assert.ok(JSON.stringify(answer).length <= 8192, `tools/list has ${JSON.stringify(answer).length} bytes`);
  assert.deepEqual(answer.tools.map((tool) => tool.name).sort(), ['get_process_output', 'list_processes', 'restart_process',
    'start_process', 'stop_process', 'wait_for_process']);
  for (const tool of answer.tools) {
    assert.ok(tool.title && tool.description, tool.name);
    assert.equal(tool.inputSchema.type, 'object');
    assert.equal(tool.inputSchema.$schema, undefined);
    for (const hint of ['readOnlyHint', 'destructiveHint', 'idempotentHint', 'openWorldHint'])
      assert.equal(typeof tool.annotations[hint], 'boolean', `${tool.name}: ${hint}`);
  }
  for (const name of ['start_process', 'stop_process', 'restart_process', 'list_processes'])
    assert.equal(answer.tools.find((tool) => tool.name === name).outputSchema?.type, 'object', name);
});

// The client checks each structured answer against the schema it was given by listTools.
test('starts, joins, waits, reads, restarts and stops a process', async () => {
  const args = { command: ticker, working_directory: data, label: 'ticker' };
  const started = (await succeed('start_process', args)).structuredContent;
  assert.equal(started.created, true);
  assert.equal(started.label, 'ticker');
  assert.equal(started.state, 'running');
  const again = (await succeed('start_process', args)).structuredContent;
  assert.equal(again.created, false);
  assert.equal(again.pid, started.pid);

  const met = await succeed('wait_for_process', { process: 'ticker', until: 'pattern', pattern: 'tick \\d+' });
  assert.match(text(met), /tick \d+/);
  const output = await succeed('get_process_output', { process: started.id, lines: 1000 });
  assert.equal(output.structuredContent, undefined);
  assert.match(text(output), /ready on 1/);
  const cursor = output._meta['persistproc/result'].next_cursor;
  await succeed('wait_for_process', { process: 'ticker', until: 'pattern', pattern: 'tick', cursor });
  const more = text(await succeed('get_process_output', { process: 'ticker', cursor }));
  assert.match(more, /tick/);
  assert.doesNotMatch(more, /ready on 1/);

  const { processes } = (await succeed('list_processes')).structuredContent;
  assert.equal(processes.find((process) => process.label === 'ticker').pid, started.pid);
  assert.match(processes.find((process) => process.label === 'ticker').started_by, /sdk-test/);

  const restarted = (await succeed('restart_process', { process: 'ticker' })).structuredContent;
  assert.equal(restarted.old_pid, started.pid);
  assert.notEqual(restarted.pid, started.pid);
  assert.equal(restarted.id, started.id);

  for (let i = 0; i < 2; i++) {
    const stopped = (await succeed('stop_process', { process: 'ticker' })).structuredContent;
    assert.equal(stopped.reason, 'stopped');
    assert.equal(stopped.signal, 'SIGTERM');
  }
});

test('tells how a program ended', async () => {
  await succeed('start_process', { command: program('console.log("bye"); process.exitCode = 7'), working_directory: data, label: 'short' });
  const ended = await succeed('wait_for_process', { process: 'short', until: 'exit' });
  assert.equal(ended._meta['persistproc/result'].state, 'exited');
  const { processes } = (await succeed('list_processes', { process: 'short' })).structuredContent;
  assert.equal(processes[0].exit_code, 7);
  assert.match(text(await succeed('get_process_output', { process: 'short' })), /bye/);
});

test('a wait that meets the end of its process says so', async () => {
  await succeed('start_process', { command: program('console.log("only")'), working_directory: data, label: 'only' });
  const result = await call('wait_for_process', { process: 'only', until: 'pattern', pattern: 'never', timeout_seconds: 60 });
  assert.match(text(result), /exited|ended/);
});

test('a call of more than five seconds arrives as an event stream', async () => {
  await succeed('start_process', { command: ticker, working_directory: data, label: 'long' });
  const started = Date.now();
  const result = await call('wait_for_process', { process: 'long', until: 'pattern', pattern: 'never', timeout_seconds: 6 },
    { onprogress: () => {}, resetTimeoutOnProgress: true });
  assert.ok(Date.now() - started >= 5500);
  assert.match(text(result), /time/i);
  await succeed('stop_process', { process: 'long' });
});

test('an aborted call leaves the session usable', async () => {
  await succeed('start_process', { command: ticker, working_directory: data, label: 'abort' });
  const controller = new AbortController();
  const waiting = call('wait_for_process', { process: 'abort', until: 'pattern', pattern: 'never' }, { signal: controller.signal });
  setImmediate(() => controller.abort());
  await assert.rejects(waiting);
  await succeed('stop_process', { process: 'abort' });
});

test('calls run side by side', async () => {
  const answers = await Promise.all(Array.from({ length: 40 }, () => succeed('list_processes')));
  assert.equal(answers.length, 40);
});

test('errors: of the protocol, and of tools', async () => {
  await assert.rejects(call('no_such_tool'), { code: -32602 });
  await assert.rejects(client.listResources(), /resources|-32601/);
  assert.match(await fail('list_processes', { nonsense: 1 }, 'invalid'), /nonsense/);
  assert.match(await fail('get_process_output', { process: 'x', lines: 'many' }, 'invalid'), /lines/);
  assert.match(await fail('stop_process', {}, 'invalid'), /process/);
  assert.match(await fail('stop_process', { process: 'no such thing' }, 'not_found'), /no such thing/);
  await fail('wait_for_process', { process: 'ticker', until: 'pattern', pattern: '(' }, 'invalid');
  await fail('start_process', { command: ['/no/such/program'], working_directory: data, label: 'missing' }, 'exec_failed');
  await fail('start_process', { command: ['true'], working_directory: join(data, 'no', 'such') }, 'invalid');
});

test('session, processes and output survive a killed daemon', async () => {
  const started = (await succeed('start_process', { command: ticker, working_directory: data, label: 'survivor' })).structuredContent;
  const session = transport.sessionId;
  await killDaemon();
  daemon = await startDaemon();
  const met = await succeed('wait_for_process', { process: 'survivor', until: 'pattern', pattern: 'tick \\d\\d' });
  assert.match(text(met), /tick \d\d/);
  assert.equal(transport.sessionId, session);
  const { processes } = (await succeed('list_processes', { process: 'survivor' })).structuredContent;
  assert.equal(processes[0].pid, started.pid);
  assert.equal(processes[0].state, 'running');
  assert.equal((await client.listTools()).tools.length, 6);
});

test('an ended session is over', async () => {
  const other = await connect();
  await other.transport.terminateSession();
  await assert.rejects(other.client.ping());
  await other.client.close();
});
