// A page, a chat, and settings from ./env/.env: that folder has nothing but a placeholder in it, so the platform can mount it.
import { createServer } from 'http';
import { hostname } from 'os';
import path from 'path';

import dotenv from 'dotenv';
import express from 'express';
import { Server } from 'socket.io';

dotenv.config({ path: path.join(__dirname, 'env', '.env') });

const app = express();
const server = createServer(app);
const sockets = new Server(server);

app.get('/', (request, response) => {
  response.json({ greeting: process.env.GREETING, replica: hostname() });
});
app.get('/healthz', (request, response) => {
  response.json({ status: 'ok' });
});

sockets.on('connection', (socket) => {
  socket.emit('hello', { replica: hostname() });
  socket.on('message', (text) => sockets.emit('message', { text: String(text).slice(0, 500), from: socket.id }));
});

server.listen(Number(process.env.PORT ?? 3000));
// PID 1 gets no default signal handlers from the kernel.
process.once('SIGTERM', () => sockets.close(() => process.exit(0)));
