/** What an application calls. */

import { type ChangesQuery, readChanges } from "./changes.js";
import { Conflict } from "./conflict.js";
import { type ErrorCode, TasksError } from "./errors.js";
import { TaskList } from "./list.js";
import { type SubscribeOptions, type Subscription, subscribe } from "./subscribe.js";
import { type Call, type Settings, Transport } from "./transport.js";
import type {
  CallOptions,
  ChangePage,
  Changes,
  ListQuery,
  NewTask,
  Operation,
  Result,
  Task,
  TaskOrId,
} from "./types.js";

/** Options of a batch. */
export interface BatchOptions extends CallOptions {
  /** Whether all operations are done or none, which is the API's default. */
  readonly atomic?: boolean | undefined;
  /** Stored together with the operations, the same batch can be sent again at any later time. */
  readonly idempotencyKey?: string | undefined;
  /** How often it is repeated where that may help; as all calls if left out. */
  readonly maxRetries?: number | undefined;
}

/** A name that nobody else gives; `crypto.randomUUID` is missing on pages without TLS. */
export function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The tasks of whoever is signed in. */
export class Tasks {
  readonly #transport: Transport;
  /** Of the service, without a slash at its end. */
  readonly url: string;

  constructor(settings: Settings) {
    this.#transport = new Transport(settings);
    this.url = this.#transport.url;
  }

  /** The id of the user who is signed in, as the token says it. */
  user(options?: CallOptions): Promise<string> {
    return this.#transport.user(options);
  }

  /** To be called at sign-out: otherwise the next user's calls are sent with the last one's token. */
  forget(): void {
    this.#transport.tokens.forget();
  }

  /** The tasks that a query matches, fetched page by page while they are read. */
  list(query: ListQuery = {}, options?: CallOptions): TaskList {
    return new TaskList((page) => this.#get("", "tasks", options, page), query);
  }

  get(id: number, options?: CallOptions): Promise<Task> {
    return this.#get(`/${id}`, "updated_at", options);
  }

  /**
   * Creates a task.
   *
   * @param task - with a `key`, a name of yours: the same create again gives the same task.
   */
  async create(task: NewTask & { readonly key?: string }, options?: CallOptions): Promise<Task> {
    if (task.key === undefined) return this.#write("POST", "", task, options);
    try {
      const operations = [{ op: "create", ...task }] as const;
      const [result] = await this.batch(operations, { ...options, atomic: false });
      return taskOf(result as Result);
    } catch (error) {
      throw error instanceof TasksError ? ofOne(error) : error;
    }
  }

  /**
   * Changes the fields that are named, and leaves the others.
   *
   * @throws Conflict if a task was given, and not its id, and it is not as it was read any more.
   */
  update(task: TaskOrId, changes: Changes, options?: CallOptions): Promise<Task> {
    return this.#change(pathOf(task), task, changes, options);
  }

  /** Marks a task as done, or as still to be done. */
  complete(task: TaskOrId, isCompleted = true, options?: CallOptions): Promise<Task> {
    return this.#change(`${pathOf(task)}/complete`, task, { is_completed: isCompleted }, options);
  }

  /** Deletes a task. Its `Conflict` deletes what the person has seen. */
  remove(task: TaskOrId, options?: CallOptions): Promise<void> {
    const call: Call = { method: "DELETE", path: pathOf(task), headers: versionOf(task) };
    const removing = this.#transport.send<void>({ ...options, ...call });
    return orConflict(removing, task, {}, async (theirs) => {
      await this.remove(theirs, options);
      return theirs;
    });
  }

  /** Up to 100 operations in one request. */
  async batch(operations: readonly Operation[], options: BatchOptions = {}): Promise<Result[]> {
    const { atomic, idempotencyKey = randomKey(), ...others } = options;
    const body = await this.#transport.send<{ results: Result[] }>({
      ...others,
      method: "POST",
      path: "/batch",
      json: { operations, ...(atomic === undefined ? {} : { atomic }) },
      headers: { "Idempotency-Key": idempotencyKey },
      member: "results",
    });
    return body.results;
  }

  /** One page of the changes, in their order. */
  changes(query: ChangesQuery = {}, options?: CallOptions): Promise<ChangePage> {
    return readChanges(this.#transport, query, options);
  }

  /** Calls back with all changes there are, and then with each new one, until it is closed. */
  subscribe(options: SubscribeOptions): Subscription {
    return subscribe(this.#transport, options);
  }

  #get<T>(
    path: string,
    member: string,
    options: CallOptions | undefined,
    query: Record<string, string> = {},
  ): Promise<T> {
    return this.#transport.send({ ...options, method: "GET", path, query, member });
  }

  #write<T>(
    method: string,
    path: string,
    json: object,
    options: CallOptions | undefined,
    task?: TaskOrId,
  ): Promise<T> {
    const headers = { "Idempotency-Key": randomKey(), ...versionOf(task) };
    return this.#transport.send({
      ...options,
      method,
      path,
      json,
      headers,
      member: "updated_at",
    });
  }

  #change(
    path: string,
    task: TaskOrId,
    changes: Changes,
    options: CallOptions | undefined,
  ): Promise<Task> {
    const changing = this.#write<Task>("PATCH", path, changes, options, task);
    return orConflict(changing, task, changes, (theirs, values) =>
      this.update(theirs, values, options),
    );
  }
}

/** What a write gives; or the conflict that it ends with, where it had a version. */
function orConflict<T>(
  write: Promise<T>,
  base: TaskOrId,
  changes: Changes,
  save: (theirs: Task, values: Changes) => Promise<Task>,
): Promise<T> {
  return write.catch((error: unknown) => {
    if (!(error instanceof TasksError && error.current) || typeof base === "number") throw error;
    const theirs = error.current;
    throw new Conflict({ error, base, changes, theirs, save: (values) => save(theirs, values) });
  });
}

const pathOf = (task: TaskOrId) => `/${typeof task === "number" ? task : task.id}`;

/** The version of a task, as `If-Match`; an id has none. */
const versionOf = (task?: TaskOrId): Record<string, string> =>
  typeof task === "object" ? { "If-Match": `"${task.updated_at}"` } : {};

/** The task of a result; or its error, as if the operation had been a request of its own. */
function taskOf({ status, task, code, detail, current }: Result): Task {
  if (task !== null) return task;
  throw new TasksError({
    status,
    code: code as ErrorCode,
    detail: detail ?? "",
    current: current ?? null,
  });
}

/** An error of a batch of one operation, as if it were no batch. */
export function ofOne(error: TasksError): TasksError {
  const named = Object.entries(error.fieldErrors).map(([name, text]) => [
    name.split(".").at(-1),
    text,
  ]);
  return new TasksError({ ...error, fieldErrors: Object.fromEntries(named), cause: error.cause });
}
