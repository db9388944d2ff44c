FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

WORKDIR /app
COPY requirements/runtime.txt requirements/runtime.txt
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements/runtime.txt \
    && useradd --system --uid 10001 --no-create-home app
COPY . .
# The manifest of the static files is made at build time; these values end with this line.
RUN PRODUCTION=true SECRET_KEY=build SEAL_KEY=build ALLOWED_HOSTS=localhost DATABASE_URL=sqlite://:memory: \
    python manage.py collectstatic --noinput

USER 10001
EXPOSE 8000
CMD ["uvicorn", "cognito_admin.asgi:application", "--host", "0.0.0.0", "--port", "8000", \
     "--timeout-graceful-shutdown", "3", "--no-server-header", "--no-access-log", "--no-proxy-headers"]
