/** Waiting that a signal ends at once. */

/** Where a browser tells its events. Node, and React Native, have none. */
const page: Partial<Pick<Window, "addEventListener" | "removeEventListener">> = globalThis;

/** Resolves after a time, or when the network comes back. Rejects with the signal's reason. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  let end = () => {};
  const rested = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    const wake = () => resolve();
    page.addEventListener?.("online", wake);
    end = () => {
      clearTimeout(timer);
      page.removeEventListener?.("online", wake);
    };
  });
  await unlessAborted(signal, rested).finally(end);
}

/** What a promise gives, unless the signal comes first. The work behind the promise goes on. */
export function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const aborted = () => reject(signal?.reason);
    const leave = () => signal?.removeEventListener("abort", aborted);
    signal?.addEventListener("abort", aborted);
    if (signal?.aborted) aborted();
    work.then(resolve, reject).finally(leave);
  });
}

/** Between half of it and all of it, so that clients do not come back in step. */
export function jittered(milliseconds: number): number {
  return milliseconds * (0.5 + Math.random() / 2);
}

/** A signal that follows another one, and can be aborted by itself. `release` it at the end. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;
  readonly #released = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param events - of the page, at which it is aborted too. */
  constructor(outer?: AbortSignal, events: readonly string[] = []) {
    const options = { signal: this.#released.signal };
    const follow = () => this.abort(outer?.reason);
    if (outer?.aborted) follow();
    outer?.addEventListener("abort", follow, options);
    for (const event of events) page.addEventListener?.(event, () => this.abort(), options);
  }

  /** Aborts in so many milliseconds from now, and not when it would have before. */
  extend(milliseconds: number): void {
    this.hold();
    const reason = new Error(`Nothing came for ${milliseconds} ms.`);
    this.#timer = setTimeout(() => this.abort(reason), milliseconds);
  }

  /** Does not abort by itself before the next `extend`. */
  hold(): void {
    clearTimeout(this.#timer);
  }

  /** Aborts now. */
  abort(reason?: unknown): void {
    this.#controller.abort(reason);
  }

  /** Leaves nothing behind. */
  release(): void {
    this.hold();
    this.#released.abort();
  }
}
