// The peer of the benchmark's rows 9 and 10: the official SDK's server with one tool that answers like
// list_processes of an empty daemon. Usage: node peer_server.mjs PORT; prints the port once it listens.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';

const sessions = new Map();

async function open() {
  const server = new McpServer({ name: 'peer', version: '1' });
  server.registerTool('list_processes', { description: 'All processes' }, () => ({
    content: [{ type: 'text', text: 'No processes.' }],
    structuredContent: { processes: [] },
  }));
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    enableJsonResponse: true,
    onsessioninitialized: (id) => sessions.set(id, transport),
  });
  await server.connect(transport);
  return transport;
}

const http = createServer(async (request, response) => {
  const transport = sessions.get(request.headers['mcp-session-id']) ?? (await open());
  await transport.handleRequest(request, response);
});
http.listen(Number(process.argv[2]), '127.0.0.1', () => console.log(http.address().port));
