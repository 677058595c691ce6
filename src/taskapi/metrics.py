"""What is counted, for Prometheus. No label takes a value that a client can invent."""

from prometheus_client import Counter, Histogram

REQUESTS = Counter("taskapi_requests", "Requests answered", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "taskapi_request_seconds",
    "From the request's head to the last byte of the answer",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10),
)
TOKEN_REFUSALS = Counter("taskapi_token_refusals", "Requests refused as 401", ["code"])
KEY_SET_FETCHES = Counter("taskapi_key_set_fetches", "Fetches of the key set", ["result"])
DATABASE_FAULTS = Counter(
    "taskapi_database_faults", "Requests answered 503 for the database", ["fault"]
)
DATABASE_RETRIES = Counter(
    "taskapi_database_retries", "Statements repeated after a fault", ["fault"]
)
