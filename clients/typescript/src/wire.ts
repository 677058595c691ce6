// Made of openapi.json by `npm run types`: change nothing here.

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description Set the completion of the task with this id, or this key; toggle it if no state is given. */
        readonly BatchComplete: {
            /** Format: int64 */
            readonly id?: number;
            /** @description That it was created with, perhaps in this batch. */
            readonly key?: string;
            /** @description What `If-Match` is to a single request: an `etag`, several, or `*`. */
            readonly version?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            readonly op: "complete";
            readonly is_completed?: boolean;
        };
        /**
         * @description Create a task.
         *
         *     With a `key`, the same create again, however much later, gives this task and makes no second
         *     one: 200 where it made one before, and 410 where that has been deleted since.
         */
        readonly BatchCreate: {
            /** @description Trimmed of white space at both ends. */
            readonly title: string;
            /** @description `""` if it is left out. */
            readonly description?: string | null;
            /** @description `false` if it is left out. */
            readonly is_completed?: boolean;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            readonly op: "create";
            /** @description A name of yours for it. */
            readonly key?: string;
        };
        /** @description Delete the task with this id, or this key. */
        readonly BatchDelete: {
            /** Format: int64 */
            readonly id?: number;
            /** @description That it was created with, perhaps in this batch. */
            readonly key?: string;
            /** @description What `If-Match` is to a single request: an `etag`, several, or `*`. */
            readonly version?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            readonly op: "delete";
        };
        readonly BatchOperation: components["schemas"]["BatchCreate"] | components["schemas"]["BatchUpdate"] | components["schemas"]["BatchComplete"] | components["schemas"]["BatchDelete"];
        /**
         * @description What became of an operation: the status that it would have had alone, and the task.
         *
         *     A create with a `key` that made the task before is 200, and a deletion has no task. Where
         *     `atomic` is false, an operation that was not done has its error instead of the task; 410 also in
         *     a repetition with the same `Idempotency-Key`, if the task has been deleted since.
         */
        readonly BatchResult: {
            /** @enum {integer} */
            readonly status: 200 | 201 | 204 | 403 | 404 | 410 | 412;
            readonly task: components["schemas"]["Task"] | null;
            /** @description The `ETag` of the task, or of `current`. */
            readonly etag: string | null;
            readonly code?: components["schemas"]["ErrorCode"];
            readonly detail?: string;
            /** @description Of an error: for 412, the task as it is now. */
            readonly current?: components["schemas"]["Task"] | null;
        };
        /** @description Change the task with this id, or this key, by the rules of a merge patch. */
        readonly BatchUpdate: {
            /** @description Trimmed of white space at both ends. */
            readonly title?: string;
            /** @description Kept as sent. */
            readonly description?: string | null;
            readonly is_completed?: boolean;
            /** Format: int64 */
            readonly id?: number;
            /** @description That it was created with, perhaps in this batch. */
            readonly key?: string;
            /** @description What `If-Match` is to a single request: an `etag`, several, or `*`. */
            readonly version?: string;
            /**
             * @description discriminator enum property added by openapi-typescript
             * @enum {string}
             */
            readonly op: "update";
        };
        /** @description A task that was changed, in its present state, or one that was deleted. */
        readonly Change: {
            /** Format: int64 */
            readonly id: number;
            /** @description The client's own name of the task. */
            readonly key: string | null;
            readonly etag: string | null;
            /** @description null: it was deleted. */
            readonly task: components["schemas"]["Task"] | null;
        };
        /** @description A page of the feed, in the order of the changes. */
        readonly ChangeList: {
            readonly changes: readonly components["schemas"]["Change"][];
            /** @description `since` of the next page. */
            readonly next: string;
            readonly has_more: boolean;
        };
        /**
         * @description What went wrong, for programs. A later version may have more: then the status tells.
         * @enum {string}
         */
        readonly ErrorCode: "bad_request" | "body_too_large" | "concurrency_limited" | "database_unavailable" | "forbidden" | "headers_too_large" | "idempotency_key_reused" | "insufficient_scope" | "internal_error" | "invalid_token" | "keys_unavailable" | "method_not_allowed" | "not_authenticated" | "overloaded" | "quota_exceeded" | "rate_limited" | "request_timeout" | "resync_required" | "route_not_found" | "schema_outdated" | "task_deleted" | "task_not_found" | "timed_out" | "token_expired" | "too_many_listeners" | "too_many_refusals" | "too_many_transfers" | "unavailable" | "unsupported_media_type" | "user_not_found" | "validation_failed" | "version_mismatch";
        /** @description One broken rule of a request: where, which, and in words. */
        readonly ErrorItem: {
            /** @description Names of members, and positions in arrays from 0. */
            readonly loc: readonly unknown[];
            readonly msg: string;
            readonly type: string;
        };
        /** @description The same in the form of RFC 9457, for `Accept: application/problem+json`. */
        readonly Problem: {
            readonly type: string;
            readonly title: string;
            readonly status: number;
            readonly detail: string;
            readonly code: components["schemas"]["ErrorCode"];
            /** @description `null` if it is left out. */
            readonly errors?: readonly components["schemas"]["ErrorItem"][] | null;
            /** @description For 429, names of `RateLimit-Policy`. `null` if it is left out. */
            readonly "violated-policies"?: readonly string[] | null;
            readonly request_id: string;
        };
        /** @description A task. Times are RFC 3339 in UTC; `updated_at` is later after every change. */
        readonly Task: {
            /** Format: int64 */
            readonly id: number;
            readonly title: string;
            readonly description: string;
            readonly is_completed: boolean;
            /** Format: date-time */
            readonly created_at: string;
            /** Format: date-time */
            readonly updated_at: string;
            /** Format: int64 */
            readonly user_id: number | string;
        };
        /** @description A new task. Other members are ignored, so a task that was read can be sent back. */
        readonly TaskCreate: {
            /** @description Trimmed of white space at both ends. */
            readonly title: string;
            /** @description `""` if it is left out. */
            readonly description?: string | null;
            /** @description `false` if it is left out. */
            readonly is_completed?: boolean;
        };
        /** @description One page of a user's tasks, newest first unless asked otherwise. */
        readonly TaskList: {
            /**
             * Format: int64
             * @description All of them, not only this page.
             */
            readonly total: number;
            /** Format: int64 */
            readonly limit: number;
            /** Format: int64 */
            readonly offset: number;
            readonly has_more: boolean;
            readonly next_cursor: string | null;
            readonly tasks: readonly components["schemas"]["Task"][];
        };
        /** @description A merge patch (RFC 7396). Omitted members stay as they are; null clears a description. */
        readonly TaskPatch: {
            /** @description Trimmed of white space at both ends. */
            readonly title?: string;
            /** @description Kept as sent. */
            readonly description?: string | null;
            readonly is_completed?: boolean;
        };
        readonly ListQuery: {
            /**
             * @description The order, with a minus the other way round.
             * @default -created_at
             * @enum {string}
             */
            readonly sort?: "created_at" | "-created_at" | "updated_at" | "-updated_at" | "title" | "-title";
            /**
             * @description At most so many in a page.
             * @default 1000
             */
            readonly limit?: number;
            /**
             * Format: int64
             * @description So many are skipped.
             * @default 0
             */
            readonly offset?: number;
            /** @description `next_cursor` of the page before; not together with `offset`. */
            readonly cursor?: string;
            /** @description Only those done, or to be done. */
            readonly is_completed?: boolean;
            /** @description Text in title or description, in any case and spelling. No wildcards. */
            readonly q?: string;
            /**
             * Format: date-time
             * @description Created then or later.
             */
            readonly created_since?: string;
            /**
             * Format: date-time
             * @description Created earlier.
             */
            readonly created_before?: string;
            /**
             * Format: date-time
             * @description Changed then or later.
             */
            readonly updated_since?: string;
            /**
             * Format: date-time
             * @description Last changed earlier.
             */
            readonly updated_before?: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
