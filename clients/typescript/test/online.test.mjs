// A browser says that the network is back: `online`, an event of the page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clientOf, eventually, newUser, service } from "./support/people.mjs";
import { hang, html, startProxy } from "./support/proxy.mjs";

const page = new EventTarget(); // Node has none of its own
globalThis.addEventListener = page.addEventListener.bind(page);
globalThis.removeEventListener = page.removeEventListener.bind(page);

const PAUSE = 29;

test("pauses end, and what has no answer yet is sent again", async (t) => {
  const faults = { pause: html(503, { "Retry-After": `${PAUSE}` }), hang };
  for (const [name, fault] of Object.entries(faults)) {
    const proxy = await startProxy(service, t);
    proxy.faults = [fault];
    const tasks = clientOf({ user: newUser(), url: proxy.url });
    let isDone = false;
    const call = tasks.create({ title: name }).then(() => {
      isDone = true;
    });
    await eventually(() => {
      if (proxy.seen.length > 0) page.dispatchEvent(new Event("online"));
      return isDone;
    });
    await call;
    const [first, second] = proxy.seen;
    assert.ok(second.at - first.at < PAUSE * 1000, name);
    assert.equal(first.headers["idempotency-key"], second.headers["idempotency-key"]);
  }
});
