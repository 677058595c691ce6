// Devices of a user, each with a network of its own and a queue.
import { createQueue, memoryStorage } from "../../dist/queue.js";
import { clientOf, newUser, service } from "./people.mjs";
import { forwarded, pass, refuse, startProxy } from "./proxy.mjs";

/** A device. `tab` opens its queue once more, as another tab does, or after a restart. */
export async function deviceOf(test, user = newUser()) {
  const proxy = await startProxy(service, test);
  const storage = memoryStorage();
  const tasks = clientOf({ user, url: proxy.url, maxRetries: 0 });
  const tab = (settings) => tabOf(test, { tasks, user, storage, ...settings });
  return { user, proxy, storage, tasks, tab, ...tab() };
}

function tabOf(test, { tasks, user, storage, ...handlers }) {
  const [settled, conflicts, refused] = [[], [], []];
  const queue = createQueue(tasks, {
    user,
    storage,
    onSettled: (each) => settled.push(each),
    onConflict: (each) => conflicts.push(each),
    onRefused: (each) => refused.push(each),
    ...handlers,
  });
  test.after(() => queue.close());
  return { queue, settled, conflicts, refused };
}

/** A behaviour of the network that lets the request, or the answer to it, wait for `release`. */
export function holding(what) {
  let release;
  let arrive;
  const released = new Promise((done) => (release = done));
  const arrived = new Promise((done) => (arrive = done));
  const behave = async (request, response, target) => {
    if (what === "request") {
      arrive();
      await released;
      return pass(request, response, target);
    }
    const answer = await forwarded(request, target);
    const body = Buffer.concat(await answer.toArray());
    arrive();
    await released;
    response.writeHead(answer.statusCode, answer.headers).end(body);
  };
  return Object.assign(behave, { arrived, release });
}

/** What the service has: titles and descriptions of a user's tasks. */
export async function tasksOf(user) {
  const { tasks } = await clientOf({ user }).list({ sort: "created_at" }).page();
  return tasks;
}

/** The titles of a list with what waits. */
export const shown = (queue, tasks = []) => queue.overlay(tasks).map(({ title }) => title);
export const titlesOf = async (user) => (await tasksOf(user)).map(({ title }) => title);

/** A device that is offline. */
export async function offline(t, user) {
  const device = await deviceOf(t, user);
  await device.queue.flush();
  device.proxy.usual = refuse;
  device.online = async (usual = pass) => {
    device.proxy.usual = usual;
    await device.queue.flush();
  };
  return device;
}

/** A task of a user, and a device that has read it. */
export async function withMilk(t, open = deviceOf) {
  const device = await open(t);
  const other = clientOf({ user: device.user });
  const milk = await other.create({ title: "Buy milk" });
  return { ...device, other, milk };
}
