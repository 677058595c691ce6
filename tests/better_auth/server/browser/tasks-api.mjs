const EARLY = 60_000; // milliseconds before its expiry at which a token is replaced

/** An error response of the API; `code` is for programs, the message for people. */
export class TasksApiError extends Error {
  constructor(status, { detail, code, request_id: requestId }) {
    super(typeof detail === "string" ? detail : "The request breaks a rule.");
    Object.assign(this, { status, code, detail, requestId });
  }
}

/** The tasks of the signed-in user. `url` is the origin of the API. */
export function createTasksApi({ authClient, url }) {
  let kept = { until: 0 };

  /** Token and user. Concurrent calls wait for the same fetch. */
  function credentials() {
    if (Date.now() >= kept.until) {
      const fetched = (kept = { until: Infinity });
      fetched.credentials = fetchCredentials().then(
        ({ lifetime, ...credentials }) => {
          fetched.until = Date.now() + lifetime - EARLY;
          return credentials;
        },
        (error) => {
          fetched.until = 0;
          throw error;
        },
      );
    }
    return kept.credentials;
  }

  async function fetchCredentials() {
    const { data, error } = await authClient.token();
    if (error) {
      throw new TasksApiError(error.status, { detail: "No token: sign in.", code: "signed_out" });
    }
    const { sub, iat, exp } = claimsOf(data.token);
    // A duration, because the clock of this machine may be wrong.
    return { token: data.token, user: sub, lifetime: (exp - iat) * 1000 };
  }

  /** Call it on sign-out. Otherwise the next user's requests carry the last user's token. */
  function forget() {
    kept = { until: 0 };
  }

  async function call(method, path, body) {
    const used = await credentials();
    let response = await send(used, method, path, body);
    if (response.status === 401) {
      // A request that gets 401 has no effect, so it is safe to retry it once with a new token.
      if ((await credentials()) === used) forget();
      response = await send(await credentials(), method, path, body);
    }
    const result = response.status === 204 ? null : await response.json();
    if (!response.ok) throw new TasksApiError(response.status, result);
    return result;
  }

  function send({ token, user }, method, path, body) {
    const headers = { Authorization: `Bearer ${token}` };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    return fetch(`${url}/api/${encodeURIComponent(user)}/tasks${path}`, {
      method,
      headers,
      body: JSON.stringify(body),
    });
  }

  return {
    forget,
    list: (query = {}) => call("GET", `?${new URLSearchParams(query)}`),
    create: (title, description = "") => call("POST", "", { title, description }),
    get: (id) => call("GET", `/${id}`),
    update: (id, changes) => call("PUT", `/${id}`, changes),
    toggle: (id) => call("PATCH", `/${id}/complete`),
    complete: (id) => call("PATCH", `/${id}/complete`, { is_completed: true }),
    remove: (id) => call("DELETE", `/${id}`),
  };
}

/** The claims of a token. `atob` does not decode UTF-8, so the user's name may be garbled. */
function claimsOf(token) {
  return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
}
