// A browser says that the network is back: `online`, an event of the page.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { clientOf, service } from "./support/people.mjs";
import { hang, html, startProxy } from "./support/proxy.mjs";

const page = new EventTarget(); // Node has none of its own
globalThis.addEventListener = page.addEventListener.bind(page);
globalThis.removeEventListener = page.removeEventListener.bind(page);

const PAUSE = 29;
const FAULTS = { "a pause": html(503, { "Retry-After": `${PAUSE}` }), "an attempt": hang };

describe("the network that comes back", { concurrency: true }, () => {
  // Not too often, because it ends an attempt that goes well, too.
  const coming = setInterval(() => page.dispatchEvent(new Event("online")), 1500);
  after(() => clearInterval(coming));

  for (const [name, fault] of Object.entries(FAULTS)) {
    test(`ends ${name}`, async (t) => {
      const proxy = await startProxy(service, t);
      proxy.faults = [fault];
      await clientOf({ url: proxy.url }).create({ title: name });
      const [first, second] = proxy.seen;
      assert.ok(second.at - first.at < PAUSE * 1000);
      assert.equal(first.headers["idempotency-key"], second.headers["idempotency-key"]);
    });
  }
});
