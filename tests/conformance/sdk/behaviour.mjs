// What every client must be able to do, whatever its revision and transport.
import { after, before, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Daemon, eventually, gated, program, text, ticker, within } from './daemon.mjs';

export const tools = ['get_process_output', 'list_processes', 'restart_process', 'run_project', 'start_process', 'stop_process',
  'wait_for_process'];

/// Tests for one client, each with a daemon of its own. `connect` takes the daemon and returns a peer; `era` is "legacy"
/// or "modern". `autostarts`: the client gets itself a daemon.
export function behaves(name, { connect, era, autostarts = false }) {
  describe(name, { concurrency: false }, () => {
    const daemon = new Daemon();
    let peer;
    before(async () => {
      if (!autostarts) await daemon.start();
      peer = await within('connected', connect(daemon));
    });
    after(async () => {
      await peer?.close();
      await daemon.stop();
    });

    let labels = 0;
    const fresh = (name) => `${name}-${++labels}`;
    const start = async (command, label) => {
      const { structuredContent } = await peer.succeed('start_process', { command, working_directory: daemon.work, label });
      assert.equal(structuredContent.label, label);
      return structuredContent;
    };
    const uri = (process) => `persistproc://processes/${process.id}`;

    test('agrees on a revision', () => {
      assert.equal(peer.isModern, era === 'modern');
      assert.equal(peer.client.getServerVersion().name, 'persistproc');
      const offered = peer.client.getServerCapabilities();
      for (const each of ['tools', 'prompts', 'resources', 'completions', 'logging']) assert.ok(offered[each], each);
      assert.equal(offered.resources.subscribe, true);
      assert.ok(peer.client.getInstructions().length > 0);
    });

    test('lists what there is', async () => {
      const process = await start(ticker, fresh('listed'));
      assert.deepEqual((await peer.client.listTools()).tools.map((tool) => tool.name).sort(), tools);
      assert.deepEqual((await peer.client.listPrompts()).prompts.map((prompt) => prompt.name).sort(),
        ['diagnose_process', 'set_up_processes']);
      const uris = (await peer.client.listResources()).resources.map((resource) => resource.uri);
      for (const each of ['persistproc://processes', uri(process), `${uri(process)}/output`]) assert.ok(uris.includes(each), each);
      assert.deepEqual((await peer.client.listResourceTemplates()).resourceTemplates.map((template) => template.uriTemplate),
        ['persistproc://processes/{id}', 'persistproc://processes/{id}/output']);
      await peer.succeed('stop_process', { process: process.id });
    });

    // After listTools the clients check each structured answer against its schema.
    test('calls tools', async () => {
      await peer.client.listTools();
      const label = fresh('called');
      const process = await start(ticker, label);
      assert.equal(process.created, true);
      assert.match(text(await peer.succeed('wait_for_process', { process: label, until: 'pattern', pattern: 'tick \\d+' })), /tick \d+/);
      assert.match(text(await peer.succeed('get_process_output', { process: label, lines: 1000 })), /ready on 1/);
      const { processes } = (await peer.succeed('list_processes', { process: label })).structuredContent;
      assert.equal(processes[0].pid, process.pid);
      const restarted = (await peer.succeed('restart_process', { process: label })).structuredContent;
      assert.equal(restarted.old_pid, process.pid);
      assert.equal((await peer.succeed('stop_process', { process: label })).structuredContent.signal, 'SIGTERM');
      assert.match(await peer.fail('stop_process', { process: 'no such thing' }, 'not_found'), /no such thing/);
      assert.match(await peer.fail('list_processes', { nonsense: 1 }, 'invalid'), /nonsense/);
      await assert.rejects(peer.call('no_such_tool'), { code: -32602 });
    });

    test('brings up a project that a person has allowed', async () => {
      const directory = join(daemon.work, fresh('shop'));
      mkdirSync(directory);
      writeFileSync(join(directory, 'persistproc.toml'), `env_file = ".env"
        [process.db]
        run = "sleep 600"
        [process.api]
        run = "sleep 601"
        depends_on = ["db"]`);
      writeFileSync(join(directory, '.env'), 'TOKEN=abc\n');
      const up = { action: 'up', directory };
      const refused = await peer.fail('run_project', up, 'denied');
      for (const each of ['db: sleep 600', 'api: sleep 601', 'TOKEN']) assert.ok(refused.includes(each), refused);
      const allowed = daemon.type('allow', directory);
      assert.equal(allowed.status, 0, allowed.stderr);
      assert.match(text(await peer.succeed('run_project', up)), /2 of 2 ready/);
      writeFileSync(join(directory, '.env'), 'TOKEN=abd\n');
      await peer.fail('run_project', up, 'denied');
      await peer.succeed('run_project', { action: 'down', directory });
    });

    test('reads resources', async () => {
      const process = await start(program('console.log("said <this>")'), fresh('read'));
      await peer.succeed('wait_for_process', { process: process.id, until: 'exit' });
      const read = async (uri) => {
        const { contents } = await peer.client.readResource({ uri });
        assert.equal(contents.length, 1);
        assert.equal(contents[0].uri, uri);
        return contents[0];
      };
      assert.match((await read('persistproc://processes')).text, new RegExp(process.label));
      const state = await read(uri(process));
      assert.equal(state.mimeType, 'application/json');
      assert.equal(JSON.parse(state.text).exit_code, 0);
      assert.equal((await read(`${uri(process)}/output`)).text, 'no marks\nsaid <this>\n');
      await assert.rejects(read('persistproc://processes/p9999'), { code: peer.unknownResource });
    });

    test('gets prompts', async () => {
      const process = await start(program('console.log("it broke"); process.exitCode = 3'), fresh('prompted'));
      await peer.succeed('wait_for_process', { process: process.id, until: 'exit' });
      const { messages } = await peer.client.getPrompt({ name: 'diagnose_process', arguments: { process: process.label } });
      assert.match(messages[0].content.text, /it broke/);
      const plan = await peer.client.getPrompt({ name: 'set_up_processes', arguments: { working_directory: '/srv/shop' } });
      assert.match(plan.messages[0].content.text, /\/srv\/shop/);
      await assert.rejects(peer.client.getPrompt({ name: 'diagnose_process' }), { code: -32602 });
      await assert.rejects(peer.client.getPrompt({ name: 'no_such_prompt' }), { code: -32602 });
    });

    test('completes arguments', async () => {
      const label = fresh('completed');
      const process = await start(program(''), label);
      const complete = async (ref, name, value) => (await peer.client.complete({ ref, argument: { name, value } })).completion.values;
      const prompt = { type: 'ref/prompt', name: 'diagnose_process' };
      assert.deepEqual(await complete(prompt, 'process', label), [label]);
      assert.deepEqual(await complete(prompt, 'process', 'nothing begins like this'), []);
      const template = { type: 'ref/resource', uri: 'persistproc://processes/{id}' };
      assert.ok((await complete(template, 'id', process.id)).includes(process.id));
    });

    test('hears of new output, of the end, and of a longer list', async () => {
      const gate = join(daemon.root, fresh('gate'));
      const process = await start(gated(gate), fresh('followed'));
      await peer.succeed('wait_for_process', { process: process.id, until: 'pattern', pattern: 'waiting' });
      const updated = peer.heard['resources/updated'];
      const endings = [await peer.subscribe(`${uri(process)}/output`), await peer.subscribe(uri(process))];
      const from = updated.all.length;
      const lists = peer.heard['resources/list_changed'].all.length;
      writeFileSync(gate, '');
      await updated.next('new output', (each) => each.uri === `${uri(process)}/output`, from);
      await updated.next('the end', (each) => each.uri === uri(process), from);
      const { contents } = await peer.client.readResource({ uri: uri(process) });
      assert.equal(JSON.parse(contents[0].text).exit_code, 7);
      await start(program(''), fresh('one-more'));
      await peer.heard['resources/list_changed'].next('a longer list', () => true, lists);
      for (const end of endings) await end();
    });

    test('a cancelled wait ends in the daemon', async () => {
      const process = await start(ticker, fresh('cancelled'));
      const controller = new AbortController();
      const waiting = peer.call('wait_for_process', { process: process.id, until: 'pattern', pattern: 'never', timeout_seconds: 300 },
        { signal: controller.signal });
      waiting.catch(() => {});
      await eventually('the wait has begun', () => daemon.followers(process) === 1);
      controller.abort();
      await assert.rejects(waiting);
      await eventually('the wait has ended', () => daemon.followers(process) === 0);
      await peer.succeed('stop_process', { process: process.id });
    });

    test('a long wait tells how it goes', async () => {
      const process = await start(ticker, fresh('long'));
      const told = [];
      const waited = await peer.call('wait_for_process', { process: process.id, until: 'pattern', pattern: 'never', timeout_seconds: 6 },
        { onprogress: (progress) => told.push(progress), timeout: 15_000, resetTimeoutOnProgress: true });
      assert.equal(waited._meta['persistproc/result'].outcome, 'timed_out');
      assert.deepEqual(told.map(({ progress, total }) => ({ progress, total })), [{ progress: 5, total: 6 }]);
      await peer.succeed('stop_process', { process: process.id });
    });

    if (era === 'legacy')
      test('hears what is logged, from the level it asks for', async () => {
        const ends = async (status) => {
          const process = await start(program(`process.exitCode = ${status}`), fresh(`status-${status}`));
          await peer.succeed('wait_for_process', { process: process.id, until: 'exit' });
          return process.label;
        };
        const said = peer.heard.message;
        await peer.client.setLoggingLevel('warning');
        const quiet = await ends(0);
        const loud = await ends(9);
        const warning = await said.next('a warning', (each) => each.data.includes(loud));
        assert.equal(warning.level, 'warning');
        assert.equal(warning.logger, 'persistproc');
        assert.ok(!said.all.some((each) => each.data.includes(quiet)), 'nothing below the level');
        await peer.client.setLoggingLevel('info');
        const wanted = await ends(0);
        assert.equal((await said.next('an information', (each) => each.data.includes(wanted))).level, 'info');
      });

    const fate = autostarts ? 'goes on with the next daemon' : 'hears at once that the daemon was killed';
    test(`an open wait ${fate}, and so does the next call`, async () => {
      const process = await start(ticker, fresh('survivor'));
      const session = peer.transport.sessionId;
      const controller = new AbortController();
      const waiting = peer.call('wait_for_process', { process: process.id, until: 'pattern', pattern: 'never', timeout_seconds: 300 },
        { timeout: 300_000, signal: controller.signal });
      waiting.catch(() => {});
      await eventually('the wait has begun', () => daemon.followers(process) === 1);
      const killed = daemon.pid;
      await daemon.kill();
      if (autostarts) {
        const isNext = () => daemon.pid > 0 && daemon.pid !== killed;  // the lock's file is empty for a moment
        await eventually('the wait is there again', () => isNext() && daemon.followers(process) === 1);
        controller.abort();
      }
      await assert.rejects(within('the loss', waiting), (error) => !/not within/.test(error.message));
      if (!autostarts) await daemon.start();
      const met = await peer.succeed('wait_for_process', { process: process.id, until: 'pattern', pattern: 'tick \\d+' });
      assert.match(text(met), /tick \d+/);
      const { processes } = (await peer.succeed('list_processes', { process: process.id })).structuredContent;
      assert.equal(processes[0].pid, process.pid);
      assert.equal(peer.transport.sessionId, session);
      const from = peer.heard['resources/updated'].all.length;
      const end = await peer.subscribe(`${uri(process)}/output`);
      await peer.heard['resources/updated'].next('output', (each) => each.uri === `${uri(process)}/output`, from);
      await end();
    });

    test('calls run side by side', async () => {
      const answers = await Promise.all(Array.from({ length: 40 }, () => peer.succeed('list_processes')));
      assert.equal(answers.length, 40);
    });
  });
}
