// The official clients on `persistproc mcp`, which starts its daemon itself.
import { after, describe, test } from 'node:test';
import assert from 'node:assert/strict';
import { Daemon } from './daemon.mjs';
import { behaves } from './behaviour.mjs';
import { modern, stdio1, stdio2 } from './peers.mjs';

describe('over stdio', { concurrency: true }, () => {
  behaves('1.x', { connect: stdio1, era: 'legacy', autostarts: true });
  behaves('2.x legacy', { connect: stdio2('legacy'), era: 'legacy', autostarts: true });
  behaves('2.x auto', { connect: stdio2('auto'), era: 'modern', autostarts: true });
  behaves('2.x modern', { connect: stdio2({ pin: modern }), era: 'modern', autostarts: true });
});

describe('a client that leaves', () => {
  const daemon = new Daemon();
  after(() => daemon.stop());

  // What listens has no end to be waited for; the Inspector listens whatever it was asked.
  test('is not kept waiting by what it listened to', async () => {
    const peer = await stdio2({ pin: modern })(daemon);
    await peer.subscribe('persistproc://processes');
    const from = performance.now();
    await peer.close();
    assert.ok(performance.now() - from < 1000, `${performance.now() - from} ms`);
  });
});
