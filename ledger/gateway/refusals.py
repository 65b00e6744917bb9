"""How a request of the platform's tools is refused: HTTP status, and the platform's own codes, by which its tools decide."""

from typing import Final

from ledger.errors import InputError
from ledger.model.reasons import Reason

__all__ = [
    "NAME_IN_USE",
    "NOT_ALLOWED",
    "NOT_INHERITED",
    "NO_BINDING",
    "NO_ENVIRONMENT",
    "NO_ROUTE",
    "NO_SCRIPT",
    "NO_SERVICE",
    "NO_VERSIONS",
    "REFUSED",
    "SECRETS_LOCKED",
    "SETTINGS_LOCKED",
    "GatewayError",
    "from_reason",
    "no_binding",
    "no_script",
    "no_service",
    "refuse",
]

NO_ROUTE: Final = 7003
NOT_ALLOWED: Final = 10000
NO_SCRIPT: Final = 10007
REFUSED: Final = 10021
NAME_IN_USE: Final = 10053
NO_BINDING: Final = 10056
NOT_INHERITED: Final = 10057
NO_SERVICE: Final = 10090
NO_ENVIRONMENT: Final = 10092
SETTINGS_LOCKED: Final = 10214
SECRETS_LOCKED: Final = 10215
NO_VERSIONS: Final = 10222


class GatewayError(InputError):
    """A request that becomes no change event.

    Args:
        status: HTTP's.
        errors: the platform's code and a sentence, at least one; never a secret's value.
    """

    def __init__(self, status: int, *errors: tuple[int, str]) -> None:
        super().__init__(f"platform_{errors[0][0]}", errors[0][1])
        self.status = status
        self.errors = errors


def refuse(message: str, status: int = 400) -> GatewayError:
    """The exception to raise for a reason that the platform has no code for."""
    return GatewayError(status, (REFUSED, message))


def no_script() -> GatewayError:
    """There is no such script, or it was deleted."""
    return GatewayError(404, (NO_SCRIPT, "This Worker does not exist on your account."))


def no_service() -> GatewayError:
    """The same, asked for as a service."""
    return GatewayError(404, (NO_SERVICE, "workers.api.error.service_not_found"))


def no_binding(name: str) -> GatewayError:
    """What is to be taken away or kept is not there."""
    return GatewayError(404, (NO_BINDING, f"there is no binding '{name}'"))


def from_reason(reason: Reason, *, about_secrets: bool = True) -> GatewayError:
    """Why the ledger rejects an event, in the platform's words.

    Args:
        reason: as the entry has it.
        about_secrets: whether the request is an edit of secrets, for which the platform has a code of its own.
    """
    match reason.code:
        case "script_absent":
            return no_script()
        case "ambiguous_base":
            code = SECRETS_LOCKED if about_secrets else SETTINGS_LOCKED
            return GatewayError(400, (code, _SPLIT))
        case "conflict":
            return GatewayError(409, (REFUSED, "the script was changed by others at the same time; try again"))
        case _:
            return GatewayError(400, (REFUSED, f"{reason.detail} ({reason.code}, {reason.path})"))


_SPLIT: Final = (
    "traffic is split between versions, so there is none to build on; deploy one version, or use `versions secret`"
)
