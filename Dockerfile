# The sidecar's image. With BuildKit: docker build --build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) -t leader-sidecar .
# Without a daemon: `make image` (buildah). Any base will do that has Python 3.11 or newer as python3, with venv and pip.
# The default is pinned by its tag; for a base that never changes give --build-arg PYTHON_IMAGE=...@sha256:...
ARG PYTHON_IMAGE=docker.io/library/python:3.11.14-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# the same hash seed each time: the order within a frozen set stands in the byte code
ENV PYTHONHASHSEED=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
RUN ["python3", "-m", "venv", "--without-pip", "/opt/leader-sidecar"]
COPY requirements/build.txt requirements/run.txt requirements/
# setuptools first: etcd3 comes as source only, and building in isolation would fetch what no hash vouches for
RUN python3 -m pip --python /opt/leader-sidecar/bin/python3 install --no-compile --require-hashes -r requirements/build.txt \
    && python3 -m pip --python /opt/leader-sidecar/bin/python3 install --no-compile --require-hashes \
        --no-build-isolation --use-pep517 -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY sidecar sidecar
RUN python3 -m pip --python /opt/leader-sidecar/bin/python3 install --no-compile --no-deps --no-build-isolation . \
    && python3 -m pip --python /opt/leader-sidecar/bin/python3 uninstall --yes setuptools
COPY scripts/image_prune.py scripts/
# here and no sooner: it differs with every commit, and what is installed above need not be installed again for that. As a
# variable, too: buildah's cache does not look at the value of an argument
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}
RUN /opt/leader-sidecar/bin/python3 -B scripts/image_prune.py /opt/leader-sidecar

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="leader-sidecar" \
    org.opencontainers.image.description="Elects one leader per group of pods, on etcd's own lock recipe" \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/leader-sidecar /opt/leader-sidecar
# All byte code, the base's own modules included, is under the prefix: the usual slim images ship none, and a container
# that compiles at each start takes seconds of CPU and twice the memory. Two malloc arenas are enough for few threads.
ENV PATH=/opt/leader-sidecar/bin:$PATH \
    PYTHONPYCACHEPREFIX=/opt/leader-sidecar/bytecode \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2
USER 65532:65532
WORKDIR /
EXPOSE 4041
ENTRYPOINT ["/opt/leader-sidecar/bin/leader-sidecar"]
CMD ["--help"]
