"""How an operation refuses."""

from __future__ import annotations


class Refused(Exception):
    """An error answer: ``{"__type": code, "message": message}`` with an HTTP status (AWS's 4xx are 400)."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def invalid(message: str) -> Refused:
    return Refused("InvalidParameterException", message)


def gone(message: str) -> Refused:
    return Refused("ResourceNotFoundException", message)


def not_authorized(message: str) -> Refused:
    return Refused("NotAuthorizedException", message)


def no_user() -> Refused:
    return Refused("UserNotFoundException", "User does not exist.")
