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

FROM python AS code
# hadolint ignore=DL3008,DL3009
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv
COPY requirements-image.lock /
RUN python3 -m venv /tools && /tools/bin/pip install --no-cache-dir --require-hashes -r /requirements-image.lock
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY jobs jobs
COPY slurm slurm
COPY lab2 lab2
RUN /tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheel . \
 && python3 -m zipfile -e /wheel/*.whl /opt/lab2/code

FROM python
COPY requirements-image.lock requirements.lock /opt/lab2/
# PyPI's torch is built for CUDA 13.0, which old drivers do not run. For another one (12.6) the same versions of torch and
# torchvision, and what they need, come from PyTorch's own index. Nothing of that index is pinned by a hash.
ARG CUDA=13.0
ARG TORCH_INDEX=https://download.pytorch.org/whl
# One layer, so that what builds it is not in it: pip and the tools, what is only for building with CUDA, the compiler
# for kernels that lab2 never compiles, and the libraries of CUDA that nothing in torch links or opens
# (tests/test_image.py follows the links of the others).
# hadolint ignore=DL3008,DL4006,SC2046,SC2086
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv \
 && python3 -m venv /tools \
 && /tools/bin/pip install --no-cache-dir --require-hashes -r /opt/lab2/requirements-image.lock \
 && python3 -m venv --without-pip /opt/lab2/venv \
 && packages=/opt/lab2/venv/lib/python3.11/site-packages \
 && /tools/bin/pip --python /opt/lab2/venv/bin/python install --no-cache-dir --require-hashes \
      -r /opt/lab2/requirements.lock \
 && if [ "$CUDA" != 13.0 ]; then \
      pip="/tools/bin/pip --python /opt/lab2/venv/bin/python" \
      && $pip uninstall -qy $($pip freeze | grep -oE '^(torch|torchvision|triton|nvidia-[^=]*|cuda-[^=]*)==' | tr -d =) \
      && $pip install --no-cache-dir --index-url "$TORCH_INDEX/cu$(echo "$CUDA" | tr -d .)" \
           $(grep -oE '^(torch|torchvision)==[^ ]+' /opt/lab2/requirements.lock); \
    fi \
 && rm -rf $packages/triton $packages/triton-*.dist-info $packages/nvidia/*/include $packages/nvidia/*/*/include \
      $packages/torch/include $packages/torch/share $packages/torch/test \
      $packages/nvidia/*/lib/libcusolverMg.so.* $packages/nvidia/*/lib/libnvrtc*.alt.so.* \
      $packages/nvidia/*/lib/libcufftw.so.* $packages/nvidia/*/lib/libnvblas.so.* \
 && find $packages/nvidia $packages/torch -name '*.a' -delete \
 && /tools/bin/cyclonedx-py environment --output-reproducible --of JSON -o /opt/lab2/sbom.cdx.json /opt/lab2/venv \
 && rm -rf /tools \
 && apt-get purge -y --auto-remove python3-venv \
 && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/*
COPY --from=code /opt/lab2/code /opt/lab2/code
ARG VERSION=unknown
ARG COMMIT
ARG SOURCE
# After the arguments on purpose: of an ENV or LABEL Buildah's cache does not see that an argument in it is another, of a
# RUN it does (containers/buildah#5501). The code lies beside its packages: a change of it leaves those gigabytes alone.
RUN echo /opt/lab2/code > /opt/lab2/venv/lib/python3.11/site-packages/lab2.pth \
 && printf '#!/bin/sh\nexec /opt/lab2/venv/bin/python -m lab2.cli "$@"\n' > /opt/lab2/venv/bin/lab2 \
 && chmod +x /opt/lab2/venv/bin/lab2 \
 && useradd --uid 10001 --create-home --shell /usr/sbin/nologin lab2 \
 && install -d -o lab2 -g lab2 /work /cache
ENV PATH=/opt/lab2/venv/bin:$PATH \
    PYTHONSAFEPATH=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LAB2_CACHE=/cache \
    LAB2_BILL=/opt/lab2/sbom.cdx.json \
    LAB2_COMMIT=${COMMIT} \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
LABEL org.opencontainers.image.title="lab2" \
      org.opencontainers.image.description="Which vision architecture for this data, this budget, this machine?" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="MIT"
USER 10001
WORKDIR /work
ENTRYPOINT ["lab2"]
CMD ["--help"]
