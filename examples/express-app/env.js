// Settings that the platform delivers as one file, in a directory of its own beside the code.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const DEFAULT_FILE = fileURLToPath(new URL('./env/.env', import.meta.url));

/** Read ./env/.env into process.env, where a variable that is already set wins. No file, no harm. */
export function loadEnv(file = DEFAULT_FILE) {
  if (existsSync(file)) {
    process.loadEnvFile(file);
  }
}
