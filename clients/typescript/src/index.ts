export { type Auth, type BetterAuthClient, fromBetterAuth } from "./auth.js";
export type { ChangesQuery } from "./changes.js";
export { Conflict } from "./conflict.js";
export { type ErrorCode, TasksError } from "./errors.js";
export type { TaskList } from "./list.js";
export type { Status, SubscribeOptions, Subscription } from "./subscribe.js";
export { type BatchOptions, randomKey, Tasks } from "./tasks.js";
export type { Settings } from "./transport.js";
export type * from "./types.js";

import { Tasks } from "./tasks.js";
import type { Settings } from "./transport.js";

/** A client for the tasks of whoever is signed in. */
export function createTasks(settings: Settings): Tasks {
  return new Tasks(settings);
}
