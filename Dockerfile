# The ledger's command line and worker, to be run beside Apache Kafka as docker-compose.yml does.
FROM python:3.12-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app

COPY requirements.lock pyproject.toml README.md LICENSE ./
COPY ledger ledger
COPY consumers consumers
COPY cli cli

# As constraints the lock file pins what is installed and installs nothing that only development needs.
RUN pip install --no-cache-dir --constraint requirements.lock '.[s3]' \
    && groupadd --system --gid 10001 ledger \
    && useradd --system --uid 10001 --gid ledger --home-dir /data ledger \
    && install -d -o ledger -g ledger -m 0750 /data

ENV LEDGER_DIR=/data/ledger
USER ledger
VOLUME /data
ENTRYPOINT ["ledger"]
CMD ["--help"]
