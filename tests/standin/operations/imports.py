"""CSV import jobs, as far as making, starting and stopping them: no file is ever read here [I]."""

from __future__ import annotations

from uuid import UUID

from tests.standin.errors import Refused
from tests.standin.operations import Answer, Asked, operation
from tests.standin.operations.kinds import Kind, One, kind
from tests.standin.operations.pools import IMPORTING
from tests.standin.state import Call, Pool

MOST_JOBS = 1_000  # of a pool [I]


@operation("GetCSVHeader")
def get_csv_header(call: Call, asked: Asked) -> Answer:
    pool = call.pool(asked["UserPoolId"])
    names = [name for name in pool.schema if name != "sub"]
    columns = [*names, "cognito:mfa_enabled", "cognito:username", "password_hash"]
    return {"UserPoolId": pool.id, "CSVHeader": columns}


def _new_job(call: Call, pool: Pool, one: One, asked: Asked) -> None:
    if len(JOBS.held(pool)) >= MOST_JOBS:
        raise Refused("LimitExceededException", "Maximum number of user import jobs exceeded.")
    one["JobId"] = f"import-{UUID(int=call.state.dice.getrandbits(128), version=4)}"
    one["Status"] = "Created"
    one["PreSignedUrl"] = (
        "http://127.0.0.1:9/"  # nobody listens there: what is sent to it leaves no machine
        f"{call.state.account}/{pool.id}/{one['JobId']}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=900"
    )


JOBS = kind(
    Kind(
        "UserImportJob",
        key="JobId",
        held=lambda pool: pool.config.setdefault("imports", {}),
        missing="User import job {} does not exist.",
        lists="UserImportJobs",
        listed="UserImportJobs",
        token="PaginationToken",
        create=_new_job,
    )
)


@operation("StartUserImportJob")
def start_user_import_job(call: Call, asked: Asked) -> Answer:
    """Pending, until it is stopped. One job of the account may be active [I]."""
    pool = call.pool(asked["UserPoolId"], writes=True)
    job = JOBS.find(pool, asked["JobId"])
    if job["Status"] != "Created":
        raise Refused("PreconditionNotMetException", f"The job is {job['Status']} and cannot be started.")
    pools = (other for region in call.state.regions.values() for other in region.pools.values())
    if any(one["Status"] in IMPORTING for other in pools for one in JOBS.held(other).values()):
        raise Refused("PreconditionNotMetException", "Another user import job is in progress.")
    job |= {"Status": "Pending", "StartDate": round(call.now, 3)}
    return {"UserImportJob": job}


@operation("StopUserImportJob")
def stop_user_import_job(call: Call, asked: Asked) -> Answer:
    job = JOBS.find(call.pool(asked["UserPoolId"], writes=True), asked["JobId"])
    if job["Status"] not in IMPORTING:
        raise Refused("PreconditionNotMetException", f"The job is {job['Status']} and cannot be stopped.")
    job |= {"Status": "Stopped", "CompletionDate": round(call.now, 3)}
    return {"UserImportJob": job}
