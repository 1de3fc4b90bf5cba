# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
WORKDIR /src
COPY locks ./locks
RUN python -m venv /build && /build/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r locks/build.txt
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r locks/image.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter ./exporter
RUN /build/bin/pip wheel --no-deps --no-build-isolation --disable-pip-version-check --wheel-dir /dist . \
    && /venv/bin/pip install --no-deps --no-index --disable-pip-version-check /dist/*.whl

FROM python:3.13-slim
LABEL org.opencontainers.image.title="butlr-exporter" \
      org.opencontainers.image.description="Prometheus exporter for Butlr occupancy sensors" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 9728 --no-create-home --shell /usr/sbin/nologin butlr
RUN install --directory --owner=butlr /data
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 BUTLR_EXPORTER_JOURNAL=/data/journal.db
VOLUME /data
USER 9728:9728
EXPOSE 9728
# The probe reads the environment variables and no flags: keep the port inside the container, and map it with -p.
HEALTHCHECK --interval=15s --timeout=3s --start-period=5s CMD ["python", "-m", "exporter.probe"]
ENTRYPOINT ["butlr-exporter"]
CMD ["serve"]
