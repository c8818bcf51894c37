// The official clients behind one face, so that one set of tests holds for each of them.
import { EventEmitter, once } from 'node:events';
import assert from 'node:assert/strict';
import * as v1 from '@modelcontextprotocol/sdk/types.js';
import { Client as Client1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as Stdio1 } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as Http1 } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client as Client2, StreamableHTTPClientTransport as Http2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as Stdio2 } from '@modelcontextprotocol/client/stdio';
import { text, within } from './daemon.mjs';

export const modern = '2026-07-28';

/// Notifications of one method, kept from the beginning.
class Heard {
  #all = [];
  #arrivals = new EventEmitter();
  add(notification) {
    this.#all.push(notification.params ?? {});
    this.#arrivals.emit('one');
  }
  get all() { return this.#all; }
  /// The first from index `from` on for which `fits` holds; waits for it.
  async next(what, fits, from = 0) {
    for (;;) {
      const found = this.#all.slice(from).find(fits);
      if (found) return found;
      await within(what, once(this.#arrivals, 'one'));
    }
  }
}

const methods = ['resources/updated', 'resources/list_changed', 'message'];

class Peer {
  constructor(client, transport) {
    this.client = client;
    this.transport = transport;
    this.heard = Object.fromEntries(methods.map((each) => [each, new Heard()]));
  }

  async succeed(name, args = {}, options = undefined) {
    const result = await this.call(name, args, options);
    assert.ok(!result.isError, `${name}: ${text(result)}`);
    return result;
  }

  async fail(name, args, code) {
    const result = await this.call(name, args);
    assert.equal(result.isError, true, text(result));
    assert.equal(result._meta['persistproc/error'].code, code, text(result));
    return text(result);
  }

  close() { return this.client.close(); }
}

const notifications1 = {
  'resources/updated': v1.ResourceUpdatedNotificationSchema,
  'resources/list_changed': v1.ResourceListChangedNotificationSchema,
  message: v1.LoggingMessageNotificationSchema,
};

class Peer1 extends Peer {
  static async connect(transport) {
    const peer = new Peer1(new Client1({ name: 'sdk-test', version: '1.0.0' }), transport);
    for (const [method, schema] of Object.entries(notifications1))
      peer.client.setNotificationHandler(schema, (notification) => peer.heard[method].add(notification));
    await peer.client.connect(transport);
    return peer;
  }
  get isModern() { return false; }
  get unknownResource() { return -32002; }
  call(name, args = {}, options = undefined) {
    return this.client.callTool({ name, arguments: args }, v1.CallToolResultSchema, options);
  }
  /// Returns what ends it.
  async subscribe(uri) {
    await this.client.subscribeResource({ uri });
    return () => this.client.unsubscribeResource({ uri });
  }
}

class Peer2 extends Peer {
  static async connect(transport, mode) {
    const client = new Client2({ name: 'sdk-test', version: '2.0.0' }, { versionNegotiation: { mode } });
    const peer = new Peer2(client, transport);
    for (const each of methods)
      client.setNotificationHandler(`notifications/${each}`, (notification) => peer.heard[each].add(notification));
    await client.connect(transport);
    return peer;
  }
  get isModern() { return this.client.getProtocolEra() === 'modern'; }
  /// It makes one error of the two codes.
  get unknownResource() { return -32602; }
  call(name, args = {}, options = undefined) { return this.client.callTool({ name, arguments: args }, options); }
  async subscribe(uri) {
    if (!this.isModern) {
      await this.client.subscribeResource({ uri });
      return () => this.client.unsubscribeResource({ uri });
    }
    const subscription = await this.client.listen({ resourceSubscriptions: [uri], resourcesListChanged: true });
    assert.deepEqual(subscription.honoredFilter, { resourceSubscriptions: [uri], resourcesListChanged: true });
    return () => subscription.close();
  }
}

const stdio = (Transport, daemon) =>
  new Transport({ command: daemon.command, args: ['mcp'], env: daemon.environment, stderr: 'ignore' });

/// Each connects to a daemon; `mode` is how client 2.x finds its revision.
export const http1 = (daemon) => Peer1.connect(new Http1(daemon.url));
export const stdio1 = (daemon) => Peer1.connect(stdio(Stdio1, daemon));
export const http2 = (mode) => (daemon) => Peer2.connect(new Http2(daemon.url), mode);
export const stdio2 = (mode) => (daemon) => Peer2.connect(stdio(Stdio2, daemon), mode);
