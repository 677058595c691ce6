// hey-api's client, with zod for every request and response: what the document says is so.
import { client } from "./hey-api/client.gen.js";
import * as taskapi from "./hey-api/index.js";

declare const process: { env: Record<string, string> };

client.setConfig({
  baseUrl: process.env["TASKAPI_URL"]!,
  auth: process.env["TASKAPI_TOKEN"]!,
});
const path = { user_id: Number(process.env["TASKAPI_USER"]) };

const made = await taskapi.createTask({ path, body: { title: "Buy milk" } });
if (made.data === undefined) throw made.error;
const one = { ...path, task_id: made.data.id };
console.log("create", made.response?.status, made.data.title);

const both = { title: "Buy oat milk", description: "Two litres" };
const put = await taskapi.updateTask({ path: one, body: both });
console.log("update", put.data?.title, put.data?.description);

const query = { is_completed: false, q: "milk", sort: "title" } as const;
console.log("list", (await taskapi.listTasks({ path, query })).data?.total);

const headers = { "If-Match": '"63f4a1c2b7d40"' };
const batch = await taskapi.batchTasks({
  path,
  body: {
    atomic: false,
    operations: [
      { op: "create", title: "Buy tea" },
      { op: "delete", id: one.task_id, version: headers["If-Match"] },
    ],
  },
});
console.log("batch", batch.data?.results.map((result) => result.status));

const conflict = await taskapi.updateTask({ path: one, headers, body: both });
console.log("conflict", conflict.error && "code" in conflict.error && conflict.error.code);

const blank = await taskapi.createTask({ path, body: { title: " \u00a0\u0085\u3000" } });
const { issues } = blank.error as unknown as { issues: { path: string[] }[] };
console.log(`refused by zod: ${issues.map((issue) => issue.path)}`);

console.log("changes", (await taskapi.listChanges({ path })).data?.changes.length);

const listening = new AbortController();
const { stream } = await taskapi.streamEvents({ path, signal: listening.signal });
for await (const data of stream) {
  console.log("ready", typeof (data as { next: string }).next === "string");
  break;
}
listening.abort();
