# One image for every process; the command chooses which: `run NAME` of the process table (./qt run --help).

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements.lock /tmp/requirements.lock
# Every package is pinned by hash; nothing is compiled, so the build needs no compiler.
RUN /opt/venv/bin/pip install --require-hashes --only-binary :all: --requirement /tmp/requirements.lock

# With the models of the AI engine; only the target `engine` takes it.
FROM build AS build-engine
COPY requirements-engine.lock /tmp/requirements-engine.lock
RUN /opt/venv/bin/pip install --require-hashes --only-binary :all: --requirement /tmp/requirements-engine.lock

# The dashboard's chart library, by the integrity hashes of its lock file.
FROM node:22-bookworm-slim AS charts
WORKDIR /build
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM python:3.11-slim-bookworm AS system
# A fixed number, so that volumes keep their owner over rebuilt images.
RUN groupadd --gid 10001 qt && useradd --uid 10001 --gid qt --no-create-home --home-dir /var/lib/quantum-trader qt \
    && install --directory --owner qt --group qt --mode 0711 /var/lib/quantum-trader
COPY --from=build /opt/venv /opt/venv
COPY --from=charts /build/node_modules /opt/venv/.qt/npm/node_modules
WORKDIR /opt/quantum-trader
COPY celeryconfig.py ./
COPY app app
COPY tasks tasks
COPY web web
COPY migrations migrations
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/quantum-trader \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    QT_STATE_DIR=/var/lib/quantum-trader
USER qt
VOLUME /var/lib/quantum-trader
ENTRYPOINT ["python", "-P", "-m", "app.cli"]
CMD ["--help"]

# The same with the models: what `docker compose --profile engine` runs as worker-ai.
FROM system AS engine
USER root
# The models' libraries count their threads with it; the slim image has none.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=build-engine /opt/venv /opt/venv
USER qt

# Built when no target is named.
FROM system
