/** Requests: with a token, repeated where that is safe, and errors of one kind. */

import { type Auth, type Credentials, TokenCache } from "./auth.js";
import { has, parsed, textOf } from "./body.js";
import { errorOf, foreignResponse, networkError, signedOut, TasksError } from "./errors.js";
import type { CallOptions } from "./types.js";
import { Deadline, jittered, pause, unlessAborted } from "./wait.js";

/** How the service is reached. */
export interface Settings {
  /** Of the service, without `/api`; `""` or `"/"` is the origin of the page. */
  readonly url: string;
  readonly auth: Auth;
  /** Another `fetch` than the global one. */
  readonly fetch?: typeof fetch | undefined;
  /** How often a call is repeated that may succeed then; 4 if left out. */
  readonly maxRetries?: number | undefined;
  /** Milliseconds after which an attempt has failed of which nothing comes; 30,000 if left out. */
  readonly timeout?: number | undefined;
}

/** One call of the API. All may be sent again: reads, deletions, and writes that have a key. */
export interface Call extends CallOptions {
  readonly method: string;
  /** Behind `/api/{user_id}/tasks`. */
  readonly path: string;
  readonly query?: Record<string, string>;
  readonly headers?: Record<string, string>;
  readonly json?: object;
  /** A member that the response has, which others have not; none for 204. */
  readonly member?: string;
  /** Another number than that of the settings. */
  readonly maxRetries?: number | undefined;
  /** Called when a part of the response has come. */
  readonly progress?: () => void;
  /** How long the service may take on purpose, in milliseconds. */
  readonly waits?: number;
}

/** A longer `Retry-After` is the caller's affair. */
const MAX_PAUSE_MS = 30_000;

const PASSING = [408, 429, 502, 503, 504];

/** Whether the same call may succeed a little later. */
export const isPassing = ({ status, code }: TasksError) =>
  PASSING.includes(status) || code === "network";

export class Transport {
  readonly url: string;
  readonly tokens: TokenCache;
  readonly #fetch: typeof fetch;
  readonly #maxRetries: number;
  readonly #timeout: number;

  constructor({ url, auth, fetch, maxRetries = 4, timeout = 30_000 }: Settings) {
    this.url = url.replace(/\/+$/, "");
    this.tokens = new TokenCache(auth, timeout);
    this.#fetch = fetch ?? ((...request) => globalThis.fetch(...request));
    this.#maxRetries = maxRetries;
    this.#timeout = timeout;
  }

  /** Whose token it is that calls are sent with. */
  async user({ signal }: CallOptions = {}): Promise<string> {
    return (await unlessAborted(signal, this.tokens.current())).user;
  }

  /**
   * What the service says, as JSON; undefined for 204.
   *
   * @throws TasksError, or the signal's reason.
   */
  async send<T>(call: Call): Promise<T> {
    let { user } = call;
    let isLost = false;
    for (let repetition = 0; ; repetition += 1) {
      try {
        user ??= await this.user(call);
        return (await this.#attempt({ ...call, user })) as T;
      } catch (error) {
        if (!(error instanceof TasksError)) throw error;
        // The deletion has taken effect, and the response to it was lost.
        if (isLost && call.method === "DELETE" && error.code === "task_not_found") {
          return undefined as T;
        }
        isLost ||= ![408, 429].includes(error.status);
        const milliseconds = pauseAfter(error, repetition);
        if (repetition >= (call.maxRetries ?? this.#maxRetries) || milliseconds === null)
          throw error;
        await pause(milliseconds, call.signal);
      }
    }
  }

  async #attempt(call: Call & { user: string }): Promise<unknown> {
    // What was under way when the network came back has mostly no connection any more.
    const deadline = new Deadline(call.signal, ["online"]);
    deadline.extend(this.#timeout + (call.waits ?? 0));
    const progress = () => deadline.extend(this.#timeout);
    try {
      const response = await this.open({ ...call, signal: deadline.signal });
      return await bodyOf(response, { ...call, progress });
    } catch (error) {
      call.signal?.throwIfAborted();
      throw deadline.signal.aborted ? networkError(deadline.signal.reason) : error;
    } finally {
      deadline.release();
    }
  }

  /**
   * Sends a call once, and again with a new token if its token is refused.
   *
   * @throws TasksError; or the signal's reason.
   */
  async open(call: Call): Promise<Response> {
    const credentials = await unlessAborted(call.signal, this.tokens.current());
    const response = await this.#fetchWith(credentials, call);
    if (response.status !== 401) return good(response);
    await response.body?.cancel();
    const other = await unlessAborted(call.signal, this.tokens.after(credentials));
    return good(await this.#fetchWith(other, call));
  }

  async #fetchWith(credentials: Credentials, call: Call): Promise<Response> {
    if (call.user !== undefined && call.user !== credentials.user) {
      throw signedOut("Somebody else is signed in.");
    }
    const url = `${this.url}${pathOf(credentials.user, call)}`;
    const request = requestOf(credentials.token, call);
    const send = this.#fetch; // a browser's own does not work as a method
    try {
      return await send(url, request);
    } catch (cause) {
      call.signal?.throwIfAborted();
      throw networkError(cause);
    }
  }
}

function pathOf(user: string, { path, query = {} }: Call): string {
  const search = new URLSearchParams(query).toString();
  return `/api/${encodeURIComponent(user)}/tasks${path}${search && `?${search}`}`;
}

function requestOf(token: string, { method, headers, json, signal }: Call): RequestInit {
  return {
    method,
    headers: new Headers({
      Accept: "application/json, application/problem+json",
      Authorization: `Bearer ${token}`,
      ...(json && { "Content-Type": "application/json" }),
      ...headers,
    }),
    redirect: "manual", // a redirected POST would arrive as a GET
    body: json ? JSON.stringify(json) : null,
    signal: signal ?? null,
  };
}

async function good(response: Response): Promise<Response> {
  if (response.ok) return response;
  throw errorOf(response, parsed(await textOf(response)));
}

/** What a response says: JSON with the member that it must have, or nothing where it must not. */
async function bodyOf(response: Response, { member, progress }: Call): Promise<unknown> {
  if (member === undefined && response.status === 204) return undefined;
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
  if (member === undefined || !isJson) throw foreignResponse(response);
  const body = parsed(await textOf(response, progress));
  if (has(member, body)) return body;
  // JSON that is none was cut, by a proxy that does not tell so.
  throw body === undefined ? networkError("it was cut") : foreignResponse(response);
}

/** Milliseconds until the next attempt; null for none. */
function pauseAfter(error: TasksError, repetition: number): number | null {
  const asked = (error.retryAfter ?? 0) * 1000;
  if (!isPassing(error) || asked > MAX_PAUSE_MS) return null;
  return asked + jittered(Math.min(500 * 2 ** repetition, 10_000));
}
