// Upload one file with the official client; the order comes as JSON, the outcome goes out as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const order = JSON.parse(readFileSync(0, "utf8"));
const { Upload } = createRequire(order.modules)("tus-js-client");

const seen = { requests: 0, retries: 0, url: null };
const upload = new Upload(readFileSync(order.file), {
  endpoint: order.endpoint,
  chunkSize: order.chunk ?? Infinity,
  uploadDataDuringCreation: order.withCreation,
  retryDelays: Array(200).fill(5),
  headers: { Authorization: order.token },
  metadata: order.metadata,
  onBeforeRequest: () => { seen.requests += 1; },
  onShouldRetry: () => { seen.retries += 1; return true; },
  onError: (error) => finish({ ...seen, error: String(error) }),
  onSuccess: () => finish({ ...seen, url: upload.url }),
});

function finish(told) {
  process.stdout.write(JSON.stringify(told));
  process.exit(0);
}

upload.start();
