// Sends events with Amplitude's own Node SDK, unchanged but for serverUrl, to a
// sandbox: node send.mjs http://127.0.0.1:8437
//
// To each endpoint it sends events that are throttled at first (429), then a
// request of which one event is refused (400), then $identify and an event.
// It prints how the SDK says each ended, and fails when that is not so.
import { createInstance, Identify, Types } from "@amplitude/analytics-node";
import assert from "node:assert/strict";

const base = process.argv[2];
const faults = (spec) => fetch(base + "/debug/faults", { method: "PUT", body: spec });
const answers = async () => (await (await fetch(base + "/debug/stats")).json()).answers;

for (const path of ["/2/httpapi", "/batch"]) {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const client = createInstance();
  await client.init("sdk-key", {
    serverUrl: base + path, useBatch: path === "/batch", flushQueueSize: 10, flushIntervalMillis: 50, logLevel: Types.LogLevel.None,
  }).promise;
  const track = (type, properties, options) => client.track(type, properties, options).promise;

  await faults("429:1");
  const before = (await answers())["429"] || 0;
  const throttled = [1, 2, 3].map((n) => track(name + " throttled", { n }, { user_id: name + "-user", device_id: name + "-device" }));
  for (let now = before; now === before;) now = (await answers())["429"] || 0; // the SDK has been told
  await faults("");
  for (const end of await Promise.all(throttled)) assert.equal(end.code, 200, end.message);

  const mixed = ["good", "abc", "good", "good"].map((id, n) =>
    track(name + " mixed", { n }, { user_id: id === "abc" ? id : name + "-user", device_id: name + "-device" }));
  const codes = (await Promise.all(mixed)).map((end) => end.code);
  assert.deepEqual(codes, [200, 400, 200, 200]);

  const who = { user_id: name + "-user", device_id: name + "-device" };
  assert.equal((await client.identify(new Identify().set("color", "blue").append("list", name).add("logins", 1), who).promise).code, 200);
  assert.equal((await track(name + " last", {}, who)).code, 200);
  await client.flush().promise;
  console.log(`${path}: 3 after a 429, 3 and one refused after a 400, $identify and an event`);
}
