// Settings that the platform delivers as one file, in a directory of its own beside the code.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const DEFAULT_FILE = fileURLToPath(new URL('./env/.env', import.meta.url));

/**
 * Read ./env/.env into process.env, where a variable that is already set wins. Return the file's version, the first 12
 * hexadecimal digits of its SHA-256, as the platform names it. No file, no harm, no version.
 */
export function loadEnv(file = DEFAULT_FILE) {
  if (!existsSync(file)) {
    return undefined;
  }
  process.loadEnvFile(file);
  return createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 12);
}
