// The health command: needs no curl in the image. Exit code 0: the app answers /healthz with 200.
const url = `http://127.0.0.1:${process.env.PORT ?? 3000}/healthz`;
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
  process.exit(response.status === 200 ? 0 : 1);
} catch (error) {
  console.error(`${url}: ${error.cause ?? error}`);
  process.exit(1);
}
