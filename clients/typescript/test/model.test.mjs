// Two devices of one user do things at random, with faults. In the end each thing that was stored
// has taken effect once, or was reported. SEED=… repeats an example.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { deviceOf } from "./support/devices.mjs";
import { clientOf, eventually, newUser } from "./support/people.mjs";
import { html, refuse } from "./support/proxy.mjs";

const EXAMPLES = Number(process.env.EXAMPLES ?? 6);
const STEPS = 60;
const FIELDS = ["title", "description", "is_completed"];

/** Mulberry32: numbers from 0 to 1 that a seed makes again. */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const fieldsOf = (task) => FIELDS.map((name) => task[name]);

/** What the service has done, as the networks saw it, and what devices were told. */
class World {
  constructor(seed, user) {
    this.random = randomOf(seed);
    this.user = user;
    /** By the value that each edit has of its own: what it was made of, how often it was done. */
    this.wishes = new Map();
    /** Contents of tasks, by id. */
    this.contents = new Map();
    this.done = Promise.resolve();
    this.faults = [];
  }

  pick = (values) => values[Math.floor(this.random() * values.length)];

  /** Takes notice of a batch that the service has just executed. */
  note({ operations }, { results }, replayed) {
    if (replayed) return;
    const names = new Set(operations.map(({ key, id }) => key ?? id));
    if (names.size < operations.length) this.faults.push("two of a task: one knows no version");
    operations.forEach((operation, index) => {
      const { status, task } = results[index];
      if (status >= 400) return;
      const wishes = [...this.wishes.values()].filter(({ value }) => has(operation, value));
      for (const wish of wishes) wish.times += 1;
      const { id } = task ?? operation;
      const [first] = wishes;
      if (first?.seen && operation.op === "update") {
        const [before, seen] = [this.contents.get(id), fieldsOf(first.seen)];
        // An own value that was never sent has been replaced by one of this operation.
        const isSeen = (value, index) =>
          value === seen[index] || this.wishes.get(seen[index])?.times === 0;
        if (!before.every(isSeen)) {
          this.faults.push(`${first.value} was made of ${seen}, and put over ${before}`);
        }
      }
      if (task) this.contents.set(id, fieldsOf(task));
    });
  }
}

const has = (operation, value) => FIELDS.some((name) => operation[name] === value);

/** A network with faults, which passes one batch after the other, so that their order is known. */
function faulty(world) {
  return async (request, response, target) => {
    const fault = world.isCalm ? "none" : world.pick(["none", "none", "refuse", "late", "lose"]);
    if (fault === "refuse") return refuse(request);
    if (fault === "late") return html(503)(request, response);
    const turn = world.done;
    let end;
    world.done = new Promise((done) => (end = done));
    await turn;
    try {
      const { method, url, headers } = request;
      const sent = Buffer.concat(await request.toArray());
      const answer = await fetch(target + url, {
        method,
        headers,
        body: sent.length ? sent : null,
      });
      const body = await answer.text();
      if (url.endsWith("/batch")) {
        const replayed = answer.headers.get("Idempotency-Replayed") === "true";
        world.note(JSON.parse(sent), JSON.parse(body), replayed);
      }
      if (fault === "lose") return refuse(request);
      response.writeHead(answer.status, { "Content-Type": "application/json" }).end(body);
    } finally {
      end();
    }
  };
}

class Device {
  constructor(world, name, device) {
    Object.assign(this, { world, name, device });
    this.rows = new Map();
    this.reports = [];
    this.removed = new Set();
    this.count = 0;
    this.device.queue.close();
    this.open();
  }

  open() {
    const { queue } = this.device.tab({
      onSettled: ({ operation, task }) => {
        const key = operation.key ?? this.rows.get(task?.id)?.key;
        if (task) this.rows.set(task.id, { ...task, key });
        else this.rows.delete(operation.id);
      },
      onConflict: (conflict) => {
        const { base, mine } = conflict;
        const edited = FIELDS.filter((name) => mine[name] !== base[name]);
        this.reports.push(Object.fromEntries(edited.map((name) => [name, mine[name]])));
        this.check(conflict);
      },
      onRefused: ({ operation }) => this.reports.push(operation),
    });
    this.queue = queue;
  }

  /** A conflict is with the other device, about something that was not seen here. */
  check({ base, theirs }) {
    const others = FIELDS.filter((name) => base[name] !== theirs[name]).map((name) => theirs[name]);
    assert.ok(
      others.some((value) => typeof value === "boolean" || !value.startsWith(this.name)),
      `a conflict with itself: ${JSON.stringify([base, theirs])}`,
    );
  }

  get shown() {
    return this.queue.overlay([...this.rows.values()]);
  }

  /** The name of a task that does not change. */
  nameOf = ({ id, key }) => key ?? id;

  wish(field, seen) {
    this.count += 1;
    const value = `${this.name}${this.count}`;
    const task = seen && this.nameOf(seen);
    this.world.wishes.set(value, { value, field, seen, task, device: this, times: 0 });
    return value;
  }

  /** Whether a later edit, or a removal, took the place of one that was not sent yet. */
  replaced({ task, field, value }) {
    const later = [...this.world.wishes.values()].filter((each) => each.device === this);
    const after = later.slice(later.findIndex((each) => each.value === value) + 1);
    return (
      this.removed.has(task) || after.some((each) => each.task === task && each.field === field)
    );
  }

  async step() {
    const { pick } = this.world;
    const task = pick(this.shown);
    const act = pick([
      "create",
      "edit",
      "edit",
      "edit",
      "edit",
      "remove",
      "flush",
      "read",
      "restart",
    ]);
    if (act === "create" || (!task && ["edit", "remove"].includes(act))) {
      const value = this.wish("title");
      const key = await this.queue.create({ title: value, description: this.name });
      this.world.wishes.get(value).task = key;
    } else if (act === "edit") {
      const field = pick(["title", "description"]);
      await this.queue.update(task, { [field]: this.wish(field, task) });
    } else if (act === "remove") {
      this.removed.add(this.nameOf(task));
      await this.queue.remove(task);
    } else if (act === "flush") await this.queue.flush();
    else if (act === "read") await this.read();
    else {
      this.queue.close();
      this.open();
      await this.read(); // as a page does that was closed
    }
  }

  async read() {
    const { changes } = await clientOf({ user: this.world.user }).changes({ limit: 1000 });
    const there = changes.filter(({ task }) => task);
    this.rows = new Map(there.map(({ id, key, task }) => [id, { ...task, key }]));
  }

  async settle() {
    this.world.isCalm = true;
    await eventually(async () => {
      await this.queue.flush();
      return this.queue.pending === 0;
    });
    const stored = this.device.storage(`taskapi:${this.device.proxy.url}:${this.world.user}`);
    await eventually(async () => (await stored.change((all) => all)).every(({ done }) => done));
  }
}

describe("devices that do things at random", { concurrency: true }, () => {
  const seeds = process.env.SEED
    ? [Number(process.env.SEED)]
    : Array.from({ length: EXAMPLES }, () => Math.floor(Math.random() * 2 ** 32));
  for (const seed of seeds) {
    test(`everything takes effect once, or is reported: SEED=${seed}`, async (t) => {
      const user = newUser();
      const world = new World(seed, user);
      const devices = [];
      for (const name of ["laptop-", "phone-"]) {
        const device = await deviceOf(t, user);
        device.proxy.usual = faulty(world);
        devices.push(new Device(world, name, device));
      }
      for (let step = 0; step < STEPS; step += 1) await world.pick(devices).step();
      for (const device of devices) await device.settle();
      assert.deepEqual(world.faults, []);
      for (const wish of world.wishes.values()) {
        const { value, times, device } = wish;
        const reported = device.reports.some((report) => has(report, value));
        const outcomes = times + Number(reported);
        const what = `${value} was done ${times} times, reported: ${reported}`;
        assert.ok(outcomes === 1 || (outcomes === 0 && device.replaced(wish)), what);
      }
      for (const device of devices) {
        await device.read();
        assert.deepEqual(device.shown, [...device.rows.values()]);
      }
    });
  }
});
