# Fettle's image: one for `fettle serve` and `fettle work` alike (compose.yml says what each may do).

FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY requirements.lock pyproject.toml ./
# uv comes from the lock by pip; then it installs what the project needs to run, each file held to the lock's hashes.
RUN python -m venv /opt/fettle \
    && awk '/^uv==/ { found = 1 } found { print } found && !/\\$/ { exit }' requirements.lock > uv.lock.txt \
    && /opt/fettle/bin/pip install --no-cache-dir --no-deps --require-hashes -r uv.lock.txt \
    && /opt/fettle/bin/uv pip install --no-cache --python /opt/fettle/bin/python \
        --require-hashes --constraint requirements.lock --requirement pyproject.toml
COPY README.md LICENSE ./
COPY bot ./bot
COPY handlers ./handlers
COPY checks ./checks
RUN /opt/fettle/bin/uv pip install --no-cache --python /opt/fettle/bin/python --no-deps . \
    && /opt/fettle/bin/python -m compileall -q /opt/fettle/lib

FROM python:3.12-slim-bookworm
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap ca-certificates git \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --home-dir /var/lib/fettle --shell /usr/sbin/nologin fettle \
    && install -d -o fettle -g fettle -m 0755 /var/lib/fettle
COPY --from=build /opt/fettle /opt/fettle
ENV PATH=/opt/fettle/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FETTLE_DATA_DIR=/var/lib/fettle \
    LOG_FORMAT=json
USER 10001:10001
WORKDIR /var/lib/fettle
VOLUME /var/lib/fettle
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["fettle"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
