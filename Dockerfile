# Two stages: the first has the tools that build the environment, the second only what runs. Runs as an ordinary user.
FROM python:3.11-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends make gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /srv/firebreak
COPY pyproject.toml uv.lock README.md LICENSE Makefile ./
RUN python -m venv .venv && .venv/bin/pip install --no-cache-dir 'uv>=0.9,<1' \
    && UV_PROJECT_ENVIRONMENT=.venv .venv/bin/uv sync --frozen --no-dev --no-install-project --inexact
COPY . .
RUN UV_PROJECT_ENVIRONMENT=.venv .venv/bin/uv sync --frozen --no-dev --inexact

FROM python:3.11-slim-bookworm
RUN useradd --create-home --uid 10001 firebreak && mkdir -p /var/lib/firebreak && chown firebreak /var/lib/firebreak
WORKDIR /srv/firebreak
COPY --from=build --chown=firebreak /srv/firebreak /srv/firebreak
ENV PATH=/srv/firebreak/.venv/bin:$PATH FIREBREAK_HOME=/var/lib/firebreak FIREBREAK_HOST=0.0.0.0 FIREBREAK_PORT=8800
USER firebreak
EXPOSE 8800
HEALTHCHECK --interval=10s --timeout=3s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8800/healthz', timeout=2)"]
# Bring your own inventory: docker run -v $PWD/firebreak.yaml:/etc/firebreak.yaml:ro … serve --config /etc/firebreak.yaml
ENTRYPOINT ["firebreak"]
CMD ["serve", "--config", "/etc/firebreak.yaml"]
