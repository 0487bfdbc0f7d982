import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { io } from 'socket.io-client';

import { loadEnv } from '../env.js';
import { createServer } from '../server.js';

const ABOUT = { version: '1', replica: 'r1', node: 'worker1', envVersion: 'e1' };

async function listen(about = ABOUT) {
  const lines = [];
  const app = createServer(about, (line) => lines.push(line));
  await new Promise((resolve) => app.server.listen(0, '127.0.0.1', resolve));
  return { ...app, lines, url: `http://127.0.0.1:${app.server.address().port}` };
}

let app;
before(async () => {
  app = await listen();
});
after(() => app.stop());

test('says what it is', async () => {
  const response = await fetch(app.url);
  assert.deepEqual(await response.json(), { version: '1', replica: 'r1', node: 'worker1', env_version: 'e1' });
});

test('is healthy, and its health command says so', async () => {
  assert.equal((await fetch(`${app.url}/healthz`)).status, 200);
  const script = fileURLToPath(new URL('../healthcheck.js', import.meta.url));
  const run = (port) =>
    new Promise((resolve) => {
      execFile(process.execPath, [script], { env: { ...process.env, PORT: String(port) } }, (error) =>
        resolve(error?.code ?? 0),
      );
    });
  assert.equal(await run(app.server.address().port), 0);
  assert.equal(await run(1), 1);
});

test('echoes', async () => {
  const response = await fetch(`${app.url}/echo`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"id":"7","a":1}',
  });
  assert.deepEqual((await response.json()).body, { id: '7', a: 1 });
  assert.deepEqual(app.lines, ['echo "7"']);
});

test('refuses a senseless delay', async () => {
  assert.equal((await fetch(`${app.url}/slow?seconds=soon`)).status, 400);
  assert.equal((await fetch(`${app.url}/slow?seconds=0`)).status, 200);
});

test('chats', async () => {
  const socket = io(app.url, { transports: ['websocket'] });
  const hello = await new Promise((resolve) => socket.once('hello', resolve));
  assert.equal(hello.replica, 'r1');
  const heard = new Promise((resolve) => socket.once('message', resolve));
  socket.emit('message', 'good day');
  assert.equal((await heard).text, 'good day');
  socket.disconnect();
});

test('finishes what is in flight when it stops', async () => {
  const other = await listen();
  const slow = fetch(`${other.url}/slow?seconds=0.3`);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const stopped = other.stop();
  const response = await slow;
  assert.equal(response.status, 200);
  await response.json();
  await stopped;
  await assert.rejects(fetch(other.url));
});

test('reads its settings from a file, the environment wins', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'env-')), '.env');
  writeFileSync(file, 'TEST_NEW="a b"\nTEST_SET=file\n');
  process.env.TEST_SET = 'environment';
  assert.match(loadEnv(file), /^[0-9a-f]{12}$/);
  assert.equal(process.env.TEST_NEW, 'a b');
  assert.equal(process.env.TEST_SET, 'environment');
  assert.equal(loadEnv(`${file}.missing`), undefined);
});
