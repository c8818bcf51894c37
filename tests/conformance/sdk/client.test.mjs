// The official TypeScript SDK client 1.x over HTTP calls every tool of the real daemon.
import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Daemon, program, text, ticker } from './daemon.mjs';
import { behaves, tools } from './behaviour.mjs';
import { http1 } from './peers.mjs';

describe('client 1.x over HTTP', { concurrency: true }, () => {
  behaves('what every client does', { connect: http1, era: 'legacy' });
});

const daemon = new Daemon();
let peer, client, transport, data;

const call = (...all) => peer.call(...all);
const succeed = (...all) => peer.succeed(...all);
const fail = (...all) => peer.fail(...all);

before(async () => {
  await daemon.start();
  data = daemon.work;
  peer = await http1(daemon);
  ({ client, transport } = peer);
});

after(async () => {
  await peer?.close();
  await daemon.stop();
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
  assert.deepEqual(answer.tools.map((tool) => tool.name).sort(), tools);
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

test('errors: of the protocol, and of tools', async () => {
  await assert.rejects(call('no_such_tool'), { code: -32602 });
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
  await daemon.kill();
  await daemon.start();
  const met = await succeed('wait_for_process', { process: 'survivor', until: 'pattern', pattern: 'tick \\d\\d' });
  assert.match(text(met), /tick \d\d/);
  assert.equal(transport.sessionId, session);
  const { processes } = (await succeed('list_processes', { process: 'survivor' })).structuredContent;
  assert.equal(processes[0].pid, started.pid);
  assert.equal(processes[0].state, 'running');
  assert.equal((await client.listTools()).tools.length, 7);
});

test('an ended session is over', async () => {
  const other = await http1(daemon);
  await other.transport.terminateSession();
  await assert.rejects(other.client.ping());
  await other.close();
});
