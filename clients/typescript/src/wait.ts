/** Waiting that a signal ends at once. */

/** Resolves after a time. Rejects with the signal's reason. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return orAbort(signal, (resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    return () => clearTimeout(timer);
  });
}

/** What a promise gives, unless the signal comes first. The work behind the promise goes on. */
export function unlessAborted<T>(signal: AbortSignal | undefined, work: Promise<T>): Promise<T> {
  return orAbort(signal, (resolve, reject) => {
    work.then(resolve, reject);
    return () => {};
  });
}

function orAbort<T>(
  signal: AbortSignal | undefined,
  start: (resolve: (value: T) => void, reject: (reason: unknown) => void) => () => void,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const aborted = () => {
      stop();
      reject(signal?.reason);
    };
    const leave = () => signal?.removeEventListener("abort", aborted);
    const stop = start(
      (value) => {
        leave();
        resolve(value);
      },
      (reason) => {
        leave();
        reject(reason);
      },
    );
    if (signal?.aborted) aborted();
    else signal?.addEventListener("abort", aborted);
  });
}

/** Between half of it and all of it, so that clients do not come back in step. */
export function jittered(milliseconds: number): number {
  return milliseconds * (0.5 + Math.random() / 2);
}

/** A signal that follows another one, and can be aborted by itself. `release` it at the end. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(outer?: AbortSignal) {
    this.#outer = outer;
    if (outer?.aborted) this.#follow();
    outer?.addEventListener("abort", this.#follow);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  readonly #follow = () => this.#controller.abort(this.#outer?.reason);

  /** Aborts in so many milliseconds from now, and not when it would have before. */
  extend(milliseconds: number): void {
    this.hold();
    const reason = () => new DOMException(`Nothing came for ${milliseconds} ms.`, "TimeoutError");
    this.#timer = setTimeout(() => this.#controller.abort(reason()), milliseconds);
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
    this.#outer?.removeEventListener("abort", this.#follow);
  }
}
