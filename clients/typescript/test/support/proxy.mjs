// A network between a client and the service, which has a fault when a test says so.
import http from "node:http";

const HTML = "<html><body><h1>Not the API</h1></body></html>";

/** Answers by itself, as a proxy whose service is away. */
export const html =
  (status, headers = {}) =>
  (_request, response) => {
    response.writeHead(status, { "Content-Type": "text/html", ...headers }).end(HTML);
  };

/** Cuts the connection before the service has the request. */
export const refuse = (request) => request.socket.destroy();

/** Answers never. */
export const hang = () => {};

/** Cuts the connection when the service has executed the request, and its answer is here. */
export const lose = async (request, _response, target) => {
  await (await forwarded(request, target)).toArray();
  request.socket.destroy();
};

/** Lets so many bytes of the answer pass, and cuts the connection. */
export const cutAfter = (bytes) => async (request, response, target) => {
  const answer = await forwarded(request, target);
  response.writeHead(answer.statusCode, answer.headers);
  response.flushHeaders();
  let left = bytes;
  for await (const part of answer) {
    response.write(part.subarray(0, left));
    left -= part.length;
    if (left <= 0) break;
  }
  setImmediate(() => request.socket.destroy());
};

/** Answers with JSON of its own. */
export const json = (body) => (_request, response) => {
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(body));
};

/** Lets half of the answer pass, as if that were all. */
export const halve = async (request, response, target) => {
  const answer = await forwarded(request, target);
  const body = Buffer.concat(await answer.toArray());
  const { "content-length": _, ...headers } = answer.headers;
  response.writeHead(answer.statusCode, headers).end(body.subarray(0, body.length / 2));
};

/** Lets the answer pass in four parts, with a pause before each. */
export const trickle = (pause) => async (request, response, target) => {
  const answer = await forwarded(request, target);
  const body = Buffer.concat(await answer.toArray());
  response.writeHead(answer.statusCode, answer.headers);
  for (let part = 0; part < 4; part += 1) {
    await new Promise((done) => setTimeout(done, pause));
    response.write(body.subarray((part * body.length) / 4, ((part + 1) * body.length) / 4));
  }
  response.end();
};

/** Keeps the answer back until it is complete, as a proxy with a buffer does. */
export const buffer = async (request, response, target) => {
  const answer = await forwarded(request, target, response);
  const parts = await answer.toArray();
  response.writeHead(answer.statusCode, answer.headers).end(Buffer.concat(parts));
};

/** Passes everything. */
export const pass = async (request, response, target) => {
  const answer = await forwarded(request, target, response);
  response.writeHead(answer.statusCode, answer.headers);
  response.flushHeaders();
  answer.on("error", () => request.socket.destroy()).pipe(response);
};

/** Passes everything until the function says so, and then nothing, without a word. */
export const silentWhen = (isSilent) => async (request, response, target) => {
  const answer = await forwarded(request, target, response);
  response.writeHead(answer.statusCode, answer.headers);
  response.flushHeaders();
  for await (const part of answer) if (!isSilent()) response.write(part);
};

export function forwarded(request, target, response) {
  return new Promise((resolve, reject) => {
    const { method, url, headers } = request;
    const forward = http.request(target + url, { method, headers, agent: false }, resolve);
    forward.on("error", reject);
    response?.on("close", () => forward.destroy());
    request.pipe(forward);
  });
}

/** Starts a proxy. `faults` are used up one by one; `usual` is what happens otherwise. */
export async function startProxy(target, test) {
  const proxy = { seen: [], faults: [], usual: pass };
  const server = http.createServer((request, response) => {
    const { method, url, headers } = request;
    proxy.seen.push({ method, url, headers, at: performance.now() });
    const behave = proxy.faults.shift() ?? proxy.usual;
    Promise.resolve(behave(request, response, target)).catch(() => request.socket.destroy());
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  proxy.cut = () => server.closeAllConnections();
  test.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return proxy;
}
