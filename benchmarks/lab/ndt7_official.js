// Run M-Lab's ndt7 client for browsers under Node against one server; print a line a direction.
const { Worker: Thread } = require("worker_threads");
const path = require("path");
const entry = require.resolve("@m-lab/ndt7");

// A browser's Worker and WebSocket, as far as the client uses them.
global.WebSocket = require("ws");
global.Worker = class {
  constructor(file) {
    const inside = `
      const { parentPort } = require("worker_threads");
      global.self = global;
      global.WebSocket = require("ws");
      global.performance = require("perf_hooks").performance;
      global.postMessage = (message) => parentPort.postMessage(message);
      parentPort.on("message", (data) => self.onmessage({ data }));
      require(${JSON.stringify(file)});`;
    this.thread = new Thread(inside, { eval: true });
    this.thread.on("message", (data) => this.onmessage && this.onmessage({ data }));
    this.thread.on("error", (error) => this.onerror && this.onerror(error));
  }
  postMessage(data) { this.thread.postMessage(data); }
  terminate() { this.thread.terminate(); }
};

const [host, port] = process.argv.slice(2);
const test = (name) => [`///ndt/v7/${name}`, `ws://${host}:${port}/ndt/v7/${name}`];
const urls = Promise.resolve(Object.fromEntries([test("download"), test("upload")]));
const worker = (name) => path.join(path.dirname(entry), `ndt7-${name}-worker.js`);
const settings = {
  userAcceptedDataPolicy: true,
  downloadworkerfile: worker("download"),
  uploadworkerfile: worker("upload"),
};
const print = (direction, seen) => console.log(JSON.stringify({
  direction,
  mbps: seen.MeanClientMbps,
  seconds: seen.ElapsedTime,
  bytes: seen.NumBytes,
}));
const client = require(entry);
const callbacks = {
  error: (error) => console.error(String(error)),
  downloadComplete: (seen) => print("down", seen.LastClientMeasurement),
  uploadComplete: (seen) => print("up", seen.LastClientMeasurement),
};
(async () => {
  await client.downloadTest(settings, callbacks, urls);
  await client.uploadTest(settings, callbacks, urls);
  process.exit(0);
})();
