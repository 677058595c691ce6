// An agent of a user: the official client of npm, by a revision with a handshake and by one without.
// Prints, for each, the revision, the tools, and what became of a task.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";

const [address, token] = process.argv.slice(2);
const requestInit = { headers: { Authorization: `Bearer ${token}` } };

for (const mode of ["legacy", "auto"]) {
  const client = new Client({ name: "an-agent", version: "1" }, { versionNegotiation: { mode } });
  await client.connect(new StreamableHTTPClientTransport(new URL("/mcp", address), { requestInit }));
  const call = async (name, args) => (await client.callTool({ name, arguments: args })).structuredContent;
  const { tools } = await client.listTools();
  const [task] = (await call("add_tasks", { tasks: [{ title: "Buy milk" }] })).tasks;
  const [done] = (await call("complete_tasks", { ids: [task.id] })).tasks;
  const wrong = await client.callTool({ name: "get_tasks", arguments: { ids: [] } });
  const { total } = await call("find_tasks", { is_completed: true });
  await call("delete_tasks", { ids: [task.id] });
  console.log(
    JSON.stringify({
      revision: client.getNegotiatedProtocolVersion(),
      tools: tools.map((tool) => tool.name),
      task: [done.title, done.is_completed, total],
      wrong: wrong.isError,
    }),
  );
  await client.close();
}
