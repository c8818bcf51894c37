// A daemon on directories of its own, and programs for it to run.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const build = process.env.PERSISTPROC_BUILD;
assert.ok(build, 'PERSISTPROC_BUILD names the build directory');

/// Milliseconds within which whatever a test waits for must come.
export const patience = 20_000;

export const program = (source) => [process.execPath, '-e', source];
/// Prints "ready on 1", then "tick 0", "tick 1", …
export const ticker = program('let n = 0; console.log("ready on 1"); setInterval(() => console.log("tick " + n++), 50)');
/// Prints a line, and another one once the file is there; then ends with status 7.
export const gated = (gate) => program(`
  const { existsSync } = require('node:fs');
  console.log('waiting');
  setInterval(() => { if (existsSync(${JSON.stringify(gate)})) { console.log('opened'); process.exit(7); } }, 20);`);

export const text = (result) => result.content.map((block) => block.text).join('\n');

/// For what nothing tells of: looks every 10 ms until `holds` is true.
export async function eventually(what, holds) {
  const end = Date.now() + patience;
  while (!holds()) {
    assert.ok(Date.now() < end, `not within ${patience} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/// The same promise with a bound.
export function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`not within ${patience} ms: ${what}`)), patience); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/// One that is started here, or by a bridge. Both serve the same data, also one after the other.
export class Daemon {
  constructor() {
    this.root = mkdtempSync(join(tmpdir(), 'pp-sdk-'));
    this.data = join(this.root, 'data');
    this.work = join(this.root, 'work');
    this.port = 0;
    for (const each of ['runtime', 'home', 'work']) mkdirSync(join(this.root, each), { mode: 0o700 });
  }

  /// How a bridge is started.
  get command() { return join(build, 'bin', 'persistproc'); }
  get environment() {
    return { HOME: join(this.root, 'home'), XDG_RUNTIME_DIR: join(this.root, 'runtime'), PERSISTPROC_DATA_DIR: this.data,
      PERSISTPROC_PORT: String(this.port) };
  }
  get url() { return new URL(`http://127.0.0.1:${this.port}/mcp`); }
  /// Of the one that serves; undefined when none has served yet.
  get pid() {
    const lock = join(this.data, 'daemon.lock');
    return existsSync(lock) ? Number(readFileSync(lock, 'utf8').match(/PID (\d+)/)?.[1]) : undefined;
  }

  /// Returns once it says that it serves. A further start keeps the port of the first.
  async start() {
    const log = openSync(join(this.root, 'daemon.log'), 'a');
    this.child = spawn(join(build, 'bin', 'persistprocd'), ['--quiet', '--ready-fd', '3'],
      { stdio: ['ignore', log, log, 'pipe'], env: { ...process.env, ...this.environment } });
    closeSync(log);
    const facts = within('the daemon serves', new Promise((resolve, reject) => {
      let said = '';
      this.child.stdio[3].setEncoding('utf8').on('data', (more) => {
        said += more;
        const endpoint = said.match(/^ENDPOINT=.*:(\d+)\/.*\n/m);
        if (endpoint) resolve(endpoint[1]);
      });
      this.child.once('error', reject);
      this.child.once('exit', (code, signal) => reject(new Error(`the daemon ended with ${code ?? signal}: ${this.said}`)));
    }));
    this.port = Number(await facts);
    return this;
  }

  /// With SIGKILL, whoever has started it.
  async kill() {
    const { pid } = this;
    const gone = this.child ? once(this.child, 'exit') : undefined;
    process.kill(pid, 'SIGKILL');
    await gone;
    this.child = undefined;
  }

  /// How many follow the output of a process in it: waits for a pattern, and subscriptions.
  followers(process) {
    const log = statSync(join(this.data, 'procs', process.id, 'log')).ino.toString(16);
    const info = `/proc/${this.pid}/fdinfo`;
    return readdirSync(info).filter((each) => {
      try {
        return readFileSync(join(info, each), 'utf8').includes(` ino:${log} `);
      } catch {
        // Closed in the meantime.
        return false;
      }
    }).length;
  }

  /// SIGTERM; what it keeps goes on.
  async leave() {
    const gone = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await within('the daemon has left', gone);
    this.child = undefined;
  }

  /// What it has printed, whoever has started it.
  get said() {
    const logs = [join(this.root, 'daemon.log'), join(this.data, 'daemon.log')];
    return logs.filter((each) => existsSync(each)).map((each) => readFileSync(each, 'utf8')).join('');
  }

  /// What a person types.
  type(...args) {
    return spawnSync(this.command, args, { env: { ...process.env, ...this.environment }, encoding: 'utf8', timeout: patience });
  }

  /// The ordinary way, and everything that it keeps with it. Fails when it has reported an error of its own.
  async stop() {
    const gone = this.child && this.child.exitCode === null && this.child.signalCode === null ? once(this.child, 'exit') : undefined;
    let { status, stderr } = this.type('shutdown');
    if (status !== 0 && !gone) {
      // A test has left it dead: what it kept must not stay behind.
      this.type('serve', '--detach');
      ({ status, stderr } = this.type('shutdown'));
    }
    if (status !== 0) this.child?.kill('SIGKILL');
    await gone;
    const { said } = this;
    rmSync(this.root, { recursive: true, force: true });
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(said, /error:/);
  }
}
