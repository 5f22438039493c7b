# Two stages on Debian bookworm: build with the compilers, run with the libraries alone.
FROM debian:bookworm-slim AS build
WORKDIR /src
COPY script/packages.txt script/packages.txt
RUN apt-get update && awk '!/^#/ { print $1 }' script/packages.txt | xargs apt-get install -y --no-install-recommends \
    && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cmake -S . -B build -G Ninja -DDIGLOT_TESTS=OFF && ninja -C build && strip build/diglot

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
        curl libevent-core-2.1-7 libevent-pthreads-2.1-7 librocksdb7.8 libnghttp2-14 libhttp-parser2.9 libssl3 \
        zlib1g liblz4-1 libzstd1 libsnappy1v5 libjansson4 libjemalloc2 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --home /data diglot && mkdir /data && chown diglot /data
COPY --from=build /src/build/diglot /usr/local/bin/diglot
USER diglot
VOLUME /data
EXPOSE 9092 4567 9600
# Inside a container every address is "beyond loopback"; which ports the outside reaches is decided
# where the container is started. Behind a published port, Kafka clients must be told that port's
# address: DIGLOT_ADVERTISED_KAFKA, as docker-compose.yml does.
ENV DIGLOT_DATA_DIR=/data DIGLOT_KAFKA=0.0.0.0:9092 DIGLOT_KINESIS=0.0.0.0:4567 DIGLOT_ADMIN=0.0.0.0:9600 \
    DIGLOT_LISTEN_BEYOND_LOOPBACK=true
HEALTHCHECK --interval=5s --timeout=3s --start-period=5s CMD curl -fsS http://127.0.0.1:9600/readyz || exit 1
ENTRYPOINT ["diglot"]
CMD ["serve"]
