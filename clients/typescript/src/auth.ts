/** Tokens: one for calls that start together, renewed before it expires. */

import { networkError, signedOut, TasksError } from "./errors.js";
import { Deadline, unlessAborted } from "./wait.js";

/** Where tokens come from. */
export interface Auth {
  /**
   * A JWT of whoever is signed in; null if nobody is.
   *
   * @param refused - the service has refused the token that this gave before: give another one.
   */
  token(refused?: boolean): Promise<string | null>;
}

/** What is needed of Better Auth's client with `jwtClient()`. */
export interface BetterAuthClient {
  token(): Promise<{
    readonly data: { readonly token: string } | null;
    readonly error: { readonly status: number; readonly message?: string | undefined } | null;
  }>;
}

/** The tokens of Better Auth. */
export function fromBetterAuth(authClient: BetterAuthClient): Auth {
  return {
    async token() {
      const { data, error } = await authClient.token();
      if (error === null) return data?.token ?? null;
      if (error.status === 401) return null;
      throw new Error(`the auth server has answered ${error.status} ${error.message ?? ""}`.trim());
    },
  };
}

/** A token, and what it says. */
export interface Credentials {
  readonly token: string;
  /** Its `sub`. */
  readonly user: string;
  /** In milliseconds. */
  readonly lifetime: number;
}

/** A token is replaced so long before it expires, or at half of its life if that is later. */
const EARLY = 60_000;

interface Cached {
  readonly credentials: Promise<Credentials>;
  /** On `performance.now()`: until when new calls get it. */
  until: number;
}

/** Keeps a token as long as it is good. */
export class TokenCache {
  readonly #auth: Auth;
  readonly #timeout: number;
  #cached: Cached | undefined;

  /** @param timeout - milliseconds that the auth server may take. */
  constructor(auth: Auth, timeout: number) {
    this.#auth = auth;
    this.#timeout = timeout;
  }

  /** The token for a call that starts now. */
  current(): Promise<Credentials> {
    const cached = this.#cached;
    return cached && performance.now() < cached.until ? cached.credentials : this.#fetch(false);
  }

  /** Another token than this one, which was refused or has expired. */
  async after(refused: Credentials): Promise<Credentials> {
    const cached = this.#cached;
    const known = await cached?.credentials.catch(() => refused);
    // Of several calls that were refused with the same token, the first one fetches another.
    return known === refused && cached === this.#cached ? this.#fetch(true) : this.current();
  }

  /** Forgets the token: the next call asks who is signed in. */
  forget(): void {
    this.#cached = undefined;
  }

  #fetch(refused: boolean): Promise<Credentials> {
    const begun = performance.now();
    const credentials = this.#read(refused);
    const cached = { credentials, until: Number.POSITIVE_INFINITY };
    this.#cached = cached;
    credentials.then(
      ({ lifetime }) => {
        cached.until = begun + Math.max(lifetime - EARLY, lifetime / 2);
      },
      () => {
        cached.until = 0;
      },
    );
    return credentials;
  }

  async #read(refused: boolean): Promise<Credentials> {
    const deadline = new Deadline();
    deadline.extend(this.#timeout);
    try {
      return read(await unlessAborted(deadline.signal, this.#auth.token(refused)));
    } catch (cause) {
      throw cause instanceof TasksError ? cause : networkError(cause);
    } finally {
      deadline.release();
    }
  }
}

/** What a token says. Its length counts, not its times, because this machine's clock may be wrong. */
function read(token: string | null | undefined): Credentials {
  if (!token) throw signedOut("Nobody is signed in.");
  const { sub, iat, exp } = claimsOf(token);
  const lifetime = (Number(exp) - Number(iat)) * 1000 || Number.POSITIVE_INFINITY;
  if (sub && typeof sub === "string") return { token, user: sub, lifetime };
  const detail = "auth.token() has given no JWT of a user (sub).";
  throw new TasksError({ status: 0, code: "invalid_token", detail });
}

/** None, if it is no JWT. */
function claimsOf(token: string): Record<string, unknown> {
  try {
    const payload = token.split(".")[1]?.replaceAll("-", "+").replaceAll("_", "/") ?? "";
    const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
    return { ...JSON.parse(new TextDecoder().decode(bytes)) };
  } catch {
    return {};
  }
}
