/** Changes as they happen, for as long as somebody wants them. */

import { retry } from "./retry.js";
import { share } from "./share.js";
import { NOW } from "./stream.js";
import type { Transport } from "./transport.js";
import type { Change, ChangePage } from "./types.js";
import { Deadline } from "./wait.js";

/** `open`: in step. `offline`: it tries to be again. `closed`: it has ended. */
export type Status = "connecting" | "open" | "offline" | "closed";

/** What an application does with changes. */
export interface SubscribeOptions {
  /**
   * Where its copy stands; null, or left out, for no copy. `"now"` for an application that reads
   * lists by itself: `onResync` says when to read them, and `onChanges` what has changed since.
   */
  readonly since?: string | null | undefined;
  /** Applies changes. `next` belongs into storage together with them: it is `since` of next time. */
  onChanges(changes: readonly Change[], next: string): unknown;
  /** Drops the copy: everything there is comes anew. */
  onResync(): unknown;
  onStatus?(status: Status): unknown;
  /** Why it has ended: the account is deleted, nobody is signed in, or `onChanges` has failed. */
  onError?(error: unknown): unknown;
  readonly signal?: AbortSignal | undefined;
  /** Whose changes; of whoever is signed in if left out. Another one's token is `signed_out`. */
  readonly user?: string | undefined;
  /** Milliseconds after which a connection without a byte is given up; 45,000 if left out. */
  readonly silence?: number | undefined;
}

/** A running subscription. */
export interface Subscription {
  close(): void;
  /** Resolves when the last callback is done. Rejects with the error if there is no `onError`. */
  readonly done: Promise<void>;
}

/** Who follows the changes of a user. */
export interface Follower {
  readonly user: string;
  /** Its own position; null is the beginning. */
  readonly since: string | null;
  readonly silence: number;
  /** Takes the page that continues from its position. */
  apply(page: ChangePage): Promise<void>;
  /** Goes back to the beginning. */
  resync(): Promise<void>;
  /** Begins at this position, which is that of now. */
  begin(since: string): Promise<void>;
  status(status: Status): void;
}

/** Calls back with all changes there are, and then with each new one. */
export function subscribe(transport: Transport, options: SubscribeOptions): Subscription {
  const ending = new Deadline(options.signal);
  const done = run(transport, new Subscriber(options), ending.signal).finally(() =>
    ending.release(),
  );
  return { close: () => ending.abort(), done };
}

async function run(
  transport: Transport,
  subscriber: Subscriber,
  signal: AbortSignal,
): Promise<void> {
  try {
    await retry(subscriber, signal, async (attempt) => {
      subscriber.user ||= await transport.user({ signal: attempt });
      return true;
    });
    await share(transport, subscriber, signal);
  } catch (error) {
    if (!signal.aborted) subscriber.fail(error);
  } finally {
    subscriber.status("closed");
  }
}

/** The callbacks of an application, as a follower. */
class Subscriber implements Follower {
  user: string;
  since: string | null;
  readonly silence: number;
  readonly #options: SubscribeOptions;
  #status: Status | undefined;

  constructor(options: SubscribeOptions) {
    this.#options = options;
    this.user = options.user ?? "";
    this.since = options.since ?? null;
    this.silence = options.silence ?? 45_000;
    this.status("connecting");
  }

  async apply({ changes, next }: ChangePage): Promise<void> {
    if (next !== this.since) await this.#options.onChanges(changes, next);
    this.since = next;
  }

  async resync(): Promise<void> {
    if (this.#options.since === NOW) this.since = NOW;
    else {
      await this.#options.onResync();
      this.since = null;
    }
  }

  async begin(since: string): Promise<void> {
    this.since = since;
    await this.#options.onResync();
  }

  status(status: Status): void {
    if (status === this.#status) return;
    this.#status = status;
    this.#options.onStatus?.(status);
  }

  fail(error: unknown): void {
    if (!this.#options.onError) throw error;
    this.#options.onError(error);
  }
}
