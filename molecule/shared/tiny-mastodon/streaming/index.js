// SPDX-License-Identifier: GPL-3.0-or-later
'use strict';

const http = require('node:http');
const { createClient } = require('redis');
const { WebSocketServer } = require('ws');

const CHANNEL = 'timeline:public';
const env = process.env;
const log = (message) => console.log(message);
let messagesSent = 0;

// The loop below connects again, to whoever is the primary then.
const giveUp = () => new Error('disconnected');

// Parts and not a URL: a password may hold any character.
const address = (host, port, username, password, database) => ({
  socket: { host, port: Number(port), connectTimeout: 5000, reconnectStrategy: giveUp },
  username: username || undefined,
  password: password || undefined,
  database,
});

const primaryBySentinel = async () => {
  for (const entry of env.REDIS_SENTINELS.split(',')) {
    const [host, port = env.REDIS_SENTINEL_PORT || 26379] = entry.trim().split(':');
    const username = env.REDIS_SENTINEL_USERNAME ?? env.REDIS_USER;
    const password = env.REDIS_SENTINEL_PASSWORD ?? env.REDIS_PASSWORD;
    const sentinel = createClient(address(host, port, username, password));
    sentinel.on('error', () => {});
    try {
      await sentinel.connect();
      const found = await sentinel.sendCommand(['SENTINEL', 'get-master-addr-by-name', env.REDIS_SENTINEL_MASTER]);
      if (found) return found;
    } catch (error) {
      log(`Sentinel ${host}:${port} does not answer: ${error.message}`);
    } finally {
      await sentinel.disconnect().catch(() => {});
    }
  }
  throw new Error('no Sentinel knows the primary');
};

const redisOptions = async () => {
  if (env.REDIS_URL) return { url: env.REDIS_URL, socket: { reconnectStrategy: giveUp } };

  const bySentinel = env.REDIS_SENTINELS && env.REDIS_SENTINEL_MASTER;
  const [host, port] = bySentinel ? await primaryBySentinel() : [env.REDIS_HOST || '127.0.0.1', env.REDIS_PORT || 6379];
  return address(host, port, env.REDIS_USER, env.REDIS_PASSWORD, Number(env.REDIS_DB || 0));
};

// One try; settles when the connection is over. Asked anew each time, because the primary may have moved.
const listenOnce = async (onMessage) => {
  const client = createClient(await redisOptions());
  await new Promise((resolve, reject) => {
    client.on('error', reject);
    client.on('end', resolve);
    client.connect()
      .then(() => client.subscribe(CHANNEL, onMessage))
      .then(() => log(`Subscribed to ${CHANNEL}`))
      .catch(reject);
  }).finally(() => client.disconnect().catch(() => {}));
};

const listenForever = async (onMessage) => {
  for (;;) {
    await listenOnce(onMessage).catch((error) => log(`Redis: ${error.message}`));
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
  }
};

const websockets = new WebSocketServer({ noServer: true });

const metrics = () => [
  '# HELP mastodon_streaming_connected_clients The number of clients connected to the streaming server',
  '# TYPE mastodon_streaming_connected_clients gauge',
  `mastodon_streaming_connected_clients{type="websocket"} ${websockets.clients.size}`,
  '# HELP mastodon_streaming_messages_sent_total The number of messages sent to clients',
  '# TYPE mastodon_streaming_messages_sent_total counter',
  `mastodon_streaming_messages_sent_total{type="websocket"} ${messagesSent}`,
  '',
].join('\n');

const answers = {
  '/api/v1/streaming/health': () => 'OK',
  '/metrics': metrics,
};

const server = http.createServer((request, response) => {
  const answer = answers[request.url.split('?')[0]];
  response.writeHead(answer ? 200 : 404, { 'Content-Type': 'text/plain; charset=utf-8' });
  response.end(answer ? answer() : 'Not found');
});

server.on('upgrade', (request, socket, head) => {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  if (!/^\/api\/v1\/streaming\/?$/.test(pathname) || searchParams.get('stream') !== 'public') {
    socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    return;
  }
  websockets.handleUpgrade(request, socket, head, (client) => {
    client.isAlive = true;
    client.on('pong', () => { client.isAlive = true; });
    client.on('error', (error) => log(`Client: ${error.message}`));
  });
});

// Who did not answer the last ping is gone: proxies forget idle connections without telling.
setInterval(() => {
  for (const client of websockets.clients) {
    if (!client.isAlive) { client.terminate(); continue; }
    client.isAlive = false;
    client.ping();
  }
}, 30000).unref();

const broadcast = (message) => {
  const { event, payload } = JSON.parse(message);
  const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
  for (const client of websockets.clients) {
    client.send(JSON.stringify({ stream: ['public'], event, payload: text }));
    messagesSent += 1;
  }
};

const stop = () => {
  server.close(() => process.exit(0));
  for (const client of websockets.clients) client.close(1001, 'restarting');
  setTimeout(() => process.exit(0), 2000);
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);

listenForever((message) => {
  try { broadcast(message); } catch (error) { log(`Message: ${error.message}`); }
});

if (env.SOCKET) {
  server.listen(env.SOCKET, () => log(`Streaming on ${env.SOCKET}`));
} else {
  // Puma takes IPv6 addresses in brackets, Node without.
  const host = (env.BIND || '127.0.0.1').replace(/^\[(.*)\]$/, '$1');
  const port = Number(env.PORT || 4000);
  server.listen(port, host, () => log(`Streaming on ${host}:${port}`));
}
