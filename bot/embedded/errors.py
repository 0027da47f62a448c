"""The errors that the REST API answers with, in GitHub's words; raised by actions and endpoints, rendered by `app`."""

from typing import Any

DOCS = "https://docs.github.com/rest"


class ApiError(Exception):
    """An answer other than success: `status`, `message` and, for 422, the list `errors`."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        body: dict[str, Any] = {"message": self.message, "documentation_url": DOCS, "status": str(self.status)}
        if self.errors is not None:
            body["errors"] = self.errors
        return body


def not_found() -> ApiError:
    """404, also for what the caller may not see."""
    return ApiError(404, "Not Found")


def forbidden(message: str = "Resource not accessible by integration") -> ApiError:
    """403."""
    return ApiError(403, message)


def invalid(resource: str, field: str, code: str = "invalid", message: str | None = None) -> ApiError:
    """422 with one entry in `errors`."""
    entry: dict[str, Any] = {"resource": resource, "field": field, "code": code}
    if message is not None:
        entry["message"] = message
    return ApiError(422, "Validation Failed", [entry])


def unprocessable(message: str) -> ApiError:
    """422 with a message only, as the git database answers."""
    return ApiError(422, message)
