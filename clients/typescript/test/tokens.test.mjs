// Tokens: how often one is fetched, when it is renewed, and whose calls it is for.
import assert from "node:assert/strict";
import { describe, mock, test } from "node:test";
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
import { html, lose, startProxy } from "./support/proxy.mjs";

const isEmpty = async (tasks) => (await tasks.list().page()).total === 0;

// These two set clocks, so nothing else runs meanwhile.

test("a clock that is wrong by years changes nothing", async () => {
  for (const error of [-10, 10]) {
    const user = newUser();
    const auth = authOf(tokenFor(user));
    const wrong = Date.now() + error * 365 * 86_400_000;
    const clock = mock.method(Date, "now", () => wrong);
    const tasks = clientOf({ user, auth });
    try {
      assert.equal(await tasks.user(), await tasks.user());
    } finally {
      clock.mock.restore();
    }
    assert.equal(auth.asked.length, 1);
  }
});

test("a long token is renewed a minute early", async () => {
  const user = newUser();
  const hour = tokenFor(user);
  const auth = authOf(hour);
  const tasks = clientOf({ auth });
  const clock = mock.method(performance, "now");
  const read = async (seconds) => {
    clock.mock.mockImplementation(() => seconds * 1000);
    await tasks.user();
    return auth.asked.length;
  };
  try {
    assert.deepEqual([await read(0), await read(3539), await read(3541)], [1, 1, 2]);
  } finally {
    clock.mock.restore();
  }
});

describe("tokens", { concurrency: true }, () => {
  test("calls that start together take one token, and so do later ones", async () => {
    const auth = authOf(tokenFor(newUser()));
    const tasks = clientOf({ auth });
    await Promise.all([isEmpty(tasks), isEmpty(tasks), tasks.create({ title: "x" }), tasks.user()]);
    await isEmpty(tasks);
    assert.deepEqual(auth.asked, [false]);
  });

  test("a short token is renewed at half of its life", async () => {
    const user = newUser();
    const short = () => sign({ sub: user, iat: now(), exp: now() + 0.4 });
    const auth = authOf(short);
    const tasks = clientOf({ auth });
    const begun = performance.now();
    while (auth.asked.length < 3) assert.ok(await isEmpty(tasks));
    assert.ok(performance.now() - begun >= 400);
    assert.deepEqual(auth.asked, [false, false, false]);
  });

  test("a refused token is renewed once for all calls, and each is sent once more", async (t) => {
    const proxy = await startProxy(service, t);
    const user = newUser();
    const bad = `${tokenFor(user)}x`;
    const auth = authOf(bad, tokenFor(user));
    const tasks = clientOf({ auth, url: proxy.url });
    const calls = await Promise.all([1, 2, 3].map((each) => tasks.create({ title: `${each}` })));
    assert.deepEqual(
      calls.map(({ title }) => title),
      ["1", "2", "3"],
    );
    assert.deepEqual(auth.asked, [false, true]);
    assert.equal(proxy.seen.length, 6);
  });

  test("a token that is refused twice is an error", async (t) => {
    const proxy = await startProxy(service, t);
    const auth = authOf(`${tokenFor("1")}x`);
    const error = await errorOf(clientOf({ auth, url: proxy.url }).list().page());
    assert.deepEqual([error.status, error.code], [401, "invalid_token"]);
    assert.deepEqual(auth.asked, [false, true]);
    assert.equal(proxy.seen.length, 2);
  });

  test("a token expires, and nobody notices", async () => {
    const user = newUser();
    // The service takes a token for 30 seconds more than it says, of which two are left.
    const old = sign({ sub: user, exp: now() - 28 });
    const auth = authOf(old, () => tokenFor(user));
    const tasks = clientOf({ auth });
    assert.ok(await isEmpty(tasks));
    await eventually(async () => (await isEmpty(tasks)) && auth.asked.length === 2);
    assert.deepEqual(auth.asked, [false, true]);
  });

  test("the user is the token's, in any script", async () => {
    for (const user of ["Zoë 🦊", "a/b?c", "ÿþ~~"]) {
      assert.equal(await clientOf({ user }).user(), user);
    }
  });

  test("nobody is signed in, so nothing is sent", async (t) => {
    const proxy = await startProxy(service, t);
    for (const nothing of [null, undefined, ""]) {
      const tasks = clientOf({ auth: authOf(nothing), url: proxy.url });
      const { status, code } = await errorOf(tasks.create({ title: "x" }));
      assert.deepEqual([status, code, proxy.seen.length], [0, "signed_out", 0]);
    }
  });

  test("after a sign-out the next user's calls have the next user's token", async () => {
    const [alice, bob] = [newUser(), newUser()];
    const auth = authOf(tokenFor(alice), tokenFor(bob));
    const tasks = clientOf({ auth });
    await tasks.create({ title: "Alice's" });
    tasks.forget();
    assert.equal(await tasks.user(), bob);
    assert.ok(await isEmpty(tasks));
    assert.equal((await errorOf(tasks.create({ title: "x" }, { user: alice }))).code, "signed_out");
    assert.ok(await isEmpty(tasks));
  });

  test("a token that comes after the sign-out is not kept", async () => {
    const [alice, bob] = [newUser(), newUser()];
    let give;
    const late = new Promise((resolve) => {
      give = resolve;
    });
    const tasks = clientOf({ auth: authOf(() => late, tokenFor(bob)) });
    const early = tasks.user();
    tasks.forget();
    assert.equal(await tasks.user(), bob);
    give(tokenFor(alice));
    assert.equal(await early, alice);
    assert.equal(await tasks.user(), bob);
  });

  test("a call is not sent again with the token of another user", async (t) => {
    const proxy = await startProxy(service, t);
    const [alice, bob] = [newUser(), newUser()];
    for (const fault of [html(503), lose, html(401)]) {
      const auth = authOf(tokenFor(alice), tokenFor(bob));
      const tasks = clientOf({ auth, url: proxy.url });
      proxy.faults = [
        (...request) => {
          tasks.forget();
          return fault(...request);
        },
      ];
      assert.equal((await errorOf(tasks.create({ title: "x" }))).code, "signed_out");
    }
    assert.ok(await isEmpty(clientOf({ user: bob })));
  });

  test("an auth server that fails is a network that fails", async () => {
    const user = newUser();
    const fail = () => {
      throw new Error("the auth server is away");
    };
    assert.ok(await isEmpty(clientOf({ auth: authOf(fail, fail, tokenFor(user)) })));
    const away = clientOf({ auth: authOf(fail), maxRetries: 0 });
    const { status, code, detail } = await errorOf(away.list().page());
    assert.deepEqual([status, code], [0, "network"]);
    assert.equal(detail, "No response: the auth server is away");
    const silent = clientOf({
      auth: authOf(() => new Promise(() => {})),
      timeout: 50,
      maxRetries: 1,
    });
    assert.equal((await errorOf(silent.list().page())).code, "network");
  });

  test("what is no JWT, or names no user, is refused before it is sent", async (t) => {
    const proxy = await startProxy(service, t);
    const anonymous = [{}, { sub: "" }, { sub: 7 }].map(sign);
    for (const token of ["abc", "a.b.c", "a.bnVsbA.c", "session.signature", ...anonymous]) {
      const tasks = clientOf({ auth: authOf(token), url: proxy.url });
      const { status, code, detail } = await errorOf(tasks.list().page());
      assert.deepEqual([token, status, code], [token, 0, "invalid_token"]);
      assert.equal(detail, "auth.token() has given no JWT of a user (sub).");
    }
    assert.equal(proxy.seen.length, 0);
  });
});
