// A browser says that the network is back: `online`, an event of the page.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { clientOf, service } from "./support/people.mjs";
import { hang, html, startProxy } from "./support/proxy.mjs";

const page = new EventTarget(); // Node has none of its own
globalThis.addEventListener = page.addEventListener.bind(page);
globalThis.removeEventListener = page.removeEventListener.bind(page);

const PAUSE = 29;
const FAULTS = { "a pause": html(503, { "Retry-After": `${PAUSE}` }), "an attempt": hang };

describe("the network that comes back", () => {
  for (const [name, fault] of Object.entries(FAULTS)) {
    test(`ends ${name}`, async (t) => {
      const proxy = await startProxy(service, t);
      proxy.faults = [fault];
      // No more of it once there is a second attempt, because it ends one that goes well, too.
      const coming = setInterval(() => {
        if (proxy.seen.length === 1) page.dispatchEvent(new Event("online"));
      }, 1000);
      t.after(() => clearInterval(coming));
      await clientOf({ url: proxy.url }).create({ title: name });
      const [first, second] = proxy.seen;
      assert.ok(second.at - first.at < PAUSE * 1000);
      assert.equal(first.headers["idempotency-key"], second.headers["idempotency-key"]);
    });
  }
});
