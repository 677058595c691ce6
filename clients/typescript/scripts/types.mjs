// Writes src/wire.ts, or the file that is named: the types of openapi.json that this client uses.
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const USED = [
  "BatchOperation",
  "BatchResult",
  "ChangeList",
  "ErrorCode",
  "Problem",
  "Task",
  "TaskCreate",
  "TaskList",
  "TaskPatch",
];

const document = JSON.parse(await readFile(new URL("../../../openapi.json", import.meta.url)));
const { schemas, parameters } = document.components;

/** The names of schemas that these refer to, theirs included. */
function needed(names, found = new Set()) {
  for (const name of names.filter((each) => !found.has(each))) {
    found.add(name);
    const text = JSON.stringify(schemas[name]);
    needed(
      [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map((match) => match[1]),
      found,
    );
  }
  return found;
}

/** The query of the list, as one schema. */
function listQuery() {
  const given = document.paths["/api/{user_id}/tasks"].get.parameters;
  const resolved = given.map((each) =>
    each.$ref ? parameters[each.$ref.split("/").at(-1)] : each,
  );
  const queries = resolved.filter((each) => each.in === "query");
  const property = ({ name, description, schema }) => [name, { description, ...schema }];
  return { type: "object", properties: Object.fromEntries(queries.map(property)) };
}

/** Without examples, which are two fifths of the text. */
const plain = (name, value) => (["example", "examples"].includes(name) ? undefined : value);

const used = [...needed(USED)].sort().map((name) => [name, schemas[name]]);
const reduced = {
  openapi: document.openapi,
  info: document.info,
  paths: {},
  components: { schemas: { ...Object.fromEntries(used), ListQuery: listQuery() } },
};
// With USER_ID_TYPE=text it is a text.
reduced.components.schemas.Task.properties.user_id.type = ["integer", "string"];

const described = JSON.parse(JSON.stringify(reduced, plain));
const types = await openapiTS(described, { defaultNonNullable: false, immutable: true });
const head = "// Made of openapi.json by `npm run types`: change nothing here.\n\n";
const file = process.argv[2] ?? new URL("../src/wire.ts", import.meta.url);
await writeFile(file, head + astToString(types));
