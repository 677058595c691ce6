/** The API's types by short names. They come from `openapi.json`, through wire.ts. */

import type { components } from "./wire.js";

type Schemas = components["schemas"];

/** A task. `updated_at` is its version: it is later after every change. */
export type Task = Schemas["Task"];

/** What a person writes of a task. */
export type Fields = Pick<Task, keyof Changes>;

/** What a create takes. */
export type NewTask = Schemas["TaskCreate"];

/** A merge patch: members that are left out stay; `description: null` clears it. */
export type Changes = Schemas["TaskPatch"];

/** A task as it was read, which has a version; or an id, which has none. */
export type TaskOrId = Task | number;

/** One page of a list. */
export type TaskPage = Schemas["TaskList"];

type Times = "created_since" | "created_before" | "updated_since" | "updated_before";
type WireQuery = Omit<Schemas["ListQuery"], "cursor" | "offset">;

/** Filters, order and page length of a list, as the API names them. Null is as if left out. */
export type ListQuery = {
  readonly [Name in keyof WireQuery]?:
    | WireQuery[Name]
    | (Name extends Times ? Date : never)
    | null
    | undefined;
};

/** A task that was changed, in its present state, or that was deleted (`task: null`). */
export type Change = Schemas["Change"];

/** One page of the feed of changes; `next` is `since` of the page behind it. */
export type ChangePage = Schemas["ChangeList"];

/** One operation of a batch. */
export type Operation = Schemas["BatchOperation"];

/** What became of an operation. */
export type Result = Schemas["BatchResult"];

/** Options of every call. */
export interface CallOptions {
  /** Ends the call, its waiting included, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** The user whose call this is: with a token of another one nothing is sent (`signed_out`). */
  readonly user?: string | undefined;
}
