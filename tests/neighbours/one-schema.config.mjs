export default {
  dialect: "postgresql",
  schema: "./schema.mjs",
  tablesFilter: ["!tasks", "!task_keys", "!kept_answers", "!user_clocks", "!tombstones", "!taskapi_version"],
  dbCredentials: { url: process.env.DATABASE_URL },
};
