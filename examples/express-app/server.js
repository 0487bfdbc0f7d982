// The app: what it answers, and how it stops.
import { createServer as createHttpServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import express from 'express';
import { Server as SocketServer } from 'socket.io';

const PUBLIC = fileURLToPath(new URL('./public', import.meta.url));
const SLOW_MAX_SECONDS = 60;

/**
 * Make the app's server; it doesn't listen yet.
 *
 * `about`: { version, replica, node?, envVersion?, greeting? }, what the app says of itself. `log`: takes a line.
 * Returns { server, stop }: `stop()` ends in a promise that is kept once every request in flight has been answered.
 */
export function createServer(about, log = console.log) {
  const app = express();
  const server = createHttpServer(app);
  const sockets = new SocketServer(server);
  let stopping = false;

  // While it stops, each answer tells the proxy not to reuse the connection, and one whose answer began earlier is
  // closed behind it: an idle keep-alive connection would hold up the end for seconds.
  app.use((request, response, next) => {
    if (stopping) {
      response.set('Connection', 'close');
    }
    response.once('close', () => stopping && setImmediate(() => server.closeIdleConnections()));
    next();
  });
  app.use(express.json());

  app.get('/', (request, response) => {
    response.json({
      version: about.version,
      replica: about.replica,
      node: about.node,
      env_version: about.envVersion,
      greeting: about.greeting,
    });
  });
  app.get('/healthz', (request, response) => {
    response.status(stopping ? 503 : 200).json({ status: stopping ? 'stopping' : 'ok' });
  });
  app.get('/slow', async (request, response) => {
    const seconds = Number(request.query.seconds ?? 5);
    if (!(seconds >= 0 && seconds <= SLOW_MAX_SECONDS)) {
      response.status(400).json({ error: `seconds must be a number from 0 to ${SLOW_MAX_SECONDS}` });
      return;
    }
    await sleep(seconds * 1000);
    response.json({ seconds, replica: about.replica });
  });
  app.post('/echo', (request, response) => {
    // A line for each time that it is done: by these a client's requests can be counted.
    log(`echo ${JSON.stringify(String(request.body?.id ?? '').slice(0, 100))}`);
    response.json({ body: request.body, headers: request.headers, replica: about.replica });
  });
  app.use('/chat', express.static(PUBLIC));

  sockets.on('connection', (socket) => {
    socket.emit('hello', { replica: about.replica, version: about.version });
    socket.on('message', (text) => sockets.emit('message', { text: String(text).slice(0, 500), from: socket.id }));
  });

  function stop() {
    stopping = true;
    return new Promise((resolve) => {
      // Ends the chats, stops accepting, waits for the answers in flight.
      sockets.close(() => resolve());
      server.closeIdleConnections();
    });
  }

  return { server, stop };
}
