// What an application does with openapi-typescript's types and openapi-fetch, in strict TypeScript.
import createClient from "openapi-fetch";
import type { components, paths } from "./taskapi.js";

declare const process: { env: Record<string, string> };

type ErrorCode = components["schemas"]["ErrorCode"];

const path = { user_id: Number(process.env["TASKAPI_USER"]) };
const { GET, POST, PUT, PATCH, DELETE } = createClient<paths>({
  baseUrl: process.env["TASKAPI_URL"],
  headers: { Authorization: `Bearer ${process.env["TASKAPI_TOKEN"]}` },
});

function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the answer is an error");
  return value;
}

// Only the title is required.
const made = await POST("/api/{user_id}/tasks", {
  params: { path, header: { "Idempotency-Key": "buy-milk" } },
  body: { title: "Buy milk" },
});
const task = given(made.data);
const stale = given(made.response.headers.get("ETag") ?? undefined);
const one = { ...path, task_id: task.id };
console.log("create", made.response.status, task.title, task.is_completed);

const query = { is_completed: false, q: "milk", sort: "-updated_at", limit: 10 } as const;
const page = given((await GET("/api/{user_id}/tasks", { params: { path, query } })).data);
console.log("list", page.total, page.tasks.map((each) => each.title), page.next_cursor);

const read = given((await GET("/api/{user_id}/tasks/{task_id}", { params: { path: one } })).data);
console.log("get", read.id === task.id, read.created_at === task.created_at);

const both = { title: "Buy oat milk", description: "Two litres" };
const put = await PUT("/api/{user_id}/tasks/{task_id}", { params: { path: one }, body: both });
console.log("update", given(put.data).title, given(put.data).description);

const cleared = await PATCH("/api/{user_id}/tasks/{task_id}", {
  params: { path: one },
  body: { description: null },
});
console.log("patch", JSON.stringify(given(cleared.data).description));

const complete = "/api/{user_id}/tasks/{task_id}/complete";
const set = await PATCH(complete, { params: { path: one }, body: { is_completed: true } });
const toggled = await PATCH(complete, { params: { path: one } });
console.log("complete", given(set.data).is_completed, given(toggled.data).is_completed);

const batch = await POST("/api/{user_id}/tasks/batch", {
  params: { path },
  body: {
    atomic: false,
    operations: [
      { op: "create", key: "tea", title: "Buy tea" },
      { op: "update", key: "tea", description: "Green" },
      { op: "complete", id: task.id, is_completed: true },
      { op: "delete", id: task.id, version: stale },
      { op: "delete", key: "tea" },
    ],
  },
});
for (const { status, task, code, current } of given(batch.data).results) {
  if (code) console.log("batch", code, current?.title);
  else console.log("batch", status, task?.title ?? null);
}

const conflict = await PUT("/api/{user_id}/tasks/{task_id}", {
  params: { path: one, header: { "If-Match": stale } },
  body: both,
});
if (conflict.error && "current" in conflict.error) {
  const { code, current } = conflict.error;
  console.log("conflict", conflict.response.status, code satisfies ErrorCode, current.title);
}

const empty = await POST("/api/{user_id}/tasks", { params: { path }, body: { title: "" } });
const broken = given(empty.error);
const rules = Array.isArray(broken.detail) ? broken.detail.map((rule) => rule.loc.at(-1)) : [];
console.log("refusal", empty.response.status, broken.code, rules);
// @ts-expect-error - no error has this code: the enumeration is complete
const unknown: ErrorCode = "no_such_code";

const { changes } = given((await GET("/api/{user_id}/tasks/changes", { params: { path } })).data);
console.log("changes", changes.map((change) => change.task?.title ?? change.key));

const gone = await DELETE("/api/{user_id}/tasks/{task_id}", { params: { path: one } });
const missing = await GET("/api/{user_id}/tasks/{task_id}", { params: { path: one } });
console.log("delete", gone.response.status, missing.error?.code);
