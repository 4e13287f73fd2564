# Meterline for a ClickHouse server. The argument is the command: `docker run … ingest`, `… aggregate`, `… api`, `… migrate`.
# The embedded engine, which is large, is left out unless you build with `docker build --build-arg EMBEDDED=1 .`. Without it
# and without CLICKHOUSE_URL, `start` has no store and ends with an error.
#
# The newest LTS. For production pin it by digest, which changes with every security update (docs/operating/README.md).
ARG NODE_IMAGE=node:24-bookworm-slim

FROM ${NODE_IMAGE} AS built
WORKDIR /app
COPY package.json package-lock.json ./
# No package needs its install script.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build

FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
ARG EMBEDDED=0
# The engine is a development dependency, which the stage above has in the version of the lock file. The last line fails the
# build if the lz4 decoder is missing, which would otherwise stop a partition at its first lz4 batch.
RUN --mount=type=bind,from=built,source=/app/node_modules,target=/built \
    npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
 && if [ "$EMBEDDED" = 1 ]; then cp -R /built/chdb /built/@chdb /built/node-addon-api /built/node-gyp-build node_modules/; fi \
 && node -e "require('lz4-napi')"

FROM ${NODE_IMAGE}
# 127.0.0.1 cannot be reached from outside the container. 16 threads: files, DNS look-ups and zlib would share Node's default of 4.
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8080 \
    DATA_DIR=/data \
    UV_THREADPOOL_SIZE=16
# The code belongs to root and is only read. The process writes only to /data, which contains admin-token and master-key (0700).
RUN install -d -o 1000 -g 1000 -m 0700 /data /exports
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=built /app/dist ./dist
COPY LICENSE package.json ./
COPY bin ./bin
# What `meterline docs` shows.
COPY docs ./docs
# What GET /version answers: `docker build --build-arg GIT_COMMIT=$(git rev-parse HEAD) .`
ARG GIT_COMMIT=
RUN printf '%s' "$GIT_COMMIT" > dist/git-commit
LABEL org.opencontainers.image.title=meterline \
      org.opencontainers.image.licenses=Apache-2.0 \
      org.opencontainers.image.revision=$GIT_COMMIT
# The user node, by number: a host that requires a non-root user cannot check a name.
USER 1000:1000
# Loads every module without starting one, so that a module missing from .dockerignore fails the build.
RUN node --input-type=module -e "await import('./dist/service/run.js')" && node bin/meterline.mjs --help >/dev/null
VOLUME /data
EXPOSE 8080
# Checks that the process is alive, not ready: a restart does not repair a partition stopped by an incident. There is no curl.
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`, { signal: AbortSignal.timeout(4000) }).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# node itself is process 1 and receives SIGTERM; a shell or npm would not forward it. Events live for one batch: with a young
# generation of 64 MiB most of them are collected before they are copied.
ENTRYPOINT ["node", "--max-semi-space-size=64", "bin/meterline.mjs"]
CMD ["start"]
