// Prints what is to be done. AUTH_URL, TASKS_URL and API_KEY are in the environment.

const { AUTH_URL, TASKS_URL, API_KEY } = process.env;

async function get(url, headers) {
  const response = await fetch(url, { headers });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

const { token } = await get(`${AUTH_URL}/api/auth/token`, { "x-api-key": API_KEY });
const { sub } = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
const path = `/api/${encodeURIComponent(sub)}/tasks?is_completed=false`;
const { tasks } = await get(TASKS_URL + path, { Authorization: `Bearer ${token}` });
for (const task of tasks) console.log(task.title);
