// The MCP Inspector's command line against the real daemon, over HTTP and over stdio, in both eras.
import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Daemon, program, text, within } from '../sdk/daemon.mjs';

const modules = join(import.meta.dirname, 'node_modules');
// It needs a newer node than what runs this, perhaps.
const node = ['x64', 'arm64'].map((each) => join(modules, `node-linux-${each}`, 'bin', 'node')).find(existsSync);
assert.ok(node, 'no node for the Inspector: run npm ci');
const inspector = join(modules, '@modelcontextprotocol', 'inspector', 'clients', 'launcher', 'build', 'index.js');

const tools = ['get_process_output', 'list_processes', 'restart_process', 'run_project', 'start_process', 'stop_process',
  'wait_for_process'];

/// `target` returns what names the server; `era` is what the Inspector is told.
function inspects(name, { daemon, target, era }) {
  describe(name, { concurrency: false }, () => {
    after(() => daemon.stop());

    /// Exit status and what it printed.
    async function inspect(method, ...args) {
      const child = spawn(node, [inspector, '--cli', ...target(), '--method', method, '--protocol-era', era, '--format', 'json', '--quiet', ...args],
        { env: { ...process.env, HOME: join(daemon.root, 'home') }, stdio: ['ignore', 'pipe', 'pipe'] });
      let out = '';
      let err = '';
      child.stdout.on('data', (more) => { out += more; });
      child.stderr.on('data', (more) => { err += more; });
      try {
        const [status] = await within(method, once(child, 'close'));
        return { status, out, err };
      } finally {
        child.kill('SIGKILL');
      }
    }
    async function result(...args) {
      const { status, out, err } = await inspect(...args);
      assert.equal(status, 0, `${args}: ${out}${err}`);
      return JSON.parse(out).result;
    }
    const call = (tool, args) => result('tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args));

    test('lists tools that other clients can use too', async () => {
      const answer = await result('tools/list', '--strict');
      assert.deepEqual(answer.tools.map((tool) => tool.name).sort(), tools);
    });

    test('calls tools', async () => {
      const started = await call('start_process', { command: program('console.log("hello")'), working_directory: daemon.work, label: 'inspected' });
      assert.equal(started.structuredContent.label, 'inspected');
      assert.match(text(await call('wait_for_process', { process: 'inspected', until: 'exit' })), /exited/);
      assert.match(text(await call('get_process_output', { process: 'inspected' })), /hello/);
    });

    test('sees a tool refuse', async () => {
      const { status, out, err } = await inspect('tools/call', '--tool-name', 'stop_process', '--tool-args-json', '{"process":"nobody"}');
      assert.notEqual(status, 0);
      assert.match(out + err, /nobody/);
    });

    test('reads resources and prompts', async () => {
      const { resources } = await result('resources/list');
      assert.ok(resources.some((resource) => resource.uri === 'persistproc://processes'));
      const { contents } = await result('resources/read', '--uri', 'persistproc://processes');
      assert.match(contents[0].text, /inspected/);
      const { prompts } = await result('prompts/list');
      assert.equal(prompts.length, 2);
      const { messages } = await result('prompts/get', '--prompt-name', 'diagnose_process', '--prompt-args', 'process=inspected');
      assert.match(messages[0].content.text, /hello/);
    });
  });
}

describe('Inspector', { concurrency: false }, () => {
  const served = new Daemon();
  before(() => served.start());
  inspects('over HTTP', { daemon: served, target: () => [served.url.href, '--transport', 'http'], era: 'legacy' });
  const bridged = new Daemon();
  // Its servers get but a few variables of its own environment.
  const variables = Object.entries(bridged.environment).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
  inspects('over stdio', { daemon: bridged, target: () => [bridged.command, 'mcp', ...variables], era: 'modern' });
});
