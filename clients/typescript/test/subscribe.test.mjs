// Subscriptions, through every network there is.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { copyOf, inStep, isInStep } from "./support/copy.mjs";
import {
  authOf,
  clientOf,
  errorOf,
  eventually,
  newUser,
  now,
  service,
  sign,
  tokenFor,
} from "./support/people.mjs";
import {
  buffer,
  cutAfter,
  hang,
  html,
  pass,
  refuse,
  silentWhen,
  startProxy,
} from "./support/proxy.mjs";

/** A user's client behind a proxy, the same user's without one, and a copy of the tasks. */
async function subscribed(t, { usual = pass, faults = [], auth, ...options } = {}) {
  const user = newUser();
  const proxy = Object.assign(await startProxy(service, t), { usual, faults });
  const direct = clientOf({ user });
  const tasks = clientOf({ user, url: proxy.url, ...(auth && { auth: auth(user) }) });
  const start = () => {
    const copy = copyOf(tasks, options);
    t.after(copy.close);
    return copy;
  };
  return { user, proxy, tasks, direct, start };
}

const isStream = ({ url }) => url.includes("/events");
const streamsOf = (proxy) => proxy.seen.filter(isStream).length;
const pollsOf = (proxy) => proxy.seen.filter(({ headers }) => headers.prefer).length;

/** One behaviour for streams, and another for everything else. */
const forStreams = (behave) => (request, response, target) =>
  (isStream(request) ? behave : pass)(request, response, target);

describe("a subscription", { concurrency: true }, () => {
  test("begins now if that is wanted, and says when to read", async (t) => {
    const { direct, proxy, start } = await subscribed(t, { since: "now" });
    proxy.faults = [refuse, html(503)];
    await direct.create({ title: "Buy milk" });
    const copy = start();
    await eventually(() => copy.told.at(-1) === "open");
    assert.deepEqual([copy.resyncs, copy.tasks.size], [1, 0]);
    await direct.create({ title: "Buy tea" });
    await eventually(() => copy.tasks.size > 0);
    assert.deepEqual(
      [...copy.tasks.values()].map(({ title }) => title),
      ["Buy tea"],
    );
    assert.equal(copy.resyncs, 1);
  });

  test("tells what there is, and then what happens", async (t) => {
    const { direct, proxy, start } = await subscribed(t);
    const [milk, tea] = [await direct.create({ title: "m" }), await direct.create({ title: "t" })];
    const copy = start();
    await inStep(copy, direct);
    await eventually(() => streamsOf(proxy) === 1);
    await direct.update(milk, { title: "Buy milk" });
    await direct.remove(tea);
    await direct.create({ title: "Zoë 🦊" });
    await inStep(copy, direct);
    assert.deepEqual(
      [...copy.tasks.values()].map(({ title }) => title),
      ["Buy milk", "Zoë 🦊"],
    );
    copy.close();
    await copy.done;
    assert.deepEqual(copy.told, ["connecting", "open", "closed"]);
    assert.deepEqual([copy.errors, copy.resyncs, proxy.seen.length], [[], 0, 2]);
  });

  test("an empty account has a position too", async (t) => {
    const { start } = await subscribed(t);
    const copy = start();
    await eventually(() => copy.told.at(-1) === "open");
    assert.equal(typeof copy.since, "string");
  });

  test("goes on from a position, and tells nothing twice", async (t) => {
    const { tasks, direct, start } = await subscribed(t);
    const first = start();
    await direct.create({ title: "old" });
    await inStep(first, direct);
    first.close();
    await first.done;
    await direct.create({ title: "new" });
    const told = [];
    const onChanges = (changes) => told.push(...changes.map(({ task }) => task.title));
    const second = copyOf(tasks, { since: first.since, onChanges });
    await eventually(() => told.length === 1 && second.told.at(-1) === "open");
    assert.deepEqual(told, ["new"]);
    second.close();
  });

  test("waits for the application before it gives the next page", async (t) => {
    const { direct, tasks, start } = await subscribed(t);
    const copy = start();
    let busy = 0;
    let most = 0;
    let seen = 0;
    const slow = copyOf(tasks, {
      async onChanges(changes) {
        busy += 1;
        most = Math.max(most, busy);
        await new Promise((done) => setTimeout(done, 30));
        busy -= 1;
        seen += changes.length;
      },
    });
    await eventually(() => slow.told.at(-1) === "open");
    for (let number = 0; number < 20; number += 1) await direct.create({ title: `${number}` });
    await inStep(copy, direct);
    await eventually(() => seen >= 20);
    assert.equal(most, 1);
    slow.close();
  });

  for (const bytes of [0, 30, 200, 700]) {
    test(`misses nothing when connections are cut after ${bytes} bytes`, async (t) => {
      const cut = cutAfter(bytes);
      const faults = { streams: [cut, cut], others: [cut, pass, html(502)] };
      const usual = (request, response, target) => {
        const fault = faults[isStream(request) ? "streams" : "others"].shift() ?? pass;
        return fault(request, response, target);
      };
      const { direct, proxy, start } = await subscribed(t, { usual });
      await direct.create({ title: "first" });
      const copy = start();
      for (let number = 0; streamsOf(proxy) < 3; number += 1) {
        await direct.create({ title: `Zoë 🦊 ${number}`, description: "x".repeat(number % 50) });
        await new Promise((done) => setTimeout(done, 100));
      }
      const { tasks } = await direct.list({ limit: 5 }).page();
      for (const task of tasks) await direct.remove(task);
      await inStep(copy, direct);
      assert.deepEqual([copy.errors, copy.resyncs], [[], 0]);
    });
  }

  test("polls where too many listen", async (t) => {
    const { user, direct, proxy, start } = await subscribed(t);
    const headers = { Authorization: `Bearer ${tokenFor(user)}` };
    const listeners = []; // kept, because Node cancels what nobody can read any more
    for (let count = 0; count < 10; count += 1) {
      listeners.push(await fetch(`${service}/api/${user}/tasks/events`, { headers }));
      assert.equal(listeners.at(-1).status, 200);
    }
    const copy = start();
    await eventually(() => pollsOf(proxy) === 1);
    await direct.create({ title: "Buy milk" });
    await inStep(copy, direct);
    assert.equal(streamsOf(proxy), 1);
    assert.deepEqual(copy.told, ["connecting", "open"]);
    for (const { body } of listeners) await body.cancel();
  });

  const BARRIERS = {
    "keeps streams back": buffer,
    "never answers a stream": hang,
    "answers a stream with HTML": html(200),
    "refuses a stream with HTML": html(403),
  };
  for (const [what, barrier] of Object.entries(BARRIERS)) {
    test(`polls behind a proxy that ${what}`, async (t) => {
      const { direct, proxy, start } = await subscribed(t, {
        usual: forStreams(barrier),
        silence: 2000,
      });
      const copy = start();
      await eventually(() => pollsOf(proxy) >= 1);
      await direct.create({ title: "Buy milk" });
      await inStep(copy, direct);
      assert.ok(streamsOf(proxy) <= 1); // it may have been given up before it came here
      assert.deepEqual([copy.told, copy.errors], [["connecting", "open"], []]);
    });
  }

  test("is not offline because it asks too much", async (t) => {
    const polls = [html(429), html(429)];
    const usual = forStreams(html(403));
    const fault = (request, ...others) =>
      ((request.headers.prefer && polls.shift()) || usual)(request, ...others);
    const { direct, proxy, start } = await subscribed(t, { usual: fault });
    const copy = start();
    await eventually(() => pollsOf(proxy) >= 3);
    await direct.create({ title: "Buy milk" });
    await inStep(copy, direct);
    assert.deepEqual(copy.told, ["connecting", "open"]);
  });

  test("does not give up a connection because the application takes long", async (t) => {
    const silence = 5000;
    const { direct, tasks, proxy } = await subscribed(t);
    const seen = [];
    const copy = copyOf(tasks, {
      silence,
      async onChanges(changes) {
        if (changes.length > 0) seen.push(proxy.seen.length);
        if (seen.length === 1) {
          await direct.create({ title: "second" });
          await new Promise((done) => setTimeout(done, silence + 500));
        }
      },
    });
    await eventually(() => streamsOf(proxy) === 1);
    await direct.create({ title: "first" });
    await eventually(() => seen.length === 2);
    assert.deepEqual(seen, [2, 2]); // the page and the stream
    copy.close();
  });

  test("polls behind a proxy that ends every stream at once", async (t) => {
    const usual = forStreams((_request, response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream" }).end();
    });
    const { direct, proxy, start } = await subscribed(t, { usual });
    const copy = start();
    await eventually(() => pollsOf(proxy) >= 1);
    await direct.create({ title: "Buy milk" });
    await inStep(copy, direct);
    assert.equal(streamsOf(proxy), 3);
  });

  test("takes nonsense in a stream for a bad connection", async (t) => {
    const nonsense = (data) => (_request, response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write(`event: changes\ndata: ${data}\n\n`);
    };
    const streams = [nonsense("{"), nonsense("null"), pass];
    const usual = (request, ...others) =>
      (isStream(request) ? streams.shift() : pass)(request, ...others);
    const { direct, proxy, start } = await subscribed(t, { usual });
    const copy = start();
    await eventually(() => streamsOf(proxy) === 3);
    await direct.create({ title: "Buy milk" });
    await inStep(copy, direct);
    assert.deepEqual(copy.errors, []);
  });

  test("gives up a connection that has died without a word", async (t) => {
    let isSilent = false;
    const usual = forStreams(silentWhen(() => isSilent));
    const { direct, proxy, start } = await subscribed(t, { usual, silence: 2000 });
    const copy = start();
    await eventually(() => streamsOf(proxy) === 1);
    await direct.create({ title: "before" });
    await inStep(copy, direct);
    isSilent = true;
    await direct.create({ title: "meanwhile" });
    await inStep(copy, direct);
    assert.equal(copy.tasks.size, 2);
  });

  test("goes on with a new token when its token has expired", async (t) => {
    const auth = (user) => authOf(sign({ sub: user, exp: now() - 28 }), () => tokenFor(user));
    const { direct, proxy, start } = await subscribed(t, { auth });
    const copy = start();
    await eventually(
      () => new Set(proxy.seen.map(({ headers }) => headers.authorization)).size === 2,
    );
    await direct.create({ title: "Buy milk" });
    await inStep(copy, direct);
    assert.deepEqual([copy.told, copy.errors], [["connecting", "open"], []]);
  });

  test("waits for the network, and for the auth server, at its start too", async (t) => {
    const fail = () => {
      throw new Error("the auth server is away");
    };
    const auth = (user) => authOf(fail, tokenFor(user));
    const { direct, start } = await subscribed(t, { auth, faults: [refuse] });
    const copy = start();
    await direct.create({ title: "Buy milk" });
    await inStep(copy, direct);
    assert.deepEqual(copy.told, ["connecting", "offline", "open"]);
  });

  test("ends when nobody is signed in any more, or somebody else is", async (t) => {
    for (const next of [null, tokenFor(newUser())]) {
      const { proxy, direct, tasks, start } = await subscribed(t, {
        auth: (user) => authOf(tokenFor(user), next),
      });
      const copy = start();
      await inStep(copy, direct);
      await eventually(() => streamsOf(proxy) === 1);
      tasks.forget();
      proxy.cut();
      await copy.done;
      assert.deepEqual(
        copy.errors.map(({ code }) => code),
        ["signed_out"],
      );
      assert.equal(copy.told.at(-1), "closed");
    }
  });

  test("of a user tells nothing to another one", async (t) => {
    const { start } = await subscribed(t, { user: newUser() });
    const copy = start();
    await copy.done;
    assert.equal(copy.errors[0].code, "signed_out");
    assert.deepEqual([copy.tasks.size, copy.since], [0, null]);
  });

  test("ends when the application fails, and says why", async (t) => {
    const { direct, tasks } = await subscribed(t);
    await direct.create({ title: "x" });
    const failure = new Error("the disk is full");
    const onChanges = async () => {
      throw failure;
    };
    const copy = copyOf(tasks, { onChanges });
    await copy.done;
    assert.deepEqual([copy.errors, copy.told.at(-1)], [[failure], "closed"]);
    const unheard = tasks.subscribe({ onChanges, onResync() {} });
    assert.equal(await errorOf(unheard.done), failure);
  });

  test("tells nothing after it is closed, by itself or by a signal", async (t) => {
    const { direct, tasks, proxy } = await subscribed(t);
    await direct.create({ title: "x" });
    const leave = new AbortController();
    let told = 0;
    const onChanges = async () => {
      told += 1;
      leave.abort();
      await new Promise((done) => setTimeout(done, 30));
      told += 1;
    };
    const copy = copyOf(tasks, { onChanges, signal: leave.signal });
    await copy.done;
    assert.deepEqual([told, copy.told], [2, ["connecting", "closed"]]);
    await direct.create({ title: "y" });
    const after = copyOf(tasks, { signal: leave.signal });
    await after.done;
    assert.deepEqual([after.tasks.size, proxy.seen.length], [0, 1]);
    const closed = copyOf(tasks);
    closed.close();
    await closed.done;
    assert.ok(closed.tasks.size === 0 && !(await isInStep(closed, direct)));
  });
});
