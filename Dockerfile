# Meterline for a ClickHouse server. `docker run … ingest`, `… aggregate`, `… api`, `… migrate`: the argument is the verb.
# The embedded engine is most of the size and is not in it: `docker build --build-arg EMBEDDED=1 .` keeps it. Without it,
# and without CLICKHOUSE_URL, `start` has no store and ends with an error.
ARG NODE_IMAGE=node:20-bookworm-slim

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
ARG EMBEDDED=0
# Not --omit=optional: the binaries of esbuild (through tsx) and of lz4-napi are optional packages too, one for each platform.
# So all are installed, and of the optional ones only the engine goes. No package needs its install script. The last line
# fails the build, where a missing decoder would otherwise stop a partition at its first batch in lz4.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && if [ "$EMBEDDED" != 1 ]; then rm -rf node_modules/chdb node_modules/@chdb; fi \
 && node -e "require('lz4-napi')"

FROM ${NODE_IMAGE}
# In a container 127.0.0.1 is reached by nobody. 16 threads: Node's own 4 would be shared by files, look-ups of names and zlib.
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8080 \
    DATA_DIR=/data \
    UV_THREADPOOL_SIZE=16
# The code belongs to root and is only read; the one place the process writes to is /data. 0700: admin-token and master-key are in it.
RUN install -d -o 1000 -g 1000 -m 0700 /data
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY . .
# node, by number: a host that demands a user other than root cannot tell it from a name.
USER 1000:1000
# Loads every room without starting one, so that a room missing from .dockerignore fails the build.
RUN node --import tsx --input-type=module -e "await import('./service/run.ts')" && node bin/meterline.mjs --help >/dev/null
VOLUME /data
EXPOSE 8080
# Alive, not ready: a partition stopped by an incident is not mended by a restart. The image has no curl.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`, { signal: AbortSignal.timeout(4000) }).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# node itself is process 1 and gets SIGTERM; a shell or npm in between would not pass it on. Events live for one batch:
# a young generation of 64 MiB lets most of them die before they are copied.
ENTRYPOINT ["node", "--max-semi-space-size=64", "bin/meterline.mjs"]
CMD ["start"]
