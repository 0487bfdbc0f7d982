// Settings that the platform delivers as one file, in a directory of its own beside the code.
import { pbkdf2Sync } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const DEFAULT_FILE = fileURLToPath(new URL('./env/.env', import.meta.url));

/**
 * Read ./env/.env into process.env, where a variable that is already set wins. Return the file's version as the
 * platform names it: 12 hexadecimal digits that help nobody guess what it holds. No file, no harm, no version.
 */
export function loadEnv(file = DEFAULT_FILE) {
  if (!existsSync(file)) {
    return undefined;
  }
  process.loadEnvFile(file);
  return pbkdf2Sync(readFileSync(file), 'fungap.swarm', 100_000, 6, 'sha256').toString('hex');
}
