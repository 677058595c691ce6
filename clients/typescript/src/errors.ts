/** What a call rejects with. */

import type { Task } from "./types.js";
import type { components } from "./wire.js";

type Problem = components["schemas"]["Problem"] & { readonly current?: Task };

/** The API's codes, and four of this client. A later version of the API may send others. */
export type ErrorCode =
  | components["schemas"]["ErrorCode"]
  /** No response came, or only a part of it. */
  | "network"
  /** Nobody is signed in, or somebody else than when the call began. Nothing was sent. */
  | "signed_out"
  /** Something in between has answered, such as a proxy with HTML. */
  | "not_a_response_of_the_api"
  /** The browser has stored nothing: no room, a private window, or a database of a newer page. */
  | "storage";

/** What an error is made of. */
export interface ErrorParts {
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly fieldErrors?: Record<string, string>;
  readonly requestId?: string | null;
  readonly retryAfter?: number | null;
  readonly current?: Task | null;
  readonly cause?: unknown;
}

/** A call that failed. */
export class TasksError extends Error {
  override readonly name: string = "TasksError";
  /** The HTTP status; 0 where there is no response. */
  declare readonly status: number;
  /** For programs. */
  declare readonly code: ErrorCode;
  /** A sentence for people. */
  declare readonly detail: string;
  /** Of 422: what is wrong, by the name of the field. */
  declare readonly fieldErrors: Record<string, string>;
  /** By which the service's log knows the request. */
  declare readonly requestId: string | null;
  /** Seconds after which another attempt makes sense. */
  declare readonly retryAfter: number | null;
  /** Of 412: the task as it is now. */
  declare readonly current: Task | null;

  constructor({ cause, ...parts }: ErrorParts) {
    super(parts.detail, { cause });
    const nothing = { fieldErrors: {}, requestId: null, retryAfter: null, current: null };
    Object.assign(this, nothing, parts);
  }
}

/** No response, for this reason. */
export function networkError(cause: unknown): TasksError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TasksError({ status: 0, code: "network", detail: `No response: ${reason}`, cause });
}

/** There is no token, or not the one of this user. */
export function signedOut(detail: string): TasksError {
  return new TasksError({ status: 0, code: "signed_out", detail });
}

/** A response that something else than the API has sent. */
export function foreignResponse({ status, headers }: Response): TasksError {
  const detail = `Something else than the API has answered (${status}).`;
  const code = "not_a_response_of_the_api";
  return new TasksError({ status, code, detail, retryAfter: secondsOf(headers) });
}

/** The error that a response is, given its body. */
export function errorOf(response: Response, body: unknown): TasksError {
  if (!isProblem(body)) return foreignResponse(response);
  return new TasksError({
    status: response.status,
    code: body.code,
    detail: body.detail,
    fieldErrors: fieldErrorsOf(body),
    requestId: body.request_id,
    retryAfter: secondsOf(response.headers),
    current: body.current ?? null,
  });
}

function isProblem(body: unknown): body is Problem {
  const { code, detail, request_id } = (body ?? {}) as Record<string, unknown>;
  return [code, detail, request_id].every((each) => typeof each === "string");
}

/** `loc` is `["body", "title"]`, and in a batch `["body", "operations", 0, …, "title"]`. */
function fieldErrorsOf({ errors }: Problem): Record<string, string> {
  const named = (errors ?? []).map(({ loc, msg }) => [loc.slice(1).join("."), msg] as const);
  return Object.fromEntries(named.reverse()); // of several the first stays
}

/** `Retry-After` (RFC 9110, 10.2.3): seconds, or a time, which the clock of the sender has told. */
function secondsOf(headers: Headers): number | null {
  const text = headers.get("Retry-After") ?? "";
  const seconds = (Date.parse(text) - Date.parse(headers.get("Date") ?? "")) / 1000;
  return Number(text) || (seconds > 0 ? seconds : null);
}
