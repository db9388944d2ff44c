"""What a plan says of one user: what is done, and why."""

from __future__ import annotations

from enum import StrEnum


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    SKIP = "skip"
    CANNOT = "cannot"


class Messages(StrEnum):
    """How people get in again."""

    SILENT = "silent"  # nobody is written to; people use "forgot password"
    INVITE = "invite"  # Cognito mails a temporary password
    LATER = "later"  # nobody is written to and nobody can sign in until they are invited


REASONS: dict[str, str] = {
    # create
    "missing": "in the backup, not in the pool",
    "missing-factor": "in the backup, not in the pool; had a second factor, and comes back without one",
    "missing-unverified": "in the backup, not in the pool; has no verified e-mail: restored silently, cannot "
    "sign in without help",
    "missing-factor-unverified": "in the backup, not in the pool; had a second factor, and comes back "
    "without one; has no verified e-mail: restored silently, cannot sign in without help",
    "missing-linked": "in the backup, not in the pool; linked with {detail} again",
    "replaced": "somebody began to register this address again and never confirmed it; that account is "
    "deleted, and this user is created",
    # update
    "fill": "is in the pool; empty there and filled: {detail}",
    "overwrite": "is in the pool; written over: {detail}",
    "join": "is in the pool, and joins {detail}",
    "finish": "was begun by an earlier restore, which is over; what lacks by this backup: {detail}",
    "finish-waits": "was begun by an earlier restore, which is over; what lacks by this backup: {detail}. "
    "Has no password yet, and cannot use “forgot password”: “Who is in again” can invite this user",
    # skip
    "exists": "is in the pool",
    "exists-now": "was not in the pool when the plan was made, and is now",
    "administrator": "administers the application, which makes this account by itself; mapped, left alone",
    "administrator-missing": "administers the application, and is not in the pool; not chosen, so nothing is "
    "done. The identity map looks for this account again",
    "registered-again": "registered this address again after the backup was made; left alone, unless "
    "somebody says that it is the same person",
    "unverified-again": "registered this address again after the backup was made, and never verified it; "
    "left alone",
    "made-again": "was made again by somebody who administers the pool, or by a tool, after the backup was "
    "made; left alone, unless somebody says that it is the same person",
    "perhaps-made": "was begun by job {detail}, which never learned whether it made the account that is "
    "there now; left alone, unless somebody says that it is the same person",
    "unfinished-again": "began to register this address again and never confirmed it; left alone, "
    "unless that account may be deleted",
    "restored-twice": "was created more than once by earlier restores, and nothing says which one it is now",
    "stays-disabled": "is in the pool, disabled, and enabled in the backup; enabling was not allowed",
    "stays-out": "is in the pool; {detail} is privileged, and joining was not allowed",
    "newer": "changed in the pool after the backup was made; left alone",
    "immutable": "is in the pool; {detail} differs, and can be written at creation only",
    "changed-since": "changed in the pool since this was planned; left alone",
    "tried": "was written to by the trial of this plan, job {detail}; left alone",
    "federated": "comes back at the next sign-in through {detail}",
    "linked": "signs in through {detail} as well; links are not put back unless that is chosen",
    "link-unknown": "signs in through {detail} as well, and the backup does not say as whom there",
    "unconfirmed": "never finished signing up, can register again",
    "same-name": "somebody in the pool has this name, and nothing says whether it is the same person",
    "unfinished": "was begun by job {detail} and is not finished; go on with that job",
    "newer-unfinished": "was begun by an earlier restore, which is over, and not finished; changed in the "
    "pool afterwards",
    "link-apart": "signs in through {detail} too, which has an account of its own in the pool by now and "
    "cannot be linked again while that is there; left alone",
    "waits": "was created by an earlier restore, which is over. Has no password yet, and cannot use “forgot "
    "password”: “Who is in again” can invite this user",
    "duplicate": "has the same e-mail or name as another user of this backup, who comes first",
    # cannot
    "no-email": "has no e-mail, which is the username in this pool",
    "no-username": "has a Username that this pool does not take: {detail}",
    "required-attribute": "lacks {detail}, which this pool requires",
    "unknown-attribute": "has {detail}, which this pool does not know",
    "too-long": "has more than 2,048 characters in {detail}, which Cognito does not take",
    "wrong-length": "has too few or too many characters for this pool in {detail}",
    "address-taken": "has an e-mail that somebody else in the pool has by now",
    # created
    "invited": "was created; another job invited this user meanwhile, or may have, so no password was set "
    "over the one that was mailed",
    "left-out": "was created, and not invited: {detail}",
    # failed
    "kept-out": "is there, but in no group that got an IAM role or was set apart since the plan: {detail}",
    "left-unfinished": "was begun by an earlier restore, which is over, and not finished: go on with that "
    "one, or plan again",
    "refused": "AWS refused: {detail}",
    "denied": "the dashboard's AWS role may not do this: {detail}",
    "silent": "AWS did not answer: {detail}",
    "throttled": "AWS went on refusing for too many calls: {detail}",
    "mail-limit": "the account exists, but the day's mails are spent: no invitation was sent",
    "not-delivered": "the account exists, but the invitation could not be delivered: {detail}",
    "unsent": "was not finished, and no invitation was sent: {detail}",
    "not-invited": "the account exists, and was not invited",
    "maybe-invited": "the account exists; whether the invitation went out is not known, it is not repeated",
    "gone-since": "left the pool since this was planned; plan again to create this user",
    "other-user": "somebody else holds this e-mail now; left alone",
    "read-back-differs": "was written, but read back differently: {detail}",
}


def sentence(code: str, detail: str = "") -> str:
    """The reason as words. An unknown code shows itself."""
    return REASONS.get(code, code).format(detail=detail or "another provider")
