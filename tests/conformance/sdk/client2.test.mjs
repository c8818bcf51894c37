// The official TypeScript client 2.x over HTTP: as it comes, with a probe for the newest revision, and on it alone.
import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTaskSessionFromClient } from '@modelcontextprotocol/ext-tasks/client';
import { Daemon, eventually, gated, text, ticker, within } from './daemon.mjs';
import { behaves } from './behaviour.mjs';
import { http2, modern } from './peers.mjs';

describe('client 2.x over HTTP', { concurrency: true }, () => {
  behaves('legacy', { connect: http2('legacy'), era: 'legacy' });
  behaves('auto', { connect: http2('auto'), era: 'modern' });
  behaves('modern', { connect: http2({ pin: modern }), era: 'modern' });
});

describe('on the newest revision', { concurrency: false }, () => {
  const daemon = new Daemon();
  let peer, tasks;

  // The client's own requests know no tasks; the extension's package is told how to send those that do.
  const framing = { protocolVersion: modern, clientInfo: { name: 'sdk-test', version: '2.0.0' }, clientCapabilities: {} };
  let id = 0;
  async function rawDispatch(request, { signal } = {}) {
    const name = request.params.taskId ?? request.params.name;
    const response = await fetch(daemon.url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json', 'MCP-Protocol-Version': modern,
        'Mcp-Method': request.method, 'Mcp-Name': name },
      body: JSON.stringify({ jsonrpc: '2.0', id: ++id, ...request }),
      signal,
    });
    const { result, error } = await response.json();
    return error ? { kind: 'error', error } : { kind: 'result', result };
  }
  const wait = (process, pattern) =>
    tasks.callTool('wait_for_process', { process: process.id, until: 'pattern', pattern, timeout_seconds: 300 });

  before(async () => {
    await daemon.start();
    peer = await http2({ pin: modern })(daemon);
    tasks = createTaskSessionFromClient(peer.client, { endpointId: 'test', rawDispatch, v2RequestFraming: framing });
  });
  after(async () => {
    await tasks?.close();
    await peer?.close();
    await daemon.stop();
  });

  const start = async (command, label) =>
    (await peer.succeed('start_process', { command, working_directory: daemon.work, label })).structuredContent;

  test('is found by the probe, and needs no session', async () => {
    const found = await peer.client.discover();
    assert.deepEqual(found.supportedVersions, [modern]);
    assert.deepEqual(found.capabilities.extensions, { 'io.modelcontextprotocol/tasks': {} });
    assert.equal(peer.client.getNegotiatedProtocolVersion(), modern);
    assert.equal(peer.transport.sessionId, undefined);
    await assert.rejects(peer.client.setLoggingLevel('info'), 'gone since then');
    await assert.rejects(http2({ pin: '2027-01-01' })(daemon));
  });

  test('a long wait runs as a task', async () => {
    const gate = join(daemon.root, 'gate');
    const process = await start(gated(gate), 'task');
    const execution = await wait(process, 'opened');
    assert.equal(execution.kind, 'task');
    const seen = [];
    const settled = execution.settle({ onEvent: (event) => {
      seen.push(event.task?.status ?? event.outcome.status);
      writeFileSync(gate, '');
    } });
    const { outcome } = await within('the task', settled);
    assert.equal(outcome.status, 'completed');
    assert.match(text(outcome.result), /opened/);
    assert.equal(seen[0], 'working');
  });

  test('what is true already needs no task', async () => {
    const process = await start(ticker, 'true');
    await peer.succeed('wait_for_process', { process: 'true', until: 'pattern', pattern: 'ready' });
    const execution = await wait(process, 'ready on \\d');
    assert.equal(execution.kind, 'immediate');
    assert.match(text((await execution.settle()).outcome.result), /ready on 1/);
  });

  test('a cancelled task ends its wait in the daemon', async () => {
    const process = await start(ticker, 'cancelled');
    const execution = await wait(process, 'never');
    await eventually('the wait has begun', () => daemon.followers(process) === 1);
    await execution.cancel();
    const { outcome } = await within('the end', execution.settle());
    assert.equal(outcome.status, 'cancelled');
    await eventually('the wait has ended', () => daemon.followers(process) === 0);
  });

  test('a subscription tells how it ended', async () => {
    const listen = () => peer.client.listen({ resourceSubscriptions: ['persistproc://processes'] });
    const ours = await listen();
    await ours.close();
    assert.equal(await within('our end', ours.closed), 'local');
    const lost = await listen();
    await daemon.kill();
    assert.equal(await within('the loss', lost.closed), 'remote');
    await daemon.start();
    const ended = await listen();
    await daemon.leave();
    assert.equal(await within('the end', ended.closed), 'graceful');
    await daemon.start();
    await peer.succeed('list_processes');
  });
});
