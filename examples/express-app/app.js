// The process: settings, listening, a graceful end.
import { hostname } from 'node:os';

import { createServer } from './server.js';
import { loadEnv } from './env.js';

const envVersion = loadEnv();
const port = Number(process.env.PORT ?? 3000);
const graceMilliseconds = Number(process.env.STOP_GRACE_SECONDS ?? 25) * 1000;

const { server, stop } = createServer({
  version: process.env.APP_VERSION ?? 'development',
  replica: hostname(),
  node: process.env.NODE_NAME,
  envVersion,
  greeting: process.env.GREETING,
});

server.listen(port, () => console.log(`listening on port ${port}`));

// PID 1 gets no default signal handlers from the kernel: without these two lines a stop would take the whole grace period.
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, async () => {
    console.log(`${signal}: finishing what is in flight`);
    setTimeout(() => process.exit(1), graceMilliseconds).unref();
    await stop();
    process.exit(0);
  });
}
