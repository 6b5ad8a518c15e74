# The command in a container, for CI systems that run steps in one: see docs/other-ci.md. It takes the wheel from dist/,
# which `make package` builds, so that what is in the image is what was released.
ARG BASE=docker.io/library/python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${BASE} AS install
# Given where no package index may be reached.
ARG PIP_NO_INDEX PIP_FIND_LINKS
COPY locks/sign.txt dist/*.whl /source/
# locks/sign.txt holds what locks/action.txt does, and sigstore. pip itself stays behind: nothing is installed later.
RUN python3 -m venv /opt/replicator \
    && /opt/replicator/bin/python -I -m pip --no-cache-dir --disable-pip-version-check install --no-deps \
        --require-hashes --only-binary :all: --requirement /source/sign.txt \
    && /opt/replicator/bin/python -I -m pip --no-cache-dir --disable-pip-version-check install --no-deps --no-index \
        /source/*.whl \
    && /opt/replicator/bin/python -I -m pip --disable-pip-version-check uninstall --yes pip setuptools

FROM ${BASE}
ARG VERSION=
ARG REVISION=
LABEL org.opencontainers.image.title="gce-image-replicator" \
      org.opencontainers.image.description="Makes one Compute Engine image available in every storage location asked for" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/gce-image-replicator/gce-image-replicator" \
      org.opencontainers.image.documentation="https://github.com/gce-image-replicator/gce-image-replicator/blob/main/docs/other-ci.md" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=install /opt/replicator /opt/replicator
# Nothing in the image can be changed by whom it runs as; results go to the folder that is mounted at /workdir.
ENV PATH=/opt/replicator/bin:/usr/local/bin:/usr/bin:/bin HOME=/tmp PYTHONDONTWRITEBYTECODE=1
WORKDIR /workdir
USER 65532:65532
ENTRYPOINT ["/opt/replicator/bin/replicator"]
