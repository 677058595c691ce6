import { ServerResponse } from "node:http";
import react from "@vitejs/plugin-react";
import { type Connect, defineConfig, type Plugin, type ProxyOptions } from "vite";

/** Better Auth answers under /api/auth, in the server of the page. */
function betterAuth(): Plugin {
  const mount = async (middlewares: Connect.Server) => {
    const { authHandler } = await import("./server/auth.ts");
    const handle = await authHandler();
    middlewares.use((request, response, next) => {
      if (request.url?.startsWith("/api/auth/")) handle(request, response).catch(next);
      else next();
    });
  };
  return {
    name: "better-auth",
    configureServer: (server) => mount(server.middlewares),
    configurePreviewServer: (server) => mount(server.middlewares),
  };
}

/** The rest of /api is the service's. One origin, so no preflight and no CORS at all. */
const service: ProxyOptions = {
  target: process.env.TASKAPI_URL ?? "http://127.0.0.1:8000",
  configure: (proxy) => {
    // Vite answers 500 for a service that is down, which would look like a bug of the service.
    proxy.on("error", (_error, _request, response) => {
      if (response instanceof ServerResponse && !response.headersSent) {
        response.writeHead(502, { "Retry-After": "1" }).end();
      }
    });
  },
};

const server = {
  host: "127.0.0.1",
  port: Number(process.env.PORT ?? 5173),
  strictPort: true, // Better Auth signs with the page's origin, which must not change.
  proxy: { "/api": service },
};

export default defineConfig({
  plugins: [react(), betterAuth()],
  server: { ...server, watch: { ignored: ["**/.taskapi/**"] } },
  preview: server,
});
