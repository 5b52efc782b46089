# lab2 in one image: the CUDA build of torch (the driver comes from the host, through the container runtime), the
# trainers, the jobs and the embedded data. It runs as any user, on a read-only root, without a network.
# The layers go from what changes rarely to what changes often: a change of code rebuilds the last ones, some MB.
ARG BASE=docker.io/library/debian:bookworm-slim@sha256:96e378d7e6531ac9a15ad505478fcc2e69f371b10f5cdf87857c4b8188404716

FROM ${BASE} AS python
# Debian's own versions: the base image's digest and its archive's date pin them.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/*

FROM python AS dependencies
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv
WORKDIR /build
COPY requirements-image.lock requirements.lock ./
# pip and the tools stay in a place of their own: the final image has neither.
RUN python3 -m venv tools && tools/bin/pip install --no-cache-dir --require-hashes -r requirements-image.lock
RUN python3 -m venv --without-pip /opt/lab2/venv \
 && tools/bin/pip --python /opt/lab2/venv/bin/python install --no-cache-dir --require-hashes -r requirements.lock
RUN tools/bin/cyclonedx-py environment --output-reproducible --of JSON -o /opt/lab2/sbom.cdx.json /opt/lab2/venv
# What is only for building with CUDA, and the compiler for kernels that lab2 never compiles.
WORKDIR /opt/lab2/venv/lib/python3.11/site-packages
RUN rm -rf triton triton-*.dist-info nvidia/*/include torch/include torch/share torch/test \
 && find nvidia torch -name '*.a' -delete

FROM dependencies AS code
WORKDIR /build/lab2
COPY pyproject.toml README.md LICENSE ./
COPY lab2 lab2
RUN /build/tools/bin/pip --python /opt/lab2/venv/bin/python install --no-cache-dir --no-deps --no-build-isolation \
      --target /opt/lab2/code .

FROM python
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin lab2 \
 && install -d -o lab2 -g lab2 /work /cache
COPY --from=dependencies /opt/lab2/venv /opt/lab2/venv
COPY --from=dependencies /opt/lab2/sbom.cdx.json /opt/lab2/
COPY --from=code /opt/lab2/code /opt/lab2/code
COPY jobs /opt/lab2/jobs
COPY slurm/profiles /opt/lab2/profiles
ARG VERSION=unknown
ARG COMMIT
ARG SOURCE
ENV PATH=/opt/lab2/code/bin:/opt/lab2/venv/bin:$PATH \
    PYTHONPATH=/opt/lab2/code \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LAB2_JOBS=/opt/lab2/jobs \
    LAB2_PROFILES=/opt/lab2/profiles \
    LAB2_CACHE=/cache \
    LAB2_COMMIT=${COMMIT} \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
LABEL org.opencontainers.image.title="lab2" \
      org.opencontainers.image.description="Which vision architecture for this data, this budget, this machine?" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="MIT"
USER lab2
WORKDIR /work
ENTRYPOINT ["lab2"]
CMD ["--help"]
